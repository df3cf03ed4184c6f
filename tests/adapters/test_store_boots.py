"""The number of a boot: whatever the lock file says, the store opens and no key is used twice."""

import asyncio
import itertools
import os
import random
import shutil
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
