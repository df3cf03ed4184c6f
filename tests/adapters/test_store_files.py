"""A store moves to a new file, or carries an old one on, without losing a row."""

import random
import sqlite3
import zlib
from pathlib import Path

import pytest

from agent.adapters.store_sqlite import SqliteStore
from agent.limits import WAL_BYTES_MAX
from agent.ports import (
    HISTORY,
    LIVE,
    NewRow,
    Row,
    row_id,
    row_seq,
)
from agent.store.moving import copy_for_move
from tests.stores import nothing, opened, rows_of


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


@pytest.mark.parametrize("schema", [2, 3])
def test_the_account_of_an_older_file_is_carried_on(tmp_path: Path, schema: int) -> None:
    async def fill(store: SqliteStore) -> None:
        assert not await store.hold(rows_of(1, 2), [])
        await store.append(rows_of(1, 10), [])
        await store.ack(LIVE, row_id(store.boot, 3))
        await store.set_aside(LIVE, [(row_id(store.boot, 4), "too large")])

    async def check(store: SqliteStore) -> None:
        assert [row_seq(row.id) for row in await store.oldest(LIVE, 0, 100)] == list(range(5, 11))
        live = (await store.stats()).lanes[1]
        assert (live.produced, live.delivered, live.refused, live.backlog) == (10, 3, 1, 6)
        assert (live.evicted, live.unsure) == (0, 0)

    opened(tmp_path, fill)
    make_older(tmp_path / "telemetry.db", schema)
    assert opened(tmp_path, check) == () and opened(tmp_path, check) == ()


def make_older(path: Path, schema: int) -> None:
    """The account as that schema kept it."""
    columns = ["lane", "produced", "evicted", "refused", "boot", "seq", "reserved"]
    columns = columns if schema == 3 else columns[:4]
    kinds = ["TEXT PRIMARY KEY", *["INTEGER"] * (len(columns) - 1)]
    made = ", ".join(f"{name} {kind}" for name, kind in zip(columns, kinds, strict=True))
    db = sqlite3.connect(path)
    db.execute("ALTER TABLE ledger RENAME TO newer")
    db.execute(f"CREATE TABLE ledger ({made})")
    db.execute(f"INSERT INTO ledger SELECT {', '.join(columns)} FROM newer")
    db.execute("DROP TABLE newer")
    db.execute(f"PRAGMA user_version={schema}")
    db.commit()
    db.close()


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
