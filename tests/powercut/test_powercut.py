"""Power cuts without a recorded disk: a process ends, the disk has all writes, the judge looks."""

import asyncio
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from agent.adapters.store_sqlite import SqliteStore
from agent.ports import ALARM, LIVE, row_id
from tests.powercut.judge import broken_promise
from tests.powercut.run import SECTOR, torn
from tests.powercut.workload import Told, Workload

SEED, ROUNDS, LOOKS = 5, 120, 15


class Marks:
    """The newest mark."""

    def __init__(self) -> None:
        self.newest: dict[str, Any] = {}

    def seek(self, place: int) -> None:
        """Each mark takes the place of the one before."""

    def write(self, content: bytes) -> None:
        assert len(content) < 4096, "a mark is within one page"
        self.newest = json.loads(content)


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, dict[str, Any]]]:
    """The files at some ends of a process, each with what was promised then."""
    folder = tmp_path_factory.mktemp("ends")

    async def run() -> list[tuple[Path, dict[str, Any]]]:
        marks, found = Marks(), []
        chance, store = random.Random(SEED), SqliteStore(str(folder / "state"), urandom=bytes)
        await store.open()
        work = Workload(store, Told(marks), chance)
        for number in range(1, ROUNDS + 1):
            await work.round()
            if number % (ROUNDS // LOOKS) == 0:
                shutil.copytree(folder / "state", folder / f"{number}")
                found.append((folder / f"{number}", marks.newest))
        await store.close()
        return found

    return asyncio.run(run())


def judged(end: Path, place: Path, promise: dict[str, Any]) -> str:
    async def run() -> str:
        shutil.copytree(end, place)
        store = SqliteStore(str(place), urandom=bytes)
        await store.open()
        try:
            return await broken_promise(store, promise)
        finally:
            await store.close()

    return asyncio.run(run())


def test_a_process_that_ends_anywhere_breaks_no_promise(
    ends: list[tuple[Path, dict[str, Any]]], tmp_path: Path
) -> None:
    found = [judged(end, tmp_path / end.name, promise) for end, promise in ends]
    assert found == [""] * LOOKS, f"seed {SEED}"
    assert any(promise["sent"][LIVE] > promise["promised"][LIVE] for _, promise in ends)


@pytest.mark.parametrize(
    ("lane", "changes", "words"),
    [
        (LIVE, {"boot": 5}, "boot 2 again, after 5"),
        (LIVE, {"setting": 99}, "promised 99"),
        (ALARM, {"used": [[1, 900]], "promised": row_id(1, 900)}, "promised rows gone"),
        (LIVE, {"used": [[1, 999]], "sent": row_id(1, 999)}, "live: fewer are told"),
        (LIVE, {"used": [[1, 0]], "sent": 0, "acked": 0}, "the ledger with all sent"),
    ],
)
def test_a_broken_promise_is_named(
    ends: list[tuple[Path, dict[str, Any]]],
    tmp_path: Path,
    lane: str,
    changes: dict[str, Any],
    words: str,
) -> None:
    end, promise = ends[-1]
    for name, value in changes.items():
        of_lanes = isinstance(promise[name], dict)
        promise = {**promise, name: {**promise[name], lane: value} if of_lanes else value}
    assert words in judged(end, tmp_path / "end", promise)


@pytest.mark.parametrize(
    ("offset", "sectors", "kept"),
    [(4096, 1, 1), (1024, 0, 0), (1024, 1, 2), (1024, 2, 2), (0, 2, 2), (0, 3, 4), (0, 4, 4)],
)
def test_a_write_is_torn_at_a_sector_but_not_within_the_superblock(
    offset: int, sectors: int, kept: int
) -> None:
    content = bytes(range(8)) * SECTOR
    assert torn(offset, content, sectors) == (offset, content[: kept * SECTOR])
