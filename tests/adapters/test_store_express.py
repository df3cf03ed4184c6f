"""Live rows that wait in memory: sent from there, kept by the next commit, no hole behind them."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from agent.adapters.store_sqlite import SqliteStore
from agent.limits import BUNDLE_BYTES, EXPRESS_ROWS
from agent.ports import ALARM, CUT, HISTORY, LIVE, NewRow, row_boot, row_seq
from tests.memory_store import MemoryStore

KINDS = ("sqlite", "memory")
Scene = Callable[[Any], Awaitable[None]]
pytestmark = pytest.mark.parametrize("kind", KINDS)


def lives(kind: str, folder: Path, *scenes: Scene) -> None:
    """A scene a life of the agent, on the same disk; each ends as a power cut ends it."""

    async def run() -> None:
        store: Any = MemoryStore()
        for number, scene in enumerate(scenes):
            if kind == "sqlite":
                store = SqliteStore(str(folder / str(number)), urandom=bytes)
            await store.open()
            await scene(store)
            if kind == "sqlite":
                crash(folder / str(number), folder / str(number + 1))
                await store.close()
            else:
                store = store.crashed()

    asyncio.run(run())


def crash(before: Path, after: Path) -> None:
    """What the disk has at this moment."""
    after.mkdir()
    for path in before.iterdir():
        (after / path.name).write_bytes(path.read_bytes())


def rows(first: int, count: int, lane: str = LIVE) -> list[NewRow]:
    return [NewRow(lane, n, "verdict", f'{{"n":{n}}}') for n in range(first, first + count)]


async def opened(store: Any) -> None:
    """A first row is committed as ever, and with it numbers are set aside."""
    assert not await store.hold(rows(1, 1), [])
    await store.append(rows(1, 1), [])


async def seqs(store: Any, after: int = 0) -> list[int]:
    found = await store.oldest(LIVE, store.boot << 32 | after, 100)
    return [row_seq(row.id) for row in found]


async def account(store: Any) -> tuple[int, int, int, int]:
    """Of the lane live: produced, delivered, given up, waiting."""
    one = (await store.stats()).lanes[1]
    return one.produced, one.delivered, one.evicted, one.backlog


def test_rows_acknowledged_from_memory_never_reach_the_disk(kind: str, tmp_path: Path) -> None:
    async def first(store: Any) -> None:
        await opened(store)
        await store.ack(LIVE, store.boot << 32 | 1)
        for n in range(2, 12):
            assert await store.hold(rows(n, 1), [])
            assert await seqs(store, n - 1) == [n] and (await store.held()) == (1, n)
            await store.ack(LIVE, store.boot << 32 | n)
        assert await account(store) == (11, 11, 0, 0) and (await store.held()) == (0, None)
        await store.append([], [])

    async def second(store: Any) -> None:
        assert await store.oldest(LIVE, 0, 10) == []
        produced, delivered, given_up, left = await account(store)
        assert (produced, delivered, left) == (11 + given_up, 11, 0)
        assert 0 < given_up <= EXPRESS_ROWS

    lives(kind, tmp_path, first, second)


def test_the_next_commit_keeps_what_was_not_acknowledged(kind: str, tmp_path: Path) -> None:
    async def first(store: Any) -> None:
        await opened(store)
        assert await store.hold(rows(2, 5), [])
        await store.ack(LIVE, store.boot << 32 | 3)
        await store.append(rows(7, 1) + rows(1, 1, ALARM), [])
        assert (await store.held()) == (0, None)

    async def second(store: Any) -> None:
        found = await store.oldest(LIVE, 0, 100)
        assert [(row_seq(row.id), json.loads(row.body)["n"]) for row in found] == [
            (n, n) for n in range(4, 8)
        ]
        assert (await account(store))[1] == 3

    lives(kind, tmp_path, first, second)


def test_nothing_is_given_behind_a_row_that_is_in_memory_alone(kind: str, tmp_path: Path) -> None:
    async def scene(store: Any) -> None:
        await opened(store)
        assert await store.hold(rows(2, 2), [])
        assert await seqs(store) == [1], "what is on the disk comes by itself"
        assert await seqs(store, 1) == [2, 3]
        assert await store.hold(rows(4, 1), [])
        assert await seqs(store, 3) == [] and await seqs(store, 2) == []
        waiting = asyncio.ensure_future(store.wait_for_rows((LIVE,)))
        await store.append([], [])
        await asyncio.wait_for(waiting, 5)
        assert await seqs(store, 3) == [4], "the rows before it are on the disk"
        assert await store.hold(rows(5, 1), [])
        await store.ack(LIVE, store.boot << 32 | 4)
        assert await seqs(store, 4) == [5]

    lives(kind, tmp_path, scene)


def test_what_an_ended_boot_may_have_used_is_given_up_once(kind: str, tmp_path: Path) -> None:
    async def first(store: Any) -> None:
        await opened(store)
        assert await store.hold(rows(2, 3), [])

    async def second(store: Any) -> None:
        (tombstone,) = await store.oldest(ALARM, 0, 10)
        body = json.loads(tombstone.body)
        assert [one.unsure for one in (await store.stats()).lanes] == [0, EXPRESS_ROWS, 0]
        told = [body[name] for name in ("lane", "seq_from", "seq_to", "count", "reason")]
        assert told == [LIVE, 2, 1 + EXPRESS_ROWS, EXPRESS_ROWS, CUT]
        assert body["boot"] == store.boot - 1 == row_boot(tombstone.id) - 1
        assert await seqs(store) == [] and await account(store) == (
            1 + EXPRESS_ROWS, 0, EXPRESS_ROWS, 1
        )  # fmt: skip

    async def third(store: Any) -> None:
        assert len(await store.oldest(ALARM, 0, 10)) == 1
        assert (await store.stats()).lanes[1].unsure == EXPRESS_ROWS
        assert await account(store) == (1 + EXPRESS_ROWS, 0, EXPRESS_ROWS, 1)

    lives(kind, tmp_path, first, second, third)


def test_numbers_are_set_aside_only_while_somebody_is_there(kind: str, tmp_path: Path) -> None:
    async def first(store: Any) -> None:
        await opened(store)
        assert await store.hold(rows(2, 1), [])
        await store.append(rows(1, 1, HISTORY), [])
        assert not await store.hold(rows(3, 1), [])

    async def second(store: Any) -> None:
        assert await store.oldest(ALARM, 0, 10) == []
        assert await account(store) == (2, 0, 0, 2)

    lives(kind, tmp_path, first, second)


def test_what_is_held_is_bounded(kind: str, tmp_path: Path) -> None:
    async def scene(store: Any) -> None:
        await opened(store)
        taken = 0
        while await store.hold(rows(2 + taken, 1), []):
            await store.ack(LIVE, store.boot << 32 | 2 + taken)
            taken += 1
        assert taken == EXPRESS_ROWS
        await store.append([], [])
        assert await store.hold(rows(2 + taken, 1), []), "they are set aside anew"
        huge = NewRow(LIVE, 1, "verdict", '"' + "x" * BUNDLE_BYTES + '"')
        assert not await store.hold([huge], [])

    lives(kind, tmp_path, scene)


def test_a_refused_row_takes_those_behind_it_to_the_disk(kind: str, tmp_path: Path) -> None:
    async def first(store: Any) -> None:
        await opened(store)
        assert await store.hold(rows(2, 3), [])
        await store.set_aside(LIVE, [(store.boot << 32 | 3, "too large")])

    async def second(store: Any) -> None:
        found = [row_seq(row.id) for row in await store.oldest(LIVE, 0, 100)]
        assert found == [1, 2, 4]
        reasons = [json.loads(row.body)["reason"] for row in await store.oldest(ALARM, 0, 10)]
        assert reasons == ["too large", CUT]

    lives(kind, tmp_path, first, second)
