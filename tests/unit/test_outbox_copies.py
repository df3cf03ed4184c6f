"""`latido outbox` where the folder is another's, missing or full: nothing half made, a sentence."""

import asyncio
import contextlib
import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.adapters.store_sqlite import SqliteStore
from agent.cli import main
from agent.ports import LIVE, NewRow
from agent.store.copying import export
from agent.store.reading import open_to_read
from agent.words.demo import configuration
from tests.shared import needed
from tests.small_disk import small_disk

NOBODY = 65534
NONE_THERE = "no-such-folder"


def stored(folder: Path) -> Path:
    """A closed store's folder with a hundred rows."""

    async def fill() -> None:
        store = SqliteStore(str(folder), urandom=bytes)
        await store.open()
        await store.append([NewRow(LIVE, n, "verdict", "{}") for n in range(100)], [])
        await store.close()

    asyncio.run(fill())
    return folder


def rows_of(copy: Path) -> int:
    with contextlib.closing(sqlite3.connect(copy)) as db:
        found: int = db.execute("SELECT SUM(covered) FROM live_lane").fetchone()[0]
    return found


def exported(folder: Path, target: Path, language: str) -> int:
    place = ["--state-dir", str(folder), "--lang", language]
    return main(["outbox", "export", str(target), *place])


def test_a_copy_has_its_name_only_once_it_is_whole(tmp_path: Path) -> None:
    db = open_to_read(stored(tmp_path / "st") / "telemetry.db")
    target, part = tmp_path / "copy.db", tmp_path / "copy.db.part"
    seen = set()
    db.set_progress_handler(lambda: seen.add((target.exists(), part.exists())), 50)
    export(db, target)
    db.close()
    assert seen == {(False, True)} and not part.exists() and rows_of(target) == 100


def test_a_copy_that_fails_midway_leaves_nothing(tmp_path: Path) -> None:
    folder, target = stored(tmp_path / "st"), tmp_path / "out" / "copy.db"
    target.parent.mkdir()
    db = open_to_read(folder / "telemetry.db")
    db.set_progress_handler(lambda: 1, 20)
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        export(db, target)
    db.close()
    assert list(target.parent.iterdir()) == []


def test_what_a_killed_copy_left_is_made_over(tmp_path: Path) -> None:
    folder, target = stored(tmp_path / "st"), tmp_path / "copy.db"
    for left in ("copy.db.part", "copy.db.part-journal"):
        (tmp_path / left).write_bytes(b"half" * 5000)
    assert exported(folder, target, "es") == 0 and rows_of(target) == 100
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.db", "st"]


def test_a_copy_to_a_name_that_another_copy_is_written_to_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, part = stored(tmp_path / "st"), tmp_path / "copy.db.part"
    with part.open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        other.write(b"of the other")
        other.flush()
        assert exported(folder, tmp_path / "copy.db", "en") == 1
    assert "another copy" in capsys.readouterr().err and part.read_bytes() == b"of the other"


@pytest.mark.parametrize(
    ("language", "full", "missing"),
    [("es", "no hay lugar para la copia", "no existe la carpeta"), ("en", "no room", "not exist")],
)
def test_a_full_or_missing_target_is_named_and_the_store_is_not_blamed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], language: str, full: str, missing: str
) -> None:
    folder = stored(tmp_path / "st")
    with small_disk(tmp_path, size_mb=1) as disk:
        disk.fill()
        assert exported(folder, disk.path / "x.db", language) == 1
        said = capsys.readouterr().err
        assert f"{disk.path / 'x.db'}" in said and full in said and "telemetry.db" not in said
        assert [path.name for path in disk.path.iterdir()] == ["another"]
    target = tmp_path / NONE_THERE / "x.db"
    assert exported(folder, target, language) == 1
    said = capsys.readouterr().err
    assert f"{target}" in said and missing in said and "telemetry.db" not in said


@contextlib.contextmanager
def another_user() -> Iterator[None]:
    needed(os.geteuid() == 0, "root, to become another user")
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("action", [["status"], ["export", "x.db"], ["captures", "out"]])
@pytest.mark.parametrize("closed", ["folder", "file"])
def test_a_store_of_another_user_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], action: list[str], closed: str
) -> None:
    folder = stored(tmp_path / "st")
    for path in [folder] if closed == "folder" else folder.iterdir():
        path.chmod(0o700 if closed == "folder" else 0o600)
    for path in (tmp_path, *tmp_path.parents):
        if path.owner() == "root" and path.stat().st_mode & 0o777 == 0o700:
            path.chmod(0o711)
    for language, words in (("es", "no puede leer"), ("en", "may not read")):
        with another_user():
            code = main(["outbox", *action, "--state-dir", str(folder), "--lang", language])
        said = capsys.readouterr().err
        assert code == 1 and words in said and said.count("\n") == 1


@pytest.mark.parametrize(("language", "words"), [("es", "no hay datos"), ("en", "nothing is kept")])
def test_drain_makes_no_store_where_there_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], language: str, words: str
) -> None:
    held = configuration(tmp_path / NONE_THERE, 0, ("127.0.0.1", 1), language)
    (tmp_path / "c.json").write_text(json.dumps(held))
    assert main(["outbox", "drain", "--config", str(tmp_path / "c.json")]) == 1
    assert words in capsys.readouterr().err and not (tmp_path / NONE_THERE).exists()


@pytest.mark.parametrize(("language", "words"), [("es", "necesita"), ("en", "needs")])
def test_drain_without_a_configuration_says_so_in_both_languages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], language: str, words: str
) -> None:
    place = ["--state-dir", str(tmp_path), "--lang", language]
    assert main(["outbox", "drain", *place]) == 2
    assert f"{words} --config" in capsys.readouterr().err
