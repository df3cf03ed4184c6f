"""By seed: fill, free, append, deliver, reopen, kill; nothing that was promised is ever missing."""

import asyncio
import os
from pathlib import Path

import pytest

from tests.adapters.full_disk_life import lives, settle
from tests.small_disk import small_disk

TIMES = [("tmpfs", seed) for seed in range(int(os.environ.get("LATIDO_FULL_DISKS", "6")))]


@pytest.mark.parametrize(("kind", "seed"), [*TIMES, ("ext4", 0), ("ext4", 1)])
def test_every_row_is_delivered_held_or_told_as_gone(tmp_path: Path, kind: str, seed: int) -> None:
    with small_disk(tmp_path, kind) as disk:
        account = lives(disk, seed, 6)
        assert len(account.kept) > (1000 if disk.had_room else -1)
        disk.free()
        setting = asyncio.run(settle(disk, account))
        assert account.missing() == [], f"seed {seed}"
        kept = account.tried.index(account.setting)
        assert setting in account.tried[kept:], f"seed {seed}: a setting that was kept is gone"
