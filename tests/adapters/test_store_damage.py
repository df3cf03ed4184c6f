"""Files that a bad card or another program spoiled: set aside whole, said, and salvaged."""

import json
import sqlite3
from pathlib import Path

import pytest

from agent.adapters.store_sqlite import SqliteStore
from agent.cli import main
from agent.ports import (
    ALARM,
    LIVE,
    row_boot,
    row_seq,
)
from tests.stores import nothing, opened, rows_of


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
        "PRAGMA user_version=1001",
        "PRAGMA user_version=-1",
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


@pytest.mark.parametrize("name", ["telemetry", "settings", "captures"])
def test_a_file_of_a_newer_version_is_kept_by_another_name_than_a_damaged_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    async def fill(store: SqliteStore) -> None:
        await store.append(rows_of(1, 3), [])

    opened(tmp_path, fill)
    db = sqlite3.connect(tmp_path / f"{name}.db")
    db.execute("PRAGMA user_version=9")
    db.commit()
    db.close()

    async def check(store: SqliteStore) -> None:
        found = await store.oldest(LIVE, 0, 10)
        assert [row_seq(row.id) for row in found] == [1, 2, 3], "what it can read of it is sent"

    (note,) = opened(tmp_path, check)
    assert note.startswith(f"{name}.db is of a newer version (schema 9, expected ")
    assert (tmp_path / f"{name}.newer-1.db").exists() and not [*tmp_path.glob("*.damaged-*")]
    for language, words in (("es", "una versión más nueva"), ("en", "a newer version")):
        assert main(["outbox", "status", "--state-dir", str(tmp_path), "--lang", language]) == 0
        said = capsys.readouterr().out
        assert f"{words} of Latido wrote it: {name}.newer-1.db" in said or (
            f"{words} de Latido: {name}.newer-1.db" in said
        )


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
