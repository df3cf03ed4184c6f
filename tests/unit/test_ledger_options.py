"""`latido-ledger`: its options, and a database that takes nothing, each told in a sentence."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from firmware_tools.ledger.account import Row
from firmware_tools.ledger.cli import main
from firmware_tools.ledger.keep import Keeper, KeepFault
from tests.small_disk import small_disk


@pytest.mark.parametrize("seconds", ["-3", "0", "nan", "inf", "soon"])
def test_a_time_to_listen_that_is_none_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], seconds: str
) -> None:
    place = ["--db", str(tmp_path / "l.db"), "--broker", "127.0.0.1:1"]
    with pytest.raises(SystemExit, match="2"):
        main([*place, "--check", f"--seconds={seconds}"])
    assert f"{seconds!r} is not a number of seconds" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["[::1]:1", "[::1]", "::1"])
def test_an_address_of_ipv6_may_stand_in_brackets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    port = 1 if place.endswith("]:1") else 1883
    assert main(["--db", str(tmp_path / "l.db"), "--broker", place]) == 3
    said = capsys.readouterr().err
    assert f" ::1:{port}: " in said and "not known" not in said


@pytest.mark.parametrize("place", ["[::1", "[::1]1883", "[::1]:", "host:", ":1", "host:0", ""])
def test_a_place_that_is_none_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--db", str(tmp_path / "l.db"), "--broker", place])
    assert f"{place!r} is not HOST[:PORT]" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--tls-ca", "--tls-certificate", "--tls-key"])
@pytest.mark.parametrize(("held", "words"), [(None, "No such file"), ("none", "cannot be used")])
def test_a_file_of_tls_that_cannot_be_used_is_named(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    option: str,
    held: str | None,
    words: str,
) -> None:
    file = tmp_path / "f.pem"
    if held is not None:
        file.write_text(held)
    more = ["--tls-certificate", str(file)] if option == "--tls-key" and held else []
    place = ["--db", str(tmp_path / "l.db"), "--broker", "127.0.0.1:1", "--tls"]
    assert main([*place, option, str(file), *more]) == 3
    said = capsys.readouterr().err
    assert f"{option} {file}" in said and words in said and said.count("\n") == 1


def test_a_database_on_a_full_disk_is_a_sentence_and_what_was_kept_stays(tmp_path: Path) -> None:
    rows = [Row("s/d", 1, "live", n, 0, 0, "verdict", f'"{"x" * 5000}"') for n in range(1, 41)]
    with small_disk(tmp_path, size_mb=1) as disk:
        place = str(disk.path / "l.db")
        keeper = Keeper(place)
        keeper.keep(rows[:5], [], [])
        disk.fill(but_bytes=20_000)
        with pytest.raises(KeepFault, match=r"l\.db: database or disk is full"):
            keeper.keep(rows, [], [])
        disk.free()
        keeper.keep(rows[:6], [], [])
        with contextlib.closing(sqlite3.connect(place)) as db:
            assert db.execute("SELECT COUNT(*) FROM rows").fetchone() == (6,)
        keeper.close()


def test_a_database_that_another_program_holds_is_a_sentence(tmp_path: Path) -> None:
    place = str(tmp_path / "l.db")
    keeper = Keeper(place)
    keeper._db.execute("PRAGMA busy_timeout = 50")
    with contextlib.closing(sqlite3.connect(place, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(KeepFault, match=r"l\.db: database is locked"):
            keeper.keep([Row("s/d", 1, "live", 1, 0, 0, "verdict", "{}")], [], [])
        other.execute("ROLLBACK")
    keeper.keep([Row("s/d", 1, "live", 1, 0, 0, "verdict", "{}")], [], [])
    keeper.close()
