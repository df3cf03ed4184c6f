"""Tasks that fail are restarted, said, and in the end given up; a stop ends all of them."""

import asyncio

from agent.core.bulletin import Bulletin
from agent.limits import RESTART_DELAYS_MAX
from agent.ports import SamplingFault
from agent.supervisor import Supervisor
from tests.doubles import FastClock


def test_a_task_that_fails_is_restarted_and_said() -> None:
    async def scene() -> None:
        bulletin, stop = Bulletin(), asyncio.Event()
        starts = []

        async def shaky() -> None:
            starts.append(1)
            if len(starts) < 3:
                raise ValueError("loose wire")
            stop.set()
            await asyncio.sleep(60)

        supervisor = Supervisor(FastClock(), bulletin)
        supervisor.add("shaky", shaky)
        await asyncio.wait_for(supervisor.run(stop), 5)
        assert len(starts) == 3 and supervisor.failure == ""
        assert "loose wire" in bulletin.get("degraded")["restarted_shaky"]

    asyncio.run(scene())


def test_a_task_that_never_holds_ends_the_agent_with_its_error() -> None:
    async def scene() -> None:
        starts = []

        async def broken() -> None:
            starts.append(1)
            raise ValueError("always")

        supervisor = Supervisor(FastClock(), Bulletin())
        supervisor.add("broken", broken)
        supervisor.add("other", lambda: asyncio.sleep(60))
        await asyncio.wait_for(supervisor.run(asyncio.Event()), 5)
        assert len(starts) == RESTART_DELAYS_MAX + 1
        assert supervisor.failure == "broken failed: ValueError('always')"

    asyncio.run(scene())


def test_a_failure_in_words_for_people_is_told_in_them_alone() -> None:
    async def scene() -> None:
        async def broken() -> None:
            raise SamplingFault("a: it ended")

        bulletin = Bulletin()
        supervisor = Supervisor(FastClock(), bulletin)
        supervisor.add("broken", broken)
        await asyncio.wait_for(supervisor.run(asyncio.Event()), 5)
        assert bulletin.get("degraded")["restarted_broken"] == supervisor.failure == "a: it ended"

    asyncio.run(scene())


def test_a_stop_leaves_no_task_behind() -> None:
    async def scene() -> None:
        ended: list[str] = []

        async def working(name: str) -> None:
            try:
                await asyncio.sleep(60)
            finally:
                ended.append(name)

        supervisor, stop = Supervisor(FastClock(), Bulletin()), asyncio.Event()
        supervisor.add("first", lambda: working("first"))
        supervisor.add("second", lambda: working("second"))
        asyncio.get_running_loop().call_later(0.05, stop.set)
        await asyncio.wait_for(supervisor.run(stop), 5)
        assert sorted(ended) == ["first", "second"]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scene())
