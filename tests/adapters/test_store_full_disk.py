"""A disk that another program has filled: history gives way inside the files, nothing else does."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.adapters.store_sqlite import SqliteStore
from agent.limits import BALLAST_BYTES
from agent.ports import ALARM, HISTORY, LIVE, TOMBSTONE, NewRow, StoreFault
from tests.small_disk import KINDS, SmallDisk, small_disk

Scene = Callable[[SqliteStore], Awaitable[None]]


@pytest.fixture(params=KINDS)
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[SmallDisk]:
    with small_disk(tmp_path, request.param) as found:
        yield found


def rows(chance: random.Random, lane: str, count: int, size: int = 150) -> list[NewRow]:
    return [NewRow(lane, 5, "verdict", f'"{chance.randbytes(size).hex()}"') for _ in range(count)]


def opened(disk: SmallDisk, *scenes: Scene) -> list[tuple[str, ...]]:
    """A life of the store for each scene; what each `open` said."""

    async def run() -> list[tuple[str, ...]]:
        said = []
        for scene in scenes:
            store = SqliteStore(str(disk.state), urandom=bytes)
            said.append(await store.open())
            try:
                await scene(store)
            finally:
                await store.close()
        return said

    return asyncio.run(run())


async def fill_history(store: SqliteStore, chance: random.Random, commits: int = 120) -> None:
    for _ in range(commits):
        await store.append(rows(chance, HISTORY, 50), [("m", 5, '"past"')])


async def check_account(store: SqliteStore) -> Any:
    """The lanes' account adds up, and is what can be read; the alarm lane's rows."""
    stats = await store.stats()
    for lane in stats.lanes:
        assert lane.produced == lane.delivered + lane.evicted + lane.refused + lane.backlog
        held = await store.oldest(lane.lane, 0, 10**6)
        assert len(held) == lane.backlog
    alarms = await store.oldest(ALARM, 0, 10**6)
    told = [json.loads(row.body) for row in alarms if row.kind == TOMBSTONE]
    told += [other for one in told for other in one.get("also", [])]
    assert sum(one["count"] for one in told) == sum(lane.evicted for lane in stats.lanes)
    return stats


def test_history_gives_way_for_as_long_as_the_disk_is_full(disk: SmallDisk) -> None:
    async def scene(store: SqliteStore) -> None:
        chance = random.Random(1)
        await fill_history(store, chance)
        disk.fill()
        for _ in range(150):
            await store.append(rows(chance, HISTORY, 50), [])
            await store.append(rows(chance, LIVE, 5), [])
            await store.append(rows(chance, ALARM, 1), [])
        stats = await check_account(store)
        alarm, live, history = stats.lanes
        assert alarm.evicted == live.evicted == 0 and history.evicted > 1000
        assert history.backlog > 1000 and stats.giving_way.startswith("the disk is full")

    opened(disk, scene)


def test_all_returns_by_itself_when_room_comes_back(disk: SmallDisk) -> None:
    async def scene(store: SqliteStore) -> None:
        chance = random.Random(2)
        await fill_history(store, chance)
        disk.fill()
        await fill_history(store, chance)
        assert (await store.stats()).giving_way
        disk.free()
        await store.append(rows(chance, HISTORY, 1), [])
        before = await store.stats()
        assert before.giving_way == ""
        assert (disk.state / "ballast").stat().st_size == BALLAST_BYTES
        await fill_history(store, chance)
        after = await check_account(store)
        assert after.lanes[2].evicted == before.lanes[2].evicted

    opened(disk, scene)


def test_alarms_have_a_reserve_when_nothing_else_can_give_way(disk: SmallDisk) -> None:
    async def scene(store: SqliteStore) -> None:
        chance = random.Random(3)
        await store.append(rows(chance, ALARM, 2), [])
        disk.fill()
        kept = 0
        with pytest.raises(StoreFault, match="full"):
            while True:
                await store.append(rows(chance, ALARM, 40, 1000), [])
                kept += 40
        assert kept * 1000 > 2**20, "at least a megabyte of alarms"
        with pytest.raises(StoreFault, match="full"):
            await store.append(rows(chance, LIVE, 40, 1000), [])
        stats = await check_account(store)
        assert (stats.lanes[0].backlog, stats.lanes[0].evicted) == (2 + kept, 0)
        disk.free()
        await store.append(rows(chance, ALARM, 4, 1000), [])
        assert (disk.state / "ballast").stat().st_size == BALLAST_BYTES

    opened(disk, scene)


def test_settings_and_captures_are_kept_on_a_full_disk(disk: SmallDisk) -> None:
    async def scene(store: SqliteStore) -> None:
        chance = random.Random(4)
        await store.put_setting("baseline m", "the old one")
        for n in range(8):
            await store.keep_capture("m", n, "{}", chance.randbytes(60_000), b"lines")
        disk.fill()
        for n in range(30):
            await store.put_setting("baseline m", f"{n} {chance.randbytes(20_000).hex()}")
            await store.keep_capture("m", 100 + n, "{}", chance.randbytes(60_000), b"lines")
            assert (await store.get_setting("baseline m") or "").startswith(f"{n} ")
        with pytest.raises(StoreFault, match="full"):
            await store.put_setting("too large", chance.randbytes(8_000_000).hex())
        assert (await store.get_setting("baseline m") or "").startswith("29 ")

    async def after(store: SqliteStore) -> None:
        assert (await store.get_setting("baseline m") or "").startswith("29 ")

    opened(disk, scene, after)


@pytest.mark.parametrize("way", ["clean", "young"])
def test_the_store_opens_and_keeps_rows_on_a_full_disk(disk: SmallDisk, way: str) -> None:
    chance = random.Random(5)

    async def before(store: SqliteStore) -> None:
        await fill_history(store, chance, 100 if way == "clean" else 1)
        await store.put_setting("k", "kept")
        disk.fill()

    async def full(store: SqliteStore) -> None:
        assert await store.get_setting("k") == "kept"
        known = (await store.stats()).lanes[2].backlog
        for _ in range(100):
            await store.append(rows(chance, ALARM, 1), [])
        await fill_history(store, chance, 100)
        stats = await check_account(store)
        assert stats.lanes[2].evicted + stats.lanes[2].backlog >= known + 3000
        assert stats.lanes[0].evicted == 0

    assert opened(disk, before) == [()]
    for _ in range(3):
        disk.fill()  # what the logs had taken, too
        assert opened(disk, full) == [()]


def test_a_delivery_goes_on_while_the_disk_is_full(disk: SmallDisk) -> None:
    async def scene(store: SqliteStore) -> None:
        chance = random.Random(6)
        await fill_history(store, chance, 100)
        disk.fill()
        for _ in range(300):
            await store.append(rows(chance, HISTORY, 20), [])
            held = await store.oldest(HISTORY, 0, 60)
            if held:
                await store.ack(HISTORY, held[-1].id)
        stats = await check_account(store)
        assert stats.lanes[2].delivered > 5000

    opened(disk, scene)


def test_a_row_that_is_refused_is_set_aside_on_a_full_disk(disk: SmallDisk) -> None:
    async def scene(store: SqliteStore) -> None:
        chance = random.Random(7)
        await fill_history(store, chance, 100)
        disk.fill()
        for _ in range(200):
            held = await store.oldest(HISTORY, 0, 1)
            await store.set_aside(HISTORY, [(held[0].id, "too large")])
            await store.append(rows(chance, HISTORY, 20), [])
        stats = await store.stats()
        assert stats.lanes[2].refused > 150 and stats.lanes[2].evicted > 0

    opened(disk, scene)
