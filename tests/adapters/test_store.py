"""The store on a real disk: what was appended is there, what was freed is not."""

import asyncio
import json
import random
from pathlib import Path

import pytest

from agent.adapters.store_sqlite import SqliteStore
from agent.core.bulletin import Bulletin
from agent.core.mailbox import Mailbox
from agent.ports import (
    ALARM,
    HISTORY,
    LANES,
    LIVE,
    NewRow,
    StoreFault,
    row_boot,
    row_id,
    row_seq,
)
from agent.stages.record import Record, Recorder
from tests.doubles import FastClock
from tests.stores import kept, opened, rows_of


def test_rows_come_back_in_order_and_ack_frees_them(tmp_path: Path) -> None:
    async def scene(store: SqliteStore) -> None:
        new = rows_of(1, 120)
        await store.append(new[:70], [])
        await store.append(new[70:], [])
        rows = kept(store.boot, new)
        assert await store.oldest(LIVE, 0, 1000) == rows
        assert await store.oldest(LIVE, rows[9].id, 5) == rows[10:15]
        await store.ack(LIVE, rows[99].id)
        assert await store.oldest(LIVE, 0, 1000) == rows[100:]
        stats = await store.stats()
        assert stats[:3] == (120, 100, 20) and stats.oldest_mono_ns == 101_000

    assert opened(tmp_path, scene) == ()


def test_a_restart_keeps_what_was_not_acknowledged_under_its_key(tmp_path: Path) -> None:
    async def first(store: SqliteStore) -> None:
        await store.append(rows_of(1, 10), [])
        await store.ack(LIVE, row_id(store.boot, 4))

    async def second(store: SqliteStore) -> None:
        held = await store.oldest(LIVE, 0, 100)
        assert [(row_boot(r.id), row_seq(r.id)) for r in held] == [(1, n) for n in range(5, 11)]
        assert store.boot == 2
        await store.append(rows_of(1, 1), [])
        assert (await store.oldest(LIVE, 0, 100))[-1].id == row_id(2, 1)
        await store.ack(LIVE, row_id(2, 1))

    async def third(store: SqliteStore) -> None:
        assert store.boot == 3
        assert await store.oldest(LIVE, 0, 100) == []

    for scene in (first, second, third):
        opened(tmp_path, scene)


def test_waiting_for_rows_ends_with_an_append(tmp_path: Path) -> None:
    async def scene(store: SqliteStore) -> None:
        assert await store.oldest(LIVE, 0, 10) == []
        waiting = asyncio.ensure_future(store.wait_for_rows())
        await asyncio.sleep(0)
        assert not waiting.done()
        await store.append(rows_of(1, 1), [])
        await asyncio.wait_for(waiting, 5)

    opened(tmp_path, scene)


def test_history_gives_the_newest_oldest_first(tmp_path: Path) -> None:
    async def scene(store: SqliteStore) -> None:
        await store.append([], [("a", n, f'"{n}"') for n in range(5)] + [("b", 9, '"x"')])
        assert await store.recent("a", 3) == ['"2"', '"3"', '"4"']

    opened(tmp_path, scene)


def test_settings_survive_and_are_replaced(tmp_path: Path) -> None:
    async def first(store: SqliteStore) -> None:
        assert await store.get_setting("k") is None
        await store.put_setting("k", "1")
        await store.put_setting("k", "2")

    async def second(store: SqliteStore) -> None:
        assert await store.get_setting("k") == "2"

    opened(tmp_path, first)
    opened(tmp_path, second)


def test_a_second_agent_in_one_folder_is_refused(tmp_path: Path) -> None:
    async def scene(store: SqliteStore) -> None:
        other = SqliteStore(str(tmp_path))
        with pytest.raises(StoreFault, match="another agent"):
            await other.open()
        await other.close()

    opened(tmp_path, scene)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    async def run() -> None:
        store = SqliteStore(str(tmp_path / "file" / "state"))
        try:
            with pytest.raises(StoreFault, match="file/state"):
                await store.open()
        finally:
            await store.close()

    asyncio.run(run())


def test_a_stop_in_the_middle_of_a_commit_writes_each_row_once(tmp_path: Path) -> None:
    async def scene(store: SqliteStore) -> None:
        records = Mailbox(1000)
        recorder = Recorder(store, FastClock(), Bulletin(), records)
        running = asyncio.ensure_future(recorder.run())
        for place in range(20):
            records.put(Record("verdict", {"n": place}, "m", True))
        await asyncio.sleep(0)  # the commit is under way on the store's thread
        await asyncio.sleep(0)
        records.put(Record("verdict", {"n": 20}, "m", False))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await recorder.finish()
        found = await store.oldest(ALARM, 0, 1000) + await store.oldest(HISTORY, 0, 1000)
        assert [row.body for row in found] == [f'{{"n":{n}}}' for n in range(21)]
        assert len(await store.recent("m", 100)) == 21

    opened(tmp_path, scene)


def test_a_boot_that_cannot_be_kept_holds_its_rows_back(tmp_path: Path) -> None:
    async def scene(store: SqliteStore) -> None:
        for value, taken in ((1, False), (0, True)):
            store._files.boot_kept = False
            for db in store._db.values():
                db.execute(f"PRAGMA query_only={value}")
            if not taken:
                assert "wait in memory" in store._files.keep_boot()
                with pytest.raises(StoreFault, match="number of this boot"):
                    await store.append(rows_of(1, 3), [])
            else:
                await store.append(rows_of(1, 3), [])
        assert len(await store.oldest(LIVE, 0, 10)) == 3

    opened(tmp_path, scene)


def test_a_clock_row_dates_the_past_of_its_boot(tmp_path: Path) -> None:
    body = '{"machine":"m","utc_ns":5,"clock_synced":false}'
    told = {"through_mono_ns": 10**10, "mono_ns": 10**10, "utc_ns": 10**18, "rate_ppm": 500.0}

    async def first(store: SqliteStore) -> None:
        await store.append([], [("m", 10**9 * n, body) for n in range(5, 15)])
        await store.append([NewRow(ALARM, 10**10, "clock", json.dumps(told))], [])

    async def second(store: SqliteStore) -> None:
        dates = [json.loads(one)["utc_ns"] for one in await store.recent("m", 20)]
        step_ns = 10**9 + 500_000
        assert dates[:6] == [10**18 - step_ns * n for n in (5, 4, 3, 2, 1, 0)]
        assert dates[6:] == [5] * 4, "after the correction a row says its own date"

    opened(tmp_path, first)
    opened(tmp_path, second)


@pytest.mark.parametrize("seed", range(8))
def test_an_end_at_any_await_leaves_the_account_and_the_numbers_whole(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    promised = {lane: 0 for lane in LANES}

    async def scene(store: SqliteStore) -> None:
        for n in range(40):
            lane = chance.choice(LANES)
            work = asyncio.ensure_future(store.append(rows_of(n, n + 2, lane), []))
            ack = asyncio.ensure_future(store.ack(lane, store.boot << 32 | chance.randint(1, 20)))
            for _ in range(chance.randrange(6)):
                await asyncio.sleep(0)
            for task in (work, ack):
                if chance.random() < 0.5:
                    task.cancel()
            done, _ = await asyncio.gather(work, ack, return_exceptions=True)
            promised[lane] += 3 if done is None else 0
        for one in (await store.stats()).lanes:
            assert one.produced == one.delivered + one.backlog >= promised[one.lane], seed
            seqs = [row_seq(row.id) for row in await store.oldest(one.lane, 0, 1000)]
            assert seqs == list(range(one.delivered + 1, one.produced + 1)), seed

    opened(tmp_path, scene)
