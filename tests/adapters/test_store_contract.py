"""What every store owes, on SQLite and in memory: the double is held to the same claims."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from agent.adapters.store_sqlite import SqliteStore
from agent.ports import ALARM, HISTORY, LANES, LIVE, TOMBSTONE, NewRow, row_boot, row_seq
from agent.store.tombstone import account_of, bodies, carried_by
from tests.memory_store import MemoryStore

KINDS = ("sqlite", "memory")
Scene = Callable[[Any], Awaitable[None]]


def lives(kind: str, folder: Path, *scenes: Scene) -> None:
    """A scene a life of the agent, on the same disk; each ends cleanly."""

    async def run() -> None:
        store: Any = MemoryStore()
        for scene in scenes:
            if kind == "sqlite":
                store = SqliteStore(str(folder), urandom=bytes)
            assert await store.open() == ()
            await scene(store)
            await store.close()
            store = store.crashed() if kind == "memory" else store

    asyncio.run(run())


def rows(lane: str, first: int, count: int) -> list[NewRow]:
    return [NewRow(lane, n, "verdict", f'{{"n":{n}}}') for n in range(first, first + count)]


async def seqs(store: Any, lane: str) -> list[int]:
    return [row_seq(row.id) for row in await store.oldest(lane, 0, 10_000)]


def sums(stats: Any) -> dict[str, tuple[int, int]]:
    """{lane: (produced, all that it can have become)}."""
    return {
        s.lane: (s.produced, s.delivered + s.evicted + s.refused + s.backlog) for s in stats.lanes
    }


@pytest.mark.parametrize("kind", KINDS)
def test_each_lane_numbers_its_own_rows_from_one(kind: str, tmp_path: Path) -> None:
    async def scene(store: Any) -> None:
        mixed = [rows(lane, n, 1)[0] for n in range(1, 31) for lane in LANES]
        await store.append(mixed, [])
        for lane in LANES:
            found = await store.oldest(lane, 0, 100)
            assert [row_seq(row.id) for row in found] == list(range(1, 31))
            assert {(row.lane, row_boot(row.id), row.first_seq) for row in found} == {
                (lane, store.boot, 0)
            }

    lives(kind, tmp_path, scene)


@pytest.mark.parametrize("kind", KINDS)
def test_an_ack_frees_its_lane_alone_and_never_goes_back(kind: str, tmp_path: Path) -> None:
    async def scene(store: Any) -> None:
        await store.append(rows(LIVE, 1, 100) + rows(HISTORY, 1, 100), [])
        ids = [row.id for row in await store.oldest(LIVE, 0, 100)]
        await store.ack(LIVE, ids[59])
        await store.ack(LIVE, ids[19])
        assert await seqs(store, LIVE) == list(range(61, 101))
        assert await seqs(store, HISTORY) == list(range(1, 101))
        assert [row.id for row in await store.oldest(LIVE, ids[69], 3)] == ids[70:73]
        assert sums(await store.stats())[LIVE] == (100, 100)
        assert (await store.stats()).lanes[1].delivered == 60

    lives(kind, tmp_path, scene)


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_life_has_the_unacknowledged_rows_and_a_new_boot(kind: str, tmp_path: Path) -> None:
    async def first(store: Any) -> None:
        await store.append(rows(LIVE, 1, 70), [])
        await store.ack(LIVE, store.boot << 32 | 33)

    async def second(store: Any) -> None:
        assert store.boot == 2 and await seqs(store, LIVE) == list(range(34, 71))
        await asyncio.wait_for(store.wait_for_rows(), 5)
        await store.append(rows(LIVE, 1, 2), [])
        found = await store.oldest(LIVE, 1 << 32 | 70, 10)
        assert [(row_boot(row.id), row_seq(row.id)) for row in found] == [(2, 1), (2, 2)]

    lives(kind, tmp_path, first, second)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_that_is_set_aside_leaves_a_tombstone_and_its_lane_goes_on(
    kind: str, tmp_path: Path
) -> None:
    async def scene(store: Any) -> None:
        await store.append(rows(LIVE, 1, 10), [])
        await store.set_aside(LIVE, [(store.boot << 32 | 4, "too large")])
        assert await seqs(store, LIVE) == [1, 2, 3, 5, 6, 7, 8, 9, 10]
        (tombstone,) = await store.oldest(ALARM, 0, 10)
        body = json.loads(tombstone.body)
        assert tombstone.kind == "tombstone" and body["reason"] == "too large"
        told = [body[key] for key in ("lane", "boot", "seq_from", "seq_to", "count")]
        assert told == [LIVE, store.boot, 4, 4, 1]
        await store.ack(LIVE, store.boot << 32 | 10)
        live = (await store.stats()).lanes[1]
        assert (live.produced, live.delivered, live.refused, live.backlog) == (10, 9, 1, 0)

    lives(kind, tmp_path, scene)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_that_was_acknowledged_meanwhile_is_not_set_aside(kind: str, tmp_path: Path) -> None:
    async def scene(store: Any) -> None:
        await store.append(rows(LIVE, 1, 10), [])
        await store.ack(LIVE, store.boot << 32 | 5)
        await store.set_aside(LIVE, [(store.boot << 32 | 5, "late"), (store.boot << 32 | 6, "no")])
        assert await seqs(store, LIVE) == [7, 8, 9, 10]
        live = (await store.stats()).lanes[1]
        assert (live.delivered, live.refused, live.backlog) == (5, 1, 4)
        (tombstone,) = await store.oldest(ALARM, 0, 10)
        assert json.loads(tombstone.body)["seq_from"] == 6

    lives(kind, tmp_path, scene)


@pytest.mark.parametrize("kind", KINDS)
def test_a_tombstone_that_is_set_aside_is_carried_by_the_next_one(
    kind: str, tmp_path: Path
) -> None:
    async def scene(store: Any) -> None:
        await store.append(rows(LIVE, 1, 10), [])
        await store.set_aside(LIVE, [(store.boot << 32 | 4, "too large")])
        for seq in (1, 2):
            await store.set_aside(ALARM, [(store.boot << 32 | seq, "not that")])
            (held,) = await store.oldest(ALARM, 0, 10)
            body = json.loads(held.body)
            (own,) = body["also"]
            assert row_seq(held.id) == seq + 1
            assert (body["lane"], body["seq_from"], body["reason"]) == (LIVE, 4, "too large")
            assert (own["lane"], own["seq_from"], own["seq_to"]) == (ALARM, 1, seq)
            assert own["count"] == seq, "neighbours are one account"

    lives(kind, tmp_path, scene)


@pytest.mark.parametrize("kind", KINDS)
def test_tombstones_that_are_set_aside_together_are_carried_by_as_few_as_hold_them(
    kind: str, tmp_path: Path
) -> None:
    """And the number of each is told too, however many accounts they carry."""

    async def scene(store: Any) -> None:
        gone = [account_of(LIVE, 9, (2 * n, 2 * n), "limit", 1) for n in range(1, 41)]
        held = [NewRow(ALARM, 0, TOMBSTONE, text) for one in gone for text in bodies([one])]
        await store.append(held, [])
        refused = [(row.id, "no") for row in await store.oldest(ALARM, 0, 100)]
        await store.set_aside(ALARM, [*refused, (store.boot << 32 | 4000, "is not there")])
        left = await store.oldest(ALARM, 0, 100)
        assert [row_seq(row.id) for row in left] == [41, 42]
        own = account_of(ALARM, store.boot, (1, 40), "no", 40)
        assert [one for row in left for one in carried_by(row)] == [*gone, own]
        assert sums(await store.stats())[ALARM] == (42, 42)

    lives(kind, tmp_path, scene)


@pytest.mark.parametrize("kind", KINDS)
def test_waiting_ends_with_rows_of_the_lanes_that_were_named(kind: str, tmp_path: Path) -> None:
    async def scene(store: Any) -> None:
        for lane in LANES:
            assert await store.oldest(lane, 0, 1) == []
        waiting = asyncio.ensure_future(store.wait_for_rows((ALARM, LIVE)))
        await store.append(rows(HISTORY, 1, 1), [])
        for _ in range(20):
            await asyncio.sleep(0)
        assert not waiting.done()
        await store.append(rows(LIVE, 1, 1), [])
        await asyncio.wait_for(waiting, 5)

    lives(kind, tmp_path, scene)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_the_account_adds_up_whatever_is_done(kind: str, seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)

    async def scene(store: Any) -> None:
        for step in range(60):
            lane = chance.choice(LANES)
            await store.append(rows(lane, step, chance.randint(1, 90)), [])
            held = await store.oldest(lane, 0, chance.randint(1, 200))
            one = chance.choice(held)
            if chance.random() < 0.2:
                await store.set_aside(lane, [(one.id, "no")])
            elif chance.random() < 0.7:
                await store.ack(lane, one.id)
            for where, (produced, became) in sums(await store.stats()).items():
                assert produced == became, f"seed {seed} step {step} lane {where}"
        for one in (await store.stats()).lanes:
            waiting = await store.oldest(one.lane, 0, 100_000)
            assert len(waiting) == one.backlog, f"seed {seed} lane {one.lane}"

    lives(kind, tmp_path, scene, scene)
