"""The store on a real disk: what was appended is there, what was freed is not, damage is said."""

import asyncio
import json
import random
import sqlite3
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from agent.adapters.store_sqlite import SqliteStore
from agent.core.bulletin import Bulletin
from agent.core.mailbox import Mailbox
from agent.limits import BALLAST_BYTES, WAL_BYTES_MAX
from agent.ports import (
    ALARM,
    HISTORY,
    LANES,
    LIVE,
    NewRow,
    Row,
    StoreFault,
    row_boot,
    row_id,
    row_seq,
)
from agent.stages.record import Record, Recorder
from agent.store.moving import copy_for_move
from tests.doubles import FastClock


def rows_of(first: int, last: int, lane: str = LIVE) -> list[NewRow]:
    return [NewRow(lane, n * 1000, "verdict", f'{{"n":{n}}}') for n in range(first, last + 1)]


def kept(boot: int, rows: list[NewRow]) -> list[Row]:
    """As the store gives them back, numbered from 1."""
    return [Row(row.lane, row_id(boot, n), *row[1:], 0) for n, row in enumerate(rows, start=1)]


def opened(folder: Path, scene: Callable[[SqliteStore], Awaitable[None]]) -> tuple[str, ...]:
    """Runs `scene` on a store that was opened and is closed; what `open` said."""

    async def run() -> tuple[str, ...]:
        store = SqliteStore(str(folder), urandom=bytes)
        notes = await store.open()
        try:
            await scene(store)
        finally:
            await store.close()
        return notes

    return asyncio.run(run())


async def nothing(store: SqliteStore) -> None:
    """Opens and closes."""


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


@pytest.mark.parametrize("damage", ["header", "middle", "empty page", "not a database"])
def test_a_damaged_telemetry_file_is_set_aside_whole_and_said(tmp_path: Path, damage: str) -> None:
    async def fill(store: SqliteStore) -> None:
        await store.put_setting("kept", "yes")
        await store.append(rows_of(1, 500), [])

    opened(tmp_path, fill)
    path = tmp_path / "telemetry.db"
    content = bytearray(path.read_bytes())
    if damage == "header":
        content[:100] = bytes(100)
    elif damage == "middle":
        content[4096 : len(content) // 2] = b"\xa5" * (len(content) // 2 - 4096)
    elif damage == "empty page":
        content[4096:8192] = bytes(4096)
    else:
        content = bytearray(b"what is this?" * 500)
    path.write_bytes(content)

    async def check(store: SqliteStore) -> None:
        assert await store.get_setting("kept") == "yes"
        assert store.boot == 2
        await store.append(rows_of(1, 3), [])
        found = await store.oldest(LIVE, 0, 10_000)
        assert [row_seq(row.id) for row in found if row_boot(row.id) == 2] == [1, 2, 3]
        old = {row_seq(row.id): row.body for row in found if row_boot(row.id) == 1}
        assert all(body == f'{{"n":{seq}}}' for seq, body in old.items())
        if damage in ("header", "empty page"):
            assert len(old) == 500, "the rows themselves were not touched"

    (note,) = opened(tmp_path, check)
    assert "telemetry.db" in note and "telemetry.damaged-1.db" in note
    assert (tmp_path / "telemetry.damaged-1.db").read_bytes() == bytes(content)


@pytest.mark.parametrize("bits", [0x01, 0x80, 0xFF])
def test_flipped_bits_cost_their_bundle_alone_and_leave_a_tombstone(
    tmp_path: Path, bits: int
) -> None:
    async def fill(store: SqliteStore) -> None:
        for n in (1, 2, 3):
            await store.append(rows_of(n, n), [])

    opened(tmp_path, fill)
    path = tmp_path / "telemetry.db"
    db = sqlite3.connect(path)
    blob = db.execute("SELECT body FROM live_lane WHERE id & 4294967295 = 2").fetchone()[0]
    db.close()
    content = bytearray(path.read_bytes())
    content[content.index(blob) + 5] ^= bits
    path.write_bytes(content)

    async def check(store: SqliteStore) -> None:
        assert [row_seq(row.id) for row in await store.oldest(LIVE, 0, 10)] == [1, 3]
        (tombstone,) = await store.oldest(ALARM, 0, 10)
        body = json.loads(tombstone.body)
        assert tombstone.kind == "tombstone" and "CRC" in body["reason"]
        assert [body[k] for k in ("lane", "boot", "seq_from", "seq_to", "count")] == [
            "live",
            1,
            2,
            2,
            1,
        ]
        live = (await store.stats()).lanes[1]
        assert (live.produced, live.evicted, live.backlog) == (3, 1, 2)

    assert opened(tmp_path, check) == ()


@pytest.mark.parametrize(
    "damage",
    [
        "header 18",
        "header 47",
        "DROP TABLE boots",
        "DROP TABLE live_lane",
        "PRAGMA user_version=0",
        "PRAGMA user_version=9",
        "INSERT INTO boots VALUES (9000000000)",
        "INSERT INTO live_lane (id) VALUES (9223372036854775807)",
    ],
)
def test_a_file_that_cannot_be_used_is_set_aside(tmp_path: Path, damage: str) -> None:
    opened(tmp_path, nothing)
    path = tmp_path / "telemetry.db"
    if damage.startswith("header"):
        content = bytearray(path.read_bytes())
        content[int(damage.split()[1])] ^= 0x40
        path.write_bytes(content)
    else:
        db = sqlite3.connect(path)
        db.execute(damage)
        db.commit()
        db.close()

    async def check(store: SqliteStore) -> None:
        assert store.boot == 2
        await store.append(rows_of(1, 3), [])

    (note,) = opened(tmp_path, check)
    assert "telemetry.damaged-1.db" in note


def test_no_key_is_used_twice_though_both_files_are_lost(tmp_path: Path) -> None:
    for _ in range(3):
        opened(tmp_path, nothing)
    for name in ("telemetry.db", "settings.db"):
        (tmp_path / name).write_bytes(b"\xff" * 5000)

    async def check(store: SqliteStore) -> None:
        assert store.boot == 4

    assert len(opened(tmp_path, check)) == 2


def test_damaged_settings_cost_no_row(tmp_path: Path) -> None:
    async def fill(store: SqliteStore) -> None:
        await store.append(rows_of(1, 3), [])

    opened(tmp_path, fill)
    (tmp_path / "settings.db").write_bytes(b"\xff" * 5000)

    async def check(store: SqliteStore) -> None:
        assert len(await store.oldest(LIVE, 0, 10)) == 3 and store.boot == 2

    (note,) = opened(tmp_path, check)
    assert "settings.db" in note


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


def test_a_full_disk_loses_no_row_and_is_said(tmp_path: Path) -> None:
    async def scene(store: SqliteStore) -> None:
        chance = random.Random(1)
        bulletin, records = Bulletin(), Mailbox(1000)
        recorder = Recorder(store, FastClock(), bulletin, records)
        db = store._db["telemetry"]
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count={pages}")
        for place in range(100):
            records.put(
                Record("verdict", {"n": place, "fill": chance.randbytes(20_000).hex()}, None, True)
            )
        running = asyncio.ensure_future(recorder.run())
        while "store" not in bulletin.get("degraded"):
            await asyncio.sleep(0.01)
        assert "full" in bulletin.get("degraded")["store"]
        assert await store.oldest(ALARM, 0, 1000) == []
        db.execute("PRAGMA max_page_count=100000")
        while len(await store.oldest(ALARM, 0, 1000)) < 100:
            await asyncio.sleep(0.01)
        assert bulletin.get("degraded") == {}
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        found = await store.oldest(ALARM, 0, 1000)
        assert [row_seq(row.id) for row in found] == list(range(1, 101))
        assert recorder.produced_rows == 100 and recorder.dropped_rows == 0

    opened(tmp_path, scene)


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
            store._boot_kept = False
            for db in store._db.values():
                db.execute(f"PRAGMA query_only={value}")
            if not taken:
                assert "wait in memory" in store._keep_boot()
                with pytest.raises(StoreFault, match="number of this boot"):
                    await store.append(rows_of(1, 3), [])
            else:
                await store.append(rows_of(1, 3), [])
        assert len(await store.oldest(LIVE, 0, 10)) == 3

    opened(tmp_path, scene)


def test_a_file_of_schema_1_is_carried_on_without_losing_a_row(tmp_path: Path) -> None:
    opened(tmp_path, nothing)
    path = tmp_path / "telemetry.db"
    path.unlink()
    db = sqlite3.connect(path)
    for statement in SCHEMA_1:
        db.execute(statement)
    keys = [row_id(7, n) for n in range(3, 200)] + [row_id(9, n) for n in range(1, 90)]
    for key in keys:
        body = f'{{"n":{key}}}'
        crc = zlib.crc32(f"{key} verdict {body}".encode())
        db.execute("INSERT INTO live VALUES (?, 5, 'verdict', ?, ?)", (key, body, crc))
    db.commit()
    db.close()

    async def check(store: SqliteStore) -> None:
        assert store.boot == 10
        found = await store.oldest(LIVE, 0, 1000)
        assert found == [Row(LIVE, k, 5, "verdict", f'{{"n":{k}}}', 0) for k in keys]
        assert (await store.stats()).backlog_rows == len(keys)

    assert opened(tmp_path, check) == ()


SCHEMA_1 = (
    "CREATE TABLE live"
    " (id INTEGER PRIMARY KEY, mono_ns INTEGER, kind TEXT, body TEXT, crc INTEGER)",
    "CREATE TABLE history"
    " (place INTEGER PRIMARY KEY, machine TEXT, boot INTEGER, mono_ns INTEGER, body TEXT)",
    "CREATE INDEX history_machine ON history (machine, place)",
    "CREATE TABLE boots (boot INTEGER PRIMARY KEY)",
    "INSERT INTO boots VALUES (9)",
    "PRAGMA user_version=1",
)


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


def test_on_a_full_disk_older_history_gives_way_to_new_rows(tmp_path: Path) -> None:
    chance = random.Random(1)

    def rows(lane: str, count: int) -> list[NewRow]:
        fill = [chance.randbytes(1000).hex() for _ in range(count)]
        return [NewRow(lane, 5, "verdict", f'{{"fill":"{one}"}}') for one in fill]

    async def scene(store: SqliteStore) -> None:
        await store.append(rows(HISTORY, 1500), [])
        db = store._db["telemetry"]
        db.execute(f"PRAGMA max_page_count={db.execute('PRAGMA page_count').fetchone()[0]}")
        for _ in range(10):
            await store.append(rows(LIVE, 50), [])
            await store.append(rows(ALARM, 1), [])
        stats = await store.stats()
        alarm, live, history = stats.lanes
        assert stats.giving_way and history.evicted > 300
        assert (live.backlog, live.evicted, alarm.evicted) == (500, 0, 0)
        tombstones = [
            json.loads(row.body)
            for row in await store.oldest(ALARM, 0, 1000)
            if row.kind == "tombstone"
        ]
        assert sum(body["count"] for body in tombstones) == history.evicted
        left = await store.oldest(HISTORY, 0, 2000)
        assert history.evicted + len(left) == 1500
        assert row_seq(left[0].id) == tombstones[-1]["seq_to"] + 1

    opened(tmp_path, scene)


def test_a_reader_that_never_lets_go_cannot_make_the_log_grow(tmp_path: Path) -> None:
    chance = random.Random(1)

    async def scene(store: SqliteStore) -> None:
        await store.append(rows_of(1, 10), [])
        path = tmp_path / "telemetry.db"
        reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        reader.execute("BEGIN")
        count = "SELECT SUM(covered) FROM live_lane"
        assert reader.execute(count).fetchone()[0] == 10
        largest = 0
        for n in range(60):
            fill = chance.randbytes(500_000).hex()
            await store.append([NewRow(LIVE, n, "verdict", f'{{"fill":"{fill}"}}')], [])
            await store.ack(LIVE, row_id(store.boot, 10 + n))
            largest = max(largest, (await store.stats()).wal_bytes)
        assert largest < 2 * WAL_BYTES_MAX, f"{largest} bytes of log"
        assert reader.execute(count).fetchone()[0] == 10, "the reader keeps what it had"
        reader.close()
        assert [row_seq(row.id) for row in await store.oldest(LIVE, 0, 100)] == [70]

    opened(tmp_path, scene)
    assert opened(tmp_path, nothing) == ()


@pytest.mark.parametrize("moment", ["copied", "log removed"])
def test_a_move_that_a_power_cut_ends_is_finished_at_the_next_start(
    tmp_path: Path, moment: str
) -> None:
    path = tmp_path / "telemetry.db"

    async def fill(store: SqliteStore) -> None:
        await store.append(rows_of(1, 10), [])
        copy_for_move(store._db["telemetry"].conn, path)

    opened(tmp_path, fill)
    path.write_bytes(b"" if moment == "log removed" else path.read_bytes())
    (tmp_path / "telemetry.part").write_bytes(b"half a copy")

    async def check(store: SqliteStore) -> None:
        assert len(await store.oldest(LIVE, 0, 100)) == 10

    assert opened(tmp_path, check) == ()
    assert not (tmp_path / "telemetry.part").exists()


def test_the_ballast_is_there_and_is_given_up_for_alarms(tmp_path: Path) -> None:
    async def scene(store: SqliteStore) -> None:
        ballast = tmp_path / "ballast"
        assert ballast.stat().st_size == BALLAST_BYTES
        db = store._db["telemetry"]
        db.execute(f"PRAGMA max_page_count={db.execute('PRAGMA page_count').fetchone()[0]}")
        fill = random.Random(1).randbytes(2_000_000).hex()
        for lane, given_up in ((LIVE, False), (ALARM, True)):
            with pytest.raises(StoreFault, match="full"):
                await store.append([NewRow(lane, 1, "verdict", f'"{fill}"')], [])
            assert ballast.exists() is not given_up
        await store.append(rows_of(1, 1), [])

    opened(tmp_path, scene)


def test_a_move_that_fails_costs_no_row_and_writes_none_twice(tmp_path: Path) -> None:
    async def scene(store: SqliteStore) -> None:
        await store.append(rows_of(1, 10), [])
        (tmp_path / "telemetry.part").mkdir()
        reader = sqlite3.connect(f"file:{tmp_path / 'telemetry.db'}?mode=ro", uri=True)
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM live_lane").fetchone()
        fill = random.Random(1).randbytes(4_000_000).hex()
        for n in range(3):
            await store.append([NewRow(HISTORY, n, "verdict", f'{{"fill":"{fill}"}}')], [])
        reader.close()
        stats = await store.stats()
        assert "holds the log up" in stats.giving_way
        assert [row_seq(row.id) for row in await store.oldest(HISTORY, 0, 10)] == [1, 2, 3]
        (tmp_path / "telemetry.part").rmdir()

    opened(tmp_path, scene)


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
