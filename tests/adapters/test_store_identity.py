"""Which file counts: drawn with it, kept with it, another one where its rows are gone."""

import asyncio
import random
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from agent.adapters.store_sqlite import SqliteStore
from agent.ports import LANES, LIVE, StoreStats, row_id
from agent.store.reading import open_to_read
from tests.stores import nothing, rows_of

CHANCE = random.Random(5)


def stats_of(folder: Path, scene: Callable[[SqliteStore], Awaitable[None]] = nothing) -> StoreStats:
    """What a life of the store counts at its end."""

    async def run() -> StoreStats:
        store = SqliteStore(str(folder), urandom=CHANCE.randbytes)
        await store.open()
        try:
            await scene(store)
            return await store.stats()
        finally:
            await store.close()

    return asyncio.run(run())


async def fill(store: SqliteStore) -> None:
    """500 rows, of which 200 are acknowledged."""
    for n in range(1, 501, 10):
        await store.append(rows_of(n, n + 9), [])
    await store.ack(LIVE, row_id(store.boot, 200))
    await store.append([], [])


def live(stats: StoreStats) -> tuple[int, int, int, int]:
    """(produced, delivered, evicted, before) of the lane live."""
    lane = stats.lanes[LANES.index(LIVE)]
    return lane.produced, lane.delivered, lane.evicted, lane.before


def test_a_file_keeps_its_identity_and_its_copy_has_it(tmp_path: Path) -> None:
    first = stats_of(tmp_path / "a", fill)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert len(first.file) == 16 and first.lanes[1].seq == 500
    assert stats_of(tmp_path / "a").file == stats_of(tmp_path / "b").file == first.file
    assert live(first) == (500, 200, 0, 0)


def test_a_file_that_is_made_anew_has_another(tmp_path: Path) -> None:
    first = stats_of(tmp_path, fill)
    (tmp_path / "telemetry.db").unlink()
    after = stats_of(tmp_path)
    assert after.file not in ("", first.file) and live(after) == (0, 0, 0, 0)


def test_a_file_that_is_salvaged_has_another_and_says_what_had_left_before(tmp_path: Path) -> None:
    first = stats_of(tmp_path, fill)
    path = tmp_path / "telemetry.db"
    content = path.read_bytes()
    path.write_bytes(b"\xa5" * 4096 + content[4096:])
    for _ in range(2):
        after = stats_of(tmp_path)
        produced, delivered, evicted, before = live(after)
        assert after.file not in ("", first.file)
        assert (delivered, evicted) == (before, 0) and produced - before >= 300


@pytest.mark.parametrize(
    "harm", ['UPDATE identity SET body = \'{"file": "aa", "before": {}}\'', "DELETE FROM identity"]
)
def test_an_identity_that_is_damaged_is_drawn_anew_and_counts_on(tmp_path: Path, harm: str) -> None:
    first = stats_of(tmp_path, fill)
    db = sqlite3.connect(tmp_path / "telemetry.db")
    db.execute(harm)
    db.commit()
    db.close()
    after = stats_of(tmp_path)
    assert after.file not in ("", "aa", first.file) and live(after) == (500, 200, 0, 200)


def test_a_file_of_schema_4_gets_an_identity_and_counts_on(tmp_path: Path) -> None:
    stats_of(tmp_path, fill)
    db = sqlite3.connect(tmp_path / "telemetry.db")
    db.execute("DROP TABLE identity")
    db.execute("PRAGMA user_version=4")
    db.commit()
    db.close()
    after = stats_of(tmp_path)
    assert len(after.file) == 16 and live(after) == (500, 200, 0, 200)
    assert stats_of(tmp_path).file == after.file
    db = open_to_read(tmp_path / "telemetry.db")
    assert db.execute("PRAGMA user_version").fetchone() == (5,)
    db.close()
