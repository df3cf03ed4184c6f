"""After damage nothing is told as lost that was delivered, and the account stays one."""

import asyncio
import json
import random
import shutil
from pathlib import Path

import pytest

from agent.adapters.store_sqlite import SqliteStore
from agent.limits import EXPRESS_ROWS
from agent.ports import ALARM, CUT, LIVE, TOMBSTONE, NewRow, row_id, row_seq

ACKED, APPENDED = 1500, 2600


def half_delivered(folder: Path) -> None:
    """As a power cut leaves a store: rows delivered and freed, their pages used again in part."""

    async def fill() -> None:
        chance = random.Random(1)
        store = SqliteStore(str(folder / "state"), urandom=bytes)
        await store.open()
        for n in range(0, APPENDED, 20):
            fill = chance.randbytes(chance.choice([10, 60])).hex()
            rows = [NewRow(LIVE, n + k, "verdict", f'{{"f":"{k}{fill}"}}') for k in range(20)]
            await store.append(rows, [])
            if n == APPENDED - 100:
                await store.ack(LIVE, row_id(store.boot, ACKED))
        store._db["telemetry"].execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copytree(folder / "state", folder / "crashed")
        await store.close()

    asyncio.run(fill())


async def look(folder: Path) -> tuple[set[int], list[tuple[int, int, int, int, int]]]:
    """(seqs told as lost, (produced, delivered, evicted, refused, backlog) of each lane)."""
    store = SqliteStore(str(folder), urandom=bytes)
    try:
        (note,) = await store.open()
        assert "telemetry.db" in note
        told = [json.loads(r.body) for r in await store.oldest(ALARM, 0, 1000)]
        lost = {seq for one in told for seq in range(one["seq_from"], one["seq_to"] + 1)}
        lanes = (await store.stats()).lanes
        return lost, [
            (one.produced, one.delivered, one.evicted, one.refused, one.backlog) for one in lanes
        ]
    finally:
        await store.close()


def leaves_of(folder: Path) -> list[int]:
    content = (folder / "telemetry.db").read_bytes()
    return [n for n in range(2, len(content) // 4096) if content[n * 4096] == 0x0D]


def spoil(folder: Path, pages: list[int]) -> None:
    """Empties pages, and the schema besides, so that the file is set aside."""
    path = folder / "telemetry.db"
    content = bytearray(path.read_bytes())
    for page in pages:
        content[page * 4096 : page * 4096 + 4096] = bytes(4096)
    content[100:4096] = bytes(3996)
    path.write_bytes(content)


@pytest.mark.parametrize("seed", range(6))
def test_what_was_delivered_before_the_damage_is_not_told_as_lost(
    seed: int, tmp_path: Path
) -> None:
    half_delivered(tmp_path)
    leaves = leaves_of(tmp_path / "crashed")
    spoil(tmp_path / "crashed", random.Random(seed).sample(leaves, len(leaves) // 4))
    lost, lanes = asyncio.run(look(tmp_path / "crashed"))
    assert all(seq > ACKED for seq in lost), f"told as lost: {sorted(lost)[:20]}"
    for produced, delivered, evicted, refused, backlog in lanes:
        assert backlog >= 0 and delivered >= 0
        assert produced == delivered + evicted + refused + backlog
    assert lanes[1][2] == len(lost)


def test_a_torn_log_hides_no_numbers_that_were_used(tmp_path: Path) -> None:
    """The commit that the power cut tears is none; what was sent from memory before it was sent."""
    before, after = tmp_path / "before", tmp_path / "after"
    frame_bytes = 24 + 4096

    async def cut() -> int:
        store = SqliteStore(str(before), urandom=bytes)
        await store.open()
        row = NewRow(LIVE, 1, "verdict", "{}")
        assert not await store.hold([row], [])
        await store.append([row], [])
        assert await store.hold([row], [])
        log = (before / "telemetry.db-wal").read_bytes()
        await store.append([NewRow(ALARM, 1, "verdict", "{}")], [])
        shutil.copytree(before, after)
        await store.close()
        torn = (after / "telemetry.db-wal").read_bytes()
        return max(n for n in range(32, len(log), frame_bytes) if log[n:][:24] != torn[n:][:24])

    path, last = after / "telemetry.db-wal", asyncio.run(cut())
    content = path.read_bytes()
    torn_at = last + frame_bytes // 2
    path.write_bytes(content[:torn_at] + bytes(len(content) - torn_at))

    async def start() -> None:
        store = SqliteStore(str(after), urandom=bytes)
        assert await store.open() == ()
        held = [row_seq(row.id) for row in await store.oldest(LIVE, 0, 100)]
        graves = [row for row in await store.oldest(ALARM, 0, 10) if row.kind == TOMBSTONE]
        told = [json.loads(row.body) for row in graves]
        assert [one["reason"] for one in told] == [CUT]
        numbers = [*held, *range(told[0]["seq_from"], told[0]["seq_to"] + 1)]
        assert numbers == list(range(1, 2 + EXPRESS_ROWS)) and len(held) in (1, 2)
        live = (await store.stats()).lanes[1]
        assert (live.produced, live.backlog, live.unsure) == (
            len(numbers),
            len(held),
            told[0]["count"],
        )
        await store.close()

    asyncio.run(start())


def test_what_was_not_delivered_and_is_gone_is_told_as_lost(tmp_path: Path) -> None:
    half_delivered(tmp_path)
    told: set[int] = set()
    for page in leaves_of(tmp_path / "crashed"):
        state = tmp_path / "state"
        shutil.rmtree(state)
        shutil.copytree(tmp_path / "crashed", state)
        spoil(state, [page])
        lost, _ = asyncio.run(look(state))
        assert all(seq > ACKED for seq in lost), f"page {page}: {sorted(lost)[:20]}"
        told |= lost
    assert len(told) > 100
