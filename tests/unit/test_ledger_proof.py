"""What the ledger's database is worth: a key stands for one row, and a row is what was kept."""

import contextlib
import json
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from firmware_tools.ledger.account import Key, Row, Stream
from firmware_tools.ledger.cli import main
from firmware_tools.ledger.keep import Keeper
from firmware_tools.ledger.show import table
from tests.postgres import ledger_place

DEVICE = "s/d"
BUNDLE = {"boot": 1, "lane": "live", "freed_to": 0}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest) -> Iterator[str]:
    with ledger_place(request.param) as place:
        yield place


def row_of(seq: int, body: str, boot: int = 1, first_seq: int = 0) -> Row:
    return Row("s/twice", boot, "live", seq, first_seq, 7, "verdict", body)


def test_a_known_key_with_another_content_is_no_copy_and_both_are_kept(place: str) -> None:
    keeper = Keeper(place)
    first = [row_of(seq, f'{{"n":{seq}}}') for seq in range(1, 500)]
    assert keeper.keep(first, [], []) == []
    other = [row_of(seq, '{"n":0}') for seq in (3, 250, 251)]
    copies = [row_of(1, '{"n":1}'), *other, row_of(2, '{"n":2}')]
    assert keeper.keep([], [], [], copies) == other
    assert keeper.keep([], [], [], other) == [], "the same once more tells nothing new"
    assert keeper.keep([row_of(600, "{}")], [], [], [row_of(600, "{ }")]) == [row_of(600, "{ }")]
    keeper.close()
    again = Keeper(place)
    found = again.load().conflicts[Key("s/twice", 1, "live")]
    again.close()
    assert found == (4, 3, 600)


def test_a_thinned_row_is_no_conflict_with_the_raw_one_of_its_number(place: str) -> None:
    keeper = Keeper(place)
    keeper.keep([row_of(5, '{"n":5}', boot=2)], [], [])
    assert keeper.keep([], [], [], [row_of(5, '{"count":3}', boot=2, first_seq=3)]) == []
    keeper.close()


def test_a_conflict_is_said_on_the_screen_in_the_summary_and_by_the_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "ledger.db")
    keeper = Keeper(path)
    stream = Stream(Key("s/twice", 1, "live"))
    keeper.keep([row_of(1, "{}")], [stream], [], [row_of(1, "[]")])
    keeper.close()
    assert main(["--db", path]) == 0 and main(["--db", path, "--check"]) == 1
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["conflicts"] == [
        {"device": "s/twice", "boot": 1, "lane": "live", "rows": 1, "first": 1, "last": 1}
    ]
    assert not told["complete"] and told["holes"] == [] and told["damage"] == []
    keeper = Keeper(path)
    screen = table(keeper.load(), "")
    keeper.close()
    assert "CONFLICT: 1 rows of s/twice boot 1 live (1 to 1)" in screen
    assert screen.endswith("KEYS WERE USED TWICE\n")


def checked(path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    code = main(["--db", str(path), "--check"])
    said = capsys.readouterr().out.splitlines()
    return code, json.loads(said[-1]) if said else {}


def kept(path: Path, count: int = 300) -> None:
    keeper = Keeper(str(path))
    account = keeper.load()
    rows = [Row(DEVICE, 1, "live", n, 0, n, "verdict", f'{{"n":{n}}}') for n in range(1, count + 1)]
    new = account.take(DEVICE, BUNDLE, rows)
    keeper.keep(new, list(account.streams.values()), [])
    keeper.close()


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        ("UPDATE rows SET body = '{}' WHERE seq = 7", "s/d boot 1 live 7: was changed"),
        ("UPDATE rows SET mono_ns = 8 WHERE seq = 7", "s/d boot 1 live 7: was changed"),
        ("UPDATE rows SET crc = NULL, body = '{' WHERE seq = 7", "live 7: is no row"),
        ("UPDATE rows SET crc = NULL, lane = 'x' WHERE seq = 7", "x 7: is no row"),
        ("UPDATE streams SET freed_to = -1", "no account of a stream"),
    ],
)
def test_check_finds_a_row_that_is_not_what_was_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], harm: str, words: str
) -> None:
    path = tmp_path / "ledger.db"
    kept(path)
    assert checked(path, capsys)[0] == 0
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute(harm)
        db.commit()
    code, told = checked(path, capsys)
    assert code == 1 and any(words in line for line in told["damage"]), told["damage"]


def test_check_finds_a_changed_row_in_either_database(place: str) -> None:
    keeper = Keeper(place)
    keeper.keep([row_of(n, "{}", boot=9) for n in range(1, 40)], [], [])
    assert keeper.check().damage == []
    keeper._db.execute("UPDATE rows SET kind = 'x' WHERE boot = 9 AND seq = 20")
    keeper._db.commit()
    found = keeper.check()
    keeper.close()
    assert found.damage == ["s/twice boot 9 live 20: was changed since it was kept (checksum)"]


def test_flipped_bits_of_the_file_are_found_or_harm_no_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, chance = tmp_path / "ledger.db", random.Random(11)
    kept(path)
    whole = path.read_bytes()
    found = 0
    for _ in range(60):
        place, bit = chance.randrange(len(whole)), 1 << chance.randrange(8)
        path.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
        code, _ = checked(path, capsys)
        found += code != 0
        if code == 0:
            with contextlib.closing(sqlite3.connect(path)) as db:
                held = db.execute("SELECT seq, body FROM rows ORDER BY seq").fetchall()
            assert held == [(n, f'{{"n":{n}}}') for n in range(1, 301)], place
    assert found > 10, found


def test_rows_of_an_earlier_version_are_kept_and_said_to_be_unproven(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ledger.db"
    kept(path, 5)
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("ALTER TABLE rows DROP COLUMN crc")
        db.execute("DROP TABLE conflicts")
        db.commit()
    code, told = checked(path, capsys)
    assert code == 0 and told["unproven"] == 5 and told["rows"] == 5
    kept(path, 7)
    assert checked(path, capsys)[1]["unproven"] == 5
