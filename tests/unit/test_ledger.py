"""The ledger: what is missing is said, what came twice is kept once, in either database."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_tools.ledger.account import Account, Hole, Key, Row
from firmware_tools.ledger.cli import main
from firmware_tools.ledger.counts import Told
from firmware_tools.ledger.keep import Keeper, KeepFault
from firmware_tools.ledger.ranges import Ranges
from firmware_tools.ledger.read import Invalid, read_bundle, read_status
from firmware_tools.ledger.show import summary, table
from tests.postgres import ledger_place

ROOT = Path(__file__).resolve().parents[2]
DEVICE = "s/d"
LIVE = Key(DEVICE, 1, "live")
GONE = {"boot": 1, "lane": "live", "seq_from": 1, "seq_to": 1}
TWICE = {**GONE, "also": [GONE]}
GRAVE = {"seq": 1, "mono_ns": 5, "kind": "tombstone"}


def sent(account: Account, *seqs: int, boot: int = 1, freed_to: int = 0, lane: str = "live") -> int:
    """Takes a bundle of these rows; how many were new."""
    rows = [Row(DEVICE, boot, lane, seq, 0, seq, "verdict", "{}") for seq in seqs]
    bundle = {"boot": boot, "lane": lane, "freed_to": freed_to}
    return len(account.take(DEVICE, bundle, rows))


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9)), max_size=40))
def test_ranges_are_a_set_of_numbers(parts: list[tuple[int, int]]) -> None:
    ranges, numbers = Ranges(), set[int]()
    for first, more in parts:
        ranges.add(first, first + more)
        numbers |= set(range(first, first + more + 1))
    assert {n for first, last in ranges for n in range(first, last + 1)} == numbers
    assert ranges.count == len(numbers) and ranges.highest == max(numbers, default=0)
    missing = {n for first, last in ranges.gaps(70) for n in range(first, last + 1)}
    assert missing == set(range(1, 71)) - numbers
    pairs = list(ranges)
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(pairs))


def test_a_hole_is_open_while_the_device_holds_its_rows_and_lost_when_it_freed_them() -> None:
    account = Account()
    sent(account, 1, 2)
    sent(account, 6, 7)
    assert account.holes() == [Hole(LIVE, 3, 5, False)] and account.stream(LIVE).through() == 2
    sent(account, 8, freed_to=4)
    assert account.holes() == [Hole(LIVE, 3, 4, True), Hole(LIVE, 5, 5, False)]
    sent(account, 5)
    assert account.holes() == [Hole(LIVE, 3, 4, True)]
    assert account.stream(LIVE).through() == 8, "what cannot come is not waited for"


def test_a_copy_is_counted_and_not_kept() -> None:
    account = Account()
    assert sent(account, 1, 2, 3) == 3 and sent(account, 2, 3, 4) == 1
    assert account.stream(LIVE).duplicates == 2


def test_a_tombstone_and_a_thinned_row_stand_for_their_rows() -> None:
    account = Account()
    sent(account, 1, 10)
    account.bury(DEVICE, {"boot": 1, "lane": "live", "seq_from": 2, "seq_to": 5})
    thinned = Row(DEVICE, 1, "live", 9, 6, 0, "verdict", "{}")
    account.take(DEVICE, {"boot": 1, "lane": "live", "freed_to": 0}, [thinned])
    assert account.holes() == [] and account.stream(LIVE).through() == 10
    assert account.stream(LIVE).thinned == 3


def test_a_tombstone_tells_of_those_that_it_carries_too(place: str) -> None:
    lost = {"boot": 5, "lane": "live", "seq_from": 1, "seq_to": 5}
    body = {**lost, "also": [{"boot": 5, "lane": "alarm", "seq_from": 1, "seq_to": 1}]}
    row = {"seq": 2, "mono_ns": 0, "kind": "tombstone", "body": body}
    bundle, rows = read_bundle(
        DEVICE, "alarm", json.dumps({**BUNDLE, "boot": 5, "lane": "alarm", "rows": [row]}).encode()
    )
    account = Account()
    sent(account, 6, boot=5)
    account.take(DEVICE, bundle, rows)
    alarms = Key(DEVICE, 5, "alarm")
    assert account.bury_all(DEVICE, json.loads(rows[0].body)) == {Key(DEVICE, 5, "live"), alarms}
    assert account.holes() == [] and account.stream(alarms).through() == 2
    keeper = Keeper(place)
    keeper.keep(rows, list(account.streams.values()), [])
    assert keeper.load().stream(alarms).through() == 2
    keeper.close()


def test_a_thinned_row_counts_though_the_last_of_its_rows_had_come(tmp_path: Path) -> None:
    account, keeper = Account(), Keeper(str(tmp_path / "ledger.db"))
    bundle = {"boot": 1, "lane": "live", "freed_to": 0}
    for rows in (
        [Row(DEVICE, 1, "live", seq, 0, 0, "verdict", "{}") for seq in (1, 2, 5)],
        [Row(DEVICE, 1, "live", 5, 3, 0, "verdict", '{"count":3}')],
    ):
        keeper.keep(account.take(DEVICE, bundle, rows), list(account.streams.values()), [])
    again = keeper.load()
    keeper.close()
    assert account.holes() == [] and again.holes() == []


def test_what_went_before_the_ledger_is_no_hole_but_a_later_boot_owes_every_row() -> None:
    account = Account()
    sent(account, 501, freed_to=500)
    assert account.holes() == [] and account.stream(LIVE).through() == 501
    sent(account, 51, boot=2, freed_to=50)
    assert account.holes() == [Hole(Key(DEVICE, 2, "live"), 1, 50, True)]


@pytest.mark.parametrize("left_at_first", [0, 421])
def test_what_gave_way_before_its_lane_was_heard_is_accounted_for_by_its_tombstone(
    left_at_first: int,
) -> None:
    """Whether the device's first word came before the rows went, or after it."""
    account = Account()
    account.status(DEVICE, True, {"history": Told(500, left_at_first)})
    sent(account, 422, freed_to=421, lane="history")
    account.bury_all(DEVICE, {"boot": 1, "lane": "history", "seq_from": 1, "seq_to": 421})
    account.status(DEVICE, True, {"history": Told(500, 422)})
    assert (account.unaccounted(DEVICE), account.holes()) == (0, [])
    account.status(DEVICE, True, {"history": Told(500, 424)})
    assert account.unaccounted(DEVICE) == 2, "what then goes without a word is missed"


def test_the_end_of_a_boot_that_never_came_shows_in_the_devices_own_account() -> None:
    account = Account()

    def told(produced: int, delivered: int) -> None:
        counts = {"produced": produced, "delivered": delivered, "evicted": 0, "refused": 0}
        status = {"schema": 1, "state": "online", "uplink": {"lanes": {"live": counts}}}
        account.status(DEVICE, *read_status(json.dumps(status).encode()))

    told(0, 0)
    sent(account, 1, 2, 3)
    told(5, 5)  # 4 and 5 had their PUBACK and never came; then boot 2 begins
    sent(account, 1, boot=2)
    told(6, 6)
    assert account.unaccounted(DEVICE) == 2 and account.holes() == []
    assert not summary(account)["complete"] and "ROWS ARE MISSING" in table(account, "")


BUNDLE: dict[str, Any] = {
    "schema": 2,
    "boot": 1,
    "lane": "live",
    "freed_to": 0,
    "seq_from": 1,
    "rows": [{"seq": 1, "mono_ns": 5, "kind": "verdict", "body": {"a": "é"}}],
}


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": 1},
        {"lane": "alarm"},
        {"boot": 0},
        {"boot": True},
        {"freed_to": -1},
        {"freed_to": 2**40},
        {"rows": []},
        {"rows": [{"seq": 0, "mono_ns": 5, "kind": "v", "body": {}}]},
        {"rows": [{"seq": 1, "first_seq": 2, "mono_ns": 5, "kind": "v", "body": {}}]},
        {"rows": [{"seq": 1, "mono_ns": 5, "kind": "v", "body": []}]},
        {"rows": [{"seq": 1, "mono_ns": 5, "kind": "tombstone", "body": {"boot": 1}}]},
        {"rows": [{**GRAVE, "body": {**GONE, "also": 7}}]},
        {"rows": [{**GRAVE, "body": {**GONE, "also": [7]}}]},
        {"rows": [{**GRAVE, "body": {**GONE, "also": [{}]}}]},
        {
            "rows": [
                {"seq": 1, "mono_ns": 5, "kind": "tombstone", "body": {**GONE, "also": [TWICE]}}
            ]
        },
        {"more": "x" * 70_000},
    ],
)
def test_what_is_no_bundle_is_refused_with_a_reason(changes: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match=r"\w"):
        read_bundle(DEVICE, "live", json.dumps({**BUNDLE, **changes}).encode())


POISON = {
    "number beyond 64 bit": '{"seq":1,"mono_ns":99999999999999999999,"kind":"x","body":{}}',
    "lowest beyond 64 bit": '{"seq":1,"mono_ns":-9223372036854775809,"kind":"x","body":{}}',
    "truth for a number": '{"seq":1,"mono_ns":true,"kind":"x","body":{}}',
    "half a character in a body": '{"seq":1,"mono_ns":1,"kind":"x","body":{"a":"\\ud800"}}',
    "half a character in a key": '{"seq":1,"mono_ns":1,"kind":"x","body":{"\\ud800":1}}',
    "half a character in a kind": '{"seq":1,"mono_ns":1,"kind":"\\udfff","body":{}}',
    "NUL in a body": '{"seq":1,"mono_ns":1,"kind":"x","body":{"a":["\\u0000"]}}',
    "infinite": '{"seq":1,"mono_ns":1,"kind":"x","body":{"a":-1e400}}',
    "deep": '{"seq":1,"mono_ns":1,"kind":"x","body":{"a":' + "[" * 900 + "]" * 900 + "}}",
    "infinite tombstone": '{"seq":1,"mono_ns":1,"kind":"tombstone","body":'
    '{"boot":1,"lane":"live","seq_from":1,"seq_to":2,"count":1e400}}',
    "tombstone that grows": '{"seq":1,"mono_ns":1,"kind":"tombstone","body":'
    '{"boot":1,"lane":"live","seq_from":1,"seq_to":2,"x":[' + ",".join(["1e5"] * 9000) + "]}}",
}
HEAD = '{"schema":2,"boot":1,"lane":"live","freed_to":0,"seq_from":1,"rows":['


@pytest.mark.parametrize("row", POISON.values(), ids=POISON)
def test_what_a_database_cannot_keep_is_refused_before_it(row: str) -> None:
    with pytest.raises(Invalid, match=r"\w"):
        read_bundle(DEVICE, "live", f"{HEAD}{row}]}}".encode())


def test_the_bounds_themselves_are_kept_and_come_back(place: str) -> None:
    rows = [
        {"seq": n + 1, "mono_ns": value, "kind": "é€😀", "body": {"a": 1e308, "b": [value]}}
        for n, value in enumerate((2**63 - 1, -(2**63) + 1))
    ]
    bundle = {**BUNDLE, "boot": 77, "rows": rows}
    keeper = Keeper(place)
    keeper.keep(read_bundle(DEVICE, "live", json.dumps(bundle).encode())[1], [], [])
    assert Key(DEVICE, 77, "live") in keeper.load().streams
    keeper.close()


@pytest.mark.parametrize("name", ["s/" + "d" * 300, "s/\x1b[2J", "s/\x00"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match="name of a device"):
        read_bundle(name, "live", json.dumps(BUNDLE).encode())


def test_a_tombstone_that_an_earlier_version_let_in_is_passed_over_and_said(place: str) -> None:
    keeper = Keeper(place)
    body = '{"boot":1,"lane":"live","seq_from":1,"seq_to":2,"count":Infinity}'
    keeper.keep([Row("s/old", 1, "alarm", 1, 0, 0, "tombstone", body)], [], [])
    account = keeper.load()
    keeper.keep([Row("s/old", 1, "alarm", 1, 1, 0, "verdict", "{}")], [], [])
    keeper.close()
    assert account.invalid == 1 and "Infinity" in account.refusals[0][1]
    assert "Infinity" in table(account, ""), "the screen tells of it"


@pytest.mark.parametrize(
    "payload", [b"", b"[" * 60_000, b"\xff\xfe", b"NaN", b"[]", b'{"schema":2']
)
def test_bytes_that_are_no_json_object_are_refused(payload: bytes) -> None:
    with pytest.raises(Invalid):
        read_bundle(DEVICE, "live", payload)
    with pytest.raises(Invalid):
        read_status(payload)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest) -> Iterator[str]:
    with ledger_place(request.param) as place:
        yield place


def test_the_account_comes_back_from_the_database(place: str) -> None:
    keeper = Keeper(place)
    account = keeper.load()
    _, rows = read_bundle(DEVICE, "live", json.dumps(BUNDLE).encode())
    more = [Row(DEVICE, 1, "live", seq, 0, seq, "verdict", "{}") for seq in (2, 5)]
    thinned = Row(DEVICE, 1, "live", 9, 6, 0, "verdict", "{}")
    body = {"boot": 1, "lane": "history", "seq_from": 1, "seq_to": 7}
    grave = Row(DEVICE, 1, "alarm", 1, 0, 0, "tombstone", json.dumps(body))
    new = account.take(DEVICE, {**BUNDLE, "freed_to": 3}, [*rows, *more, thinned])
    account.stream(LIVE).base = 0
    new += account.take(DEVICE, {**BUNDLE, "lane": "alarm"}, [grave])
    account.bury(DEVICE, body)
    for _ in range(2):  # the second time all of them are copies
        keeper.keep(new, list(account.streams.values()), [])
    keeper.close()
    again = Keeper(place)
    found = again.load()
    again.close()
    assert found.holes() == account.holes()
    assert [hole.lost for hole in found.holes()] == [True, False]
    assert {k: list(s.known()) for k, s in found.streams.items()} == {
        k: list(s.known()) for k, s in account.streams.items()
    }


def test_check_ends_with_1_for_a_hole_and_0_for_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "ledger.db")
    account = Account()
    for seqs, code in (((1, 2), 0), ((4,), 1)):
        rows = [Row(DEVICE, 1, "live", seq, 0, seq, "verdict", "{}") for seq in seqs]
        account.take(DEVICE, BUNDLE, rows)
        keeper = Keeper(path)
        keeper.keep(rows, list(account.streams.values()), [])
        keeper.close()
        assert main(["--db", path, "--check"]) == code
        assert json.loads(capsys.readouterr().out)["complete"] == (code == 0)


@pytest.mark.parametrize("held", [None, b"", b"no database", "torn"])
def test_what_is_no_ledger_ends_with_3_one_sentence_and_nothing_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], held: bytes | str | None
) -> None:
    path = tmp_path / "ledger.db"
    if held == "torn":
        keeper = Keeper(str(path))
        rows = [Row(DEVICE, 1, "live", n, 0, n, "verdict", '{"a":1}') for n in range(1, 2000)]
        keeper.keep(rows, [], [])
        keeper.close()
        whole = path.read_bytes()
        held = whole[: 5 * 4096] + b"\xa5" * (len(whole) - 5 * 4096)
    if isinstance(held, bytes):
        path.write_bytes(held)
    assert main(["--db", str(path), "--check"]) == 3
    said = capsys.readouterr()
    assert said.out == "" and str(path) in said.err and said.err.count("\n") == 1
    assert path.read_bytes() == held if held is not None else not path.exists()


def test_a_database_or_broker_that_is_away_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeepFault, match="no-such-folder"):
        Keeper(str(tmp_path / "no-such-folder" / "ledger.db"))
    assert main(["--db", str(tmp_path / "l.db"), "--broker", "127.0.0.1:1"]) == 3
    assert "127.0.0.1:1" in capsys.readouterr().err


def test_a_number_that_was_given_up_and_came_has_come() -> None:
    """After a power cut a device gives up all numbers that it may have used."""
    account = Account()
    key = Key("s/d", 1, "live")
    account.stream(key).received.add(1, 5)
    account.bury("s/d", {"boot": 1, "lane": "live", "seq_from": 4, "seq_to": 10})
    told = summary(account)
    assert (told["rows"], told["tombstoned"], told["complete"]) == (5, 5, True)


def test_what_a_power_cut_left_behind_is_at_most_so_many_rows(tmp_path: Path) -> None:
    keeper, account = Keeper(str(tmp_path / "ledger.db")), Account()
    sent(account, 1, 2, 3, 4, 5, 17)
    bodies = [
        {**GONE, "seq_from": 4, "seq_to": 10, "count": 7, "reason": "power cut"},
        {**GONE, "seq_from": 11, "seq_to": 16, "count": 6, "reason": "limit"},
    ]
    graves = [
        Row(DEVICE, 1, "alarm", seq, 0, 0, "tombstone", json.dumps(body))
        for seq, body in enumerate(bodies, 1)
    ]
    for row in account.take(DEVICE, {"boot": 1, "lane": "alarm", "freed_to": 0}, graves):
        account.bury_all(DEVICE, json.loads(row.body))
    keeper.keep(graves, list(account.streams.values()), [])
    again = keeper.load()
    keeper.close()
    told = summary(account)
    assert (told["tombstoned"], told["unsure"], told["complete"]) == (11, 5, True)
    assert again.stream(LIVE).unsure() == 7, "rows 4 and 5 were not kept in this database"
    line = next(line for line in table(account, "").splitlines() if " live " in line)
    assert line.split()[-4:] == ["0", "6", "5", "0"], "thinned, given up, at most, copies"
