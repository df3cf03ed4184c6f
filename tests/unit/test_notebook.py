"""What a machine is to remember: refused by the disk it is said, kept in mind, and tried again."""

import asyncio

from agent.core.bulletin import Bulletin
from agent.limits import KEEP_RETRY_S
from agent.ports import StoreFault
from agent.stages.notebook import Notebook

MODE = "baseline m"


class Disk:
    """Settings of a store that may be full."""

    def __init__(self) -> None:
        self.full = True
        self.held: dict[str, str] = {}
        self.asked = 0

    async def put_setting(self, key: str, value: str) -> None:
        self.asked += 1
        if self.full:
            raise StoreFault("state: database or disk is full")
        self.held[key] = value


def rig() -> tuple[Notebook, Disk, Bulletin]:
    disk, bulletin = Disk(), Bulletin()
    return Notebook("m", MODE, disk.put_setting, bulletin), disk, bulletin


def test_the_newest_text_is_kept_once_the_disk_takes_it() -> None:
    async def scene() -> None:
        notebook, disk, bulletin = rig()
        for n in range(3):
            await notebook.write("k", f"{n}", n)
        assert "not kept yet" in bulletin.get("degraded")[MODE]
        disk.full = False
        await notebook.again(int((KEEP_RETRY_S + 1) * 1e9))
        assert disk.held == {"k": "2"} and bulletin.get("degraded") == {}

    asyncio.run(scene())


def test_a_full_disk_is_asked_now_and_then_and_not_at_each_window() -> None:
    async def scene() -> None:
        notebook, disk, bulletin = rig()
        await notebook.write("k", "old", 0)
        for n in range(1, 601):
            await notebook.again(int(n * 0.1e9))
        assert disk.asked == 1 + 60 / KEEP_RETRY_S
        assert MODE in bulletin.get("degraded")

    asyncio.run(scene())


def test_what_was_refused_never_replaces_what_was_kept_later() -> None:
    async def scene() -> None:
        notebook, disk, bulletin = rig()
        await notebook.write("k", "refused", 0)
        disk.full = False
        await notebook.write("k", "newer", 1)
        await notebook.again(int(100e9))
        assert disk.held == {"k": "newer"} and bulletin.get("degraded") == {}

    asyncio.run(scene())


def test_the_mode_of_another_reason_stays_when_nothing_was_refused() -> None:
    async def scene() -> None:
        notebook, _, bulletin = rig()
        bulletin.degrade(MODE, "m: drifting; learning again")
        await notebook.again(int(100e9))
        assert MODE in bulletin.get("degraded")

    asyncio.run(scene())
