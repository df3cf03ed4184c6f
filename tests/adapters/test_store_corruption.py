"""Bits flip and files end early, in database and log: the store opens and keeps the rest.

python -m tests.adapters.test_store_corruption 200    each kind of damage, that often
"""

import asyncio
import hashlib
import json
import random
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from agent.adapters.store_sqlite import SqliteStore
from agent.ports import ALARM, LANES, NewRow, Row, row_boot, row_seq

KINDS = ("flip db", "cut db", "flip log", "cut log")
ROUNDS = 60


def body_of(lane: str, seq: int) -> str:
    fill = "".join(hashlib.sha256(f"{lane} {seq} {n}".encode()).hexdigest() for n in range(4))
    return json.dumps({"seq": seq, "fill": fill})


def template(folder: Path) -> None:
    """A store as a power cut leaves it: part in the database, part in the log."""

    async def fill() -> None:
        store = SqliteStore(str(folder / "state"), urandom=bytes)
        await store.open()
        for n in range(ROUNDS):
            rows = [
                NewRow(lane, n, "verdict", body_of(lane, 5 * n + k))
                for lane in LANES
                for k in range(1, 6)
            ]
            await store.append(rows, [])
            if n == ROUNDS // 2:
                store._db["telemetry"].execute("PRAGMA wal_checkpoint(RESTART)")
        shutil.copytree(folder / "state", folder / "crashed")
        await store.close()

    asyncio.run(fill())


def damaged(folder: Path, kind: str, chance: random.Random) -> str:
    """Damages a copy; what was done, for the message."""
    path = folder / ("telemetry.db" if kind.endswith("db") else "telemetry.db-wal")
    content = bytearray(path.read_bytes())
    used = len(content) if kind.endswith("db") else 200 * 4120  # what the last rounds wrote
    place = chance.randrange(min(used, len(content)))
    if kind.startswith("flip"):
        content[place] ^= 1 << chance.randrange(8)
    else:
        del content[place:]
    path.write_bytes(content)
    return f"{kind} at {place}"


async def look(folder: Path) -> tuple[tuple[str, ...], dict[str, list[Row]]]:
    store = SqliteStore(str(folder))
    try:
        notes = await store.open()
        assert store.boot > 1
        await store.append([NewRow(ALARM, 1, "verdict", "{}")], [])
        found = {lane: await store.oldest(lane, 0, 10_000) for lane in LANES}
        found[ALARM] += await store.oldest(ALARM, found[ALARM][-1].id, 1000)
        return notes, found
    finally:
        await store.close()


def survives(folder: Path, kind: str, seed: int) -> int:
    """One damage; how many of the rows are left."""
    state = folder / f"{kind} {seed}"
    shutil.copytree(folder / "crashed", state)
    what = f"seed {seed}: {damaged(state, kind, random.Random(seed))}"
    notes, found = asyncio.run(look(state))
    shutil.rmtree(state)
    kept = 0
    buried: dict[str, set[int]] = {lane: set() for lane in LANES}
    for row in found[ALARM]:
        if row.kind == "tombstone":
            held = json.loads(row.body)
            buried[held["lane"]] |= set(range(held["seq_from"], held["seq_to"] + 1))
    for lane in LANES:
        rows = [row for row in found[lane] if row_boot(row.id) == 1]
        assert all(row.body == body_of(lane, row_seq(row.id)) for row in rows), what
        seqs = [row_seq(row.id) for row in rows]
        assert seqs == sorted(set(seqs)), what
        missing = set(range(1, max(seqs, default=0))) - set(seqs)
        assert missing <= buried[lane] or notes, f"{what}: {missing} are gone, and nobody says so"
        kept += len(seqs)
    total = len(LANES) * 5 * ROUNDS
    if kind.startswith("flip"):
        assert kept >= total - 5 * 15, f"{what}: {total - kept} rows for one bit; {notes}"
    return kept


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corruption")
    template(folder)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_damage_costs_what_its_bytes_held_and_is_said(kind: str, crashed: Path) -> None:
    for seed in range(12):
        survives(crashed, kind, seed)


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        template(Path(place))
        total = len(LANES) * 5 * ROUNDS
        for kind in KINDS:
            kept = [survives(Path(place), kind, seed) for seed in range(count)]
            whole = sum(one == total for one in kept)
            least = min(kept)
            print(f"{kind}: {count} times, all {total} rows kept {whole} times, at least {least}")


if __name__ == "__main__":
    main(int(sys.argv[1]))
