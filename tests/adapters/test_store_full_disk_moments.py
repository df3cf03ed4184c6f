"""The disk fills at the worst moment: a long log, a reader in the way, a rival at work."""

import asyncio
import contextlib
import random
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.adapters.store_sqlite import SqliteStore
from agent.limits import BALLAST_BYTES, WAL_BYTES
from agent.ports import ALARM, HISTORY, LANES, NewRow, StoreFault
from tests.small_disk import KINDS, SmallDisk, small_disk

ROWS_BYTES = 50 * 2150  # of the log, for fifty rows


@pytest.fixture(params=KINDS)
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[SmallDisk]:
    with small_disk(tmp_path, request.param, 48) as found:
        yield found


def rows(chance: random.Random, lane: str, count: int, size: int = 2000) -> list[NewRow]:
    return [NewRow(lane, 5, "verdict", f'"{chance.randbytes(size).hex()}"') for _ in range(count)]


async def tried(store: SqliteStore, what: list[NewRow]) -> bool:
    try:
        await store.append(what, [])
    except StoreFault:
        return False
    return True


@pytest.mark.parametrize("log_share", [0.3, 0.9])
def test_what_a_long_log_owes_the_database_is_paid(disk: SmallDisk, log_share: float) -> None:
    async def scene() -> None:
        store, chance = SqliteStore(str(disk.state)), random.Random(1)
        await store.open()
        for _ in range(int(log_share * WAL_BYTES / ROWS_BYTES)):
            await store.append(rows(chance, HISTORY, 50), [])
        disk.fill()
        for _ in range(60):
            await store.append(rows(chance, HISTORY, 50), [])
            await store.append(rows(chance, ALARM, 1), [])
        alarm, _, history = (await store.stats()).lanes
        assert (alarm.evicted, alarm.produced - alarm.delivered) == (0, alarm.backlog)
        assert history.evicted > 0 and history.backlog > 150
        await store.close()

    asyncio.run(scene())


def test_the_room_that_the_log_will_need_is_the_files_own_before_a_rival_comes(
    disk: SmallDisk,
) -> None:
    async def scene() -> None:
        store, chance = SqliteStore(str(disk.state)), random.Random(2)
        await store.open()
        path = disk.state / "telemetry.db"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as reader:
            for _ in range(40):
                await store.append(rows(chance, HISTORY, 50), [])
                pages, page_bytes = (
                    reader.execute(f"PRAGMA {what}").fetchone()[0]
                    for what in ("page_count", "page_size")
                )
                assert path.stat().st_size >= pages * page_bytes
            assert pages * page_bytes > 40 * 50 * 2000, "the rows lengthened the database"
        await store.close()

    asyncio.run(scene())


def test_a_reader_in_the_way_leaves_the_alarms_their_reserve(disk: SmallDisk) -> None:
    async def scene() -> None:
        store, chance = SqliteStore(str(disk.state)), random.Random(2)
        await store.open()
        await store.append(rows(chance, HISTORY, 300), [])
        reader = sqlite3.connect(f"file:{disk.state / 'telemetry.db'}?mode=ro", uri=True)
        reader.execute("BEGIN")
        assert reader.execute("SELECT COUNT(*) FROM history_lane").fetchone()[0] > 0
        disk.fill()
        while await tried(store, rows(chance, HISTORY, 50)):
            continue
        for _ in range(40):
            await store.append(rows(chance, ALARM, 1), [])
        reader.close()
        for _ in range(40):
            await store.append(rows(chance, HISTORY, 50), [])
        stats = (await store.stats()).lanes
        assert stats[0].evicted == 0 and stats[2].evicted > 0
        await store.close()

    asyncio.run(scene())


def test_a_rival_that_takes_all_that_is_free_at_once_costs_no_alarm(disk: SmallDisk) -> None:
    ended = threading.Event()

    def rival() -> None:
        while not ended.is_set():
            disk.fill()

    async def scene() -> None:
        store, chance = SqliteStore(str(disk.state)), random.Random(3)
        await store.open()
        await store.append(rows(chance, HISTORY, 300), [])
        taking = threading.Thread(target=rival)
        taking.start()
        try:
            for _ in range(50):
                await tried(store, rows(chance, HISTORY, 50))
                tries = 1
                while not await tried(store, rows(chance, ALARM, 1, 200)):
                    tries += 1
                    assert tries < 20, "an alarm is kept after a few tries"
        finally:
            ended.set()
            taking.join()
        stats = (await store.stats()).lanes
        assert stats[0].evicted == 0 and stats[0].produced >= 50
        for lane in stats:
            assert lane.produced == lane.delivered + lane.evicted + lane.refused + lane.backlog
        disk.free()
        await store.append([row for lane in LANES for row in rows(chance, lane, 1)], [])
        assert (disk.state / "ballast").stat().st_size == BALLAST_BYTES
        await store.close()

    asyncio.run(scene())
