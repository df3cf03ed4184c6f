"""After damage nothing is told as lost that was delivered, and the account stays one."""

import asyncio
import json
import random
import shutil
from pathlib import Path

import pytest

from agent.adapters.store_sqlite import SqliteStore
from agent.ports import ALARM, LIVE, NewRow, row_id

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
