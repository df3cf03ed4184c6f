"""The number of a boot: whatever the lock file says, the store opens and no key is used twice."""

import asyncio
import itertools
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.adapters.store_sqlite import SqliteStore


def boot_of(
    folder: Path, urandom: Callable[[int], bytes] = os.urandom
) -> tuple[int, tuple[str, ...]]:
    """(the boot's number, what `open` said) of a store that is opened and closed."""

    async def run() -> tuple[int, tuple[str, ...]]:
        store = SqliteStore(str(folder), urandom=urandom)
        try:
            notes = await store.open()
            return store.boot, notes
        finally:
            await store.close()

    return asyncio.run(run())


@pytest.mark.parametrize("lock", [b"\xff\xfe", "²".encode(), b"9" * 15, b"9" * 5000, b"-3", b"\0"])
def test_a_lock_that_tells_no_boot_is_said_and_the_databases_count_on(
    tmp_path: Path, lock: bytes
) -> None:
    before, _ = boot_of(tmp_path)
    (tmp_path / "lock").write_bytes(lock)
    after, notes = boot_of(tmp_path)
    assert after > before
    assert len(notes) == 1 and "lock" in notes[0] and "number of a boot" in notes[0]
    again, notes = boot_of(tmp_path)
    assert again > after and notes == ()


def test_a_new_card_uses_no_key_of_the_card_before_it(tmp_path: Path) -> None:
    cards = [boot_of(tmp_path / str(n))[0] for n in range(20)]
    assert len(set(cards)) == 20
    assert all(0 < boot <= 2**28 for boot in cards)


def test_a_restored_copy_uses_no_key_of_the_boots_after_the_copy(tmp_path: Path) -> None:
    drawn = random.Random(3).randbytes
    before, _ = boot_of(tmp_path / "state", drawn)
    shutil.copytree(tmp_path / "state", tmp_path / "copy")
    used = {boot_of(tmp_path / "state", drawn)[0] for _ in range(3)}
    restored, _ = boot_of(tmp_path / "copy", drawn)
    assert restored > before and restored not in used


def test_boots_only_grow(tmp_path: Path) -> None:
    boots = [boot_of(tmp_path)[0] for _ in range(6)]
    assert all(0 < later - boot <= 2**10 for boot, later in itertools.pairwise(boots))


def test_a_file_that_was_emptied_is_said(tmp_path: Path) -> None:
    boot_of(tmp_path)
    (tmp_path / "telemetry.db").write_bytes(b"")
    _, notes = boot_of(tmp_path)
    assert notes == ("telemetry.db was empty, what it held is lost",)
    assert boot_of(tmp_path)[1] == ()


def test_an_empty_file_of_a_first_start_that_was_cut_short_is_no_loss(tmp_path: Path) -> None:
    (tmp_path / "telemetry.db").write_bytes(b"")
    assert boot_of(tmp_path)[1] == ()


def test_a_database_of_another_program_is_set_aside_with_its_content(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "telemetry.db")
    db.execute("CREATE TABLE notes (text TEXT)")
    db.execute("INSERT INTO notes VALUES ('mine')")
    db.commit()
    db.close()
    (note,) = boot_of(tmp_path)[1]
    assert "table notes of another program" in note and "telemetry.damaged-1.db" in note
    db = sqlite3.connect(tmp_path / "telemetry.damaged-1.db")
    assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("notes",)]
    assert db.execute("SELECT text FROM notes").fetchall() == [("mine",)]
    db.close()
