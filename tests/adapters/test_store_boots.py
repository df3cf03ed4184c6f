"""The number of a boot: whatever the lock file says, the store opens and no key is used twice."""

import asyncio
from pathlib import Path

import pytest

from agent.adapters.store_sqlite import SqliteStore


def boot_of(folder: Path) -> tuple[int, tuple[str, ...]]:
    """(the boot's number, what `open` said) of a store that is opened and closed."""

    async def run() -> tuple[int, tuple[str, ...]]:
        store = SqliteStore(str(folder))
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
