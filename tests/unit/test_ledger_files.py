"""The ledger and a device's file: what a file that is no more had told of is missed, for ever.

A device of a few lines counts as a real one does. Each claim holds as well when the ledger ends and
starts again between any two messages, in either database.
"""

import contextlib
import json
import sqlite3
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from firmware_tools.ledger.account import Account, Hole, Key
from firmware_tools.ledger.read import Invalid, read_status
from firmware_tools.ledger.show import Teller, summary, table
from tests.ledger_rig import DEVICE, LANE, Device, Ledger, known


def test_rows_that_a_deleted_file_had_told_of_are_missed_by_device_lane_and_count(
    ledger: Ledger,
) -> None:
    known(ledger, 150, 22)
    after = Device(77, "bb")
    ledger.status(after.status())
    assert ledger.told["lost_with_file"] == [{"device": DEVICE, "lane": LANE, "rows": 128}]
    after.make(300)
    after.send(ledger, 300)
    ledger.status(after.status())
    assert ledger.missed() == (0, 0, 128), "what is new does not make up for it"
    screen = table(ledger.account, "")
    assert "LOST WITH ITS FILE: 128 rows of s/d live" in screen and "ROWS ARE MISSING" in screen


def test_what_several_files_had_told_of_adds_up(ledger: Ledger) -> None:
    known(ledger, 50, 20)
    after = Device(77, "bb")
    after.make(7)
    ledger.status(after.status())
    ledger.status(Device(300, "cc").status())
    assert ledger.missed() == (0, 0, 37)


def test_rows_newer_than_the_last_status_do_not_stand_for_those_it_told_of(ledger: Ledger) -> None:
    """The broker took the end of a boot along; the next one was heard, its status was not."""
    device = known(ledger, 50, 40)
    device.send(None, 10)
    device.restart(1100)
    device.make(10)
    device.send(ledger, 10)
    ledger.status(Device(1200, "bb").status())
    assert ledger.missed() == (0, 0, 10)


def test_a_status_that_rows_have_overtaken_makes_no_loss(ledger: Ledger) -> None:
    device = Device(1000, "aa")
    device.make(500)
    device.send(None, 500)
    status = device.status()
    device.make(5)
    device.send(ledger, 5)
    ledger.status(status)
    ledger.status(device.status())
    assert ledger.missed() == (0, 0, 0)


def test_a_device_of_which_no_row_ever_came_is_missed(ledger: Ledger) -> None:
    device = Device(1000, "aa")
    ledger.status(device.status())
    device.make(10)
    device.send(None, 10)
    ledger.status(device.status())
    assert ledger.missed() == (0, 10, 0)


def test_a_new_file_that_has_produced_more_than_the_old_one_is_noticed(ledger: Ledger) -> None:
    known(ledger, 50, 20)
    after = Device(77, "bb")
    after.make(500)
    ledger.status(after.status())
    assert ledger.missed() == (0, 0, 30)


@pytest.mark.parametrize("boot", [77, 5000])
def test_what_a_new_file_sent_to_nobody_is_missed(ledger: Ledger, boot: int) -> None:
    """Its life goes by unheard; the next one is heard, under a boot below or above the old ones."""
    known(ledger, 50, 50, "broker")
    device = Device(boot, "bb", "broker")
    device.make(56)
    device.send(None, 56)
    device.restart(boot + 3)
    device.make(10)
    ledger.status(device.status())
    device.send(ledger, 10)
    ledger.status(device.status())
    assert ledger.missed() == (0, 56, 0)


def test_the_first_rows_of_a_new_file_are_missed_under_a_lower_boot(ledger: Ledger) -> None:
    known(ledger, 50, 50)
    device = Device(77, "bb")
    ledger.status(device.status())
    device.make(60)
    device.send(None, 20)
    device.send(ledger, 40)
    ledger.status(device.status())
    assert ledger.account.holes() == [Hole(Key(DEVICE, 77, LANE), 1, 20, True)]
    assert ledger.missed() == (20, 0, 0)


@pytest.mark.parametrize("promise", ["broker", "receiver"])
def test_beside_a_running_device_nothing_is_missing(ledger: Ledger, promise: str) -> None:
    """The broker's status is old, and rows were under way when the ledger began to listen."""
    device = Device(1000, "aa", promise)
    device.make(500)
    device.send(None, 300)
    old = device.status()
    device.make(20)
    device.send(None, 60)
    ledger.status(old, retained=True)
    for _ in range(20):
        device.make(1)
        device.send(ledger, 3)
        device.send(ledger, 1, free=False)  # its PUBACK has not come yet
        ledger.status(device.status())
        assert ledger.missed() == (0, 0, 0)
    device.send(ledger, len(device.waiting))
    ledger.status(device.status())
    device.make(7)
    device.send(None, 7)
    ledger.status(device.status())
    assert ledger.missed() == (0, 7, 0), "from then on each row is owed"


def test_rows_under_way_to_nobody_when_the_ledger_began_are_no_hole(ledger: Ledger) -> None:
    device = Device(1000, "aa", "broker")
    device.make(100)
    device.send(None, 10)
    ledger.status(device.status(), retained=True)
    ledger.rows(1000, 10, device.waiting[40:50])
    ledger.rows(1000, 60, device.waiting[50:60])
    assert ledger.missed() == (0, 0, 0)


def test_rows_of_a_receipts_device_are_waited_for_though_later_ones_came_first(
    ledger: Ledger,
) -> None:
    device = Device(1000, "aa")
    device.make(100)
    device.send(None, 10)
    ledger.status(device.status(), retained=True)
    ledger.rows(1000, 10, device.waiting[40:50])
    assert ledger.account.stream(Key(DEVICE, 1000, LANE)).through() == 10
    assert ledger.missed() == (40, 0, 0), "11 to 50, which come again"


def test_an_old_state_that_was_put_back_sends_copies_and_nothing_is_missing(
    ledger: Ledger,
) -> None:
    device = known(ledger, 120, 20)
    image = deepcopy(device)
    device.make(40)
    device.send(ledger, 140)
    ledger.status(device.status())
    image.restart(1500)
    image.make(5)
    ledger.status(image.status())
    image.send(ledger, 60)
    ledger.status(image.status())
    image.send(ledger, 45)
    ledger.status(image.status())
    assert ledger.missed() == (0, 0, 0) and ledger.told["duplicates"] == 100
    image.make(9)
    image.send(None, 9)
    ledger.status(image.status())
    assert ledger.missed() == (0, 9, 0)


@pytest.mark.parametrize("later", [0, 7])
def test_an_old_state_that_is_put_back_twice_is_missed_once(ledger: Ledger, later: int) -> None:
    """All that it holds had come; `later`: rows that its first new life told of and kept."""
    device = known(ledger, 120, 20)
    image = deepcopy(device)
    device.send(ledger, 100)
    device.make(30)
    ledger.status(device.status())
    device.send(ledger, 30)
    ledger.status(device.status())
    for boot in (1500, 1600):
        back = deepcopy(image)
        back.restart(boot)
        ledger.status(back.status())
        back.make(later if boot == 1500 else 0)
        ledger.status(back.status())
    back.send(ledger, 100)
    ledger.status(back.status())
    assert ledger.missed() == (0, 0, later)


def test_two_devices_of_one_name_add_up_to_no_loss(ledger: Ledger) -> None:
    one, other = Device(1000, "aa"), Device(77, "bb")
    for device in (one, other):
        device.make(50)
    for _ in range(4):
        for device in (one, other):
            ledger.status(device.status())
            device.send(ledger, 5)
            ledger.status(device.status())
    for device in (one, other):
        ledger.status(device.status())
        device.send(ledger, 50)
        ledger.status(device.status())
    assert ledger.missed() == (0, 0, 0)


def test_what_an_old_state_still_has_is_no_longer_missed_once_it_comes(ledger: Ledger) -> None:
    """30 rows waited when the image was made, and 40 more when the file went."""
    device = known(ledger, 50, 20)
    image = deepcopy(device)
    device.make(40)
    ledger.status(device.status())
    image.restart(1500)
    ledger.status(image.status())
    assert ledger.missed() == (0, 0, 70)
    image.send(ledger, 30)
    ledger.status(image.status())
    assert ledger.missed() == (0, 0, 40)


def test_a_file_that_was_salvaged_sends_copies_and_what_it_has_no_longer_is_missed(
    ledger: Ledger,
) -> None:
    """Of 1000 rows 100 came; of the first 600 all are found again, those that came too."""
    device = known(ledger, 600, 0)
    every = list(device.waiting)
    device.make(400)
    device.send(ledger, 100)
    ledger.status(device.status())
    after = Device(1200, "bb")
    after.waiting, after.produced, after.before = every, 620, 20
    after.left = after.before
    ledger.status(after.status())
    assert ledger.missed() == (0, 0, 900)
    after.send(ledger, 600)
    ledger.status(after.status())
    assert ledger.missed() == (0, 0, 400)


def test_tombstones_of_rows_that_a_lost_file_had_told_of_explain_them(ledger: Ledger) -> None:
    known(ledger, 50, 20)
    ledger.status(Device(1200, "bb").status())
    ledger.bury(1000, 31, 40)
    assert ledger.missed() == (10, 0, 20), "of these 20, ten have numbers"


def test_a_file_that_cannot_be_read_for_a_while_is_not_taken_for_another(ledger: Ledger) -> None:
    device = known(ledger, 50, 20)
    ledger.status(Device(1100, "").status())
    assert ledger.missed() == (0, 0, 0)
    device.restart(1200)
    ledger.status(device.status())
    device.send(ledger, 30)
    ledger.status(device.status())
    assert ledger.missed() == (0, 0, 0)


def test_a_card_that_comes_back_goes_on_where_it_was(ledger: Ledger) -> None:
    device = known(ledger, 50, 20)
    other = Device(77, "bb")
    other.make(10)
    ledger.status(other.status())
    other.send(ledger, 10)
    ledger.status(other.status())
    device.restart(1200)
    ledger.status(device.status())
    device.send(ledger, 30)
    ledger.status(device.status())
    assert ledger.missed() == (0, 0, 0)


def test_an_agent_that_begins_to_tell_of_its_file_goes_on(ledger: Ledger) -> None:
    device = Device(1000, "aa")
    device.make(50)
    ledger.status(device.status(file=None))
    device.send(ledger, 20)
    ledger.status(device.status(file=None))
    device.restart(1100)
    device.before = 20
    ledger.status(device.status())
    device.send(ledger, 30)
    ledger.status(device.status())
    assert ledger.missed() == (0, 0, 0)
    ledger.status(Device(1200, "bb").status())
    assert ledger.missed() == (0, 0, 0), "all had come"


def test_an_older_agent_that_tells_of_less_than_before_lost_what_it_had(ledger: Ledger) -> None:
    device = Device(1000, "aa")
    device.make(50)
    ledger.status(device.status(file=None))
    device.send(ledger, 20)
    ledger.status(device.status(file=None))
    ledger.status(Device(77, "bb").status(file=None))
    assert ledger.missed() == (0, 0, 30)


def test_an_old_status_that_a_broker_kept_ends_nothing(ledger: Ledger) -> None:
    """As after a broker that was killed, and took up what it had written half an hour before."""
    device = Device(1000, "aa")
    old = device.status()
    device.make(50)
    ledger.status(device.status())
    device.send(ledger, 20)
    ledger.status(old, retained=True)
    ledger.status(device.status())
    assert ledger.missed() == (0, 0, 0)


@pytest.mark.parametrize("changes", [{"file": 7}, {"file": "no hex"}, {"file": "a" * 65}])
def test_what_is_no_files_name_is_refused(changes: dict[str, Any]) -> None:
    status = {"schema": 1, "state": "online", "uplink": {"lanes": {}, **changes}}
    with pytest.raises(Invalid, match="file"):
        read_status(json.dumps(status).encode())


def test_a_ledger_of_an_earlier_version_goes_on(tmp_path: Path) -> None:
    path = str(tmp_path / "ledger.db")
    made = Ledger(path, False)
    device = known(made, 50, 20)
    made.close()
    with contextlib.closing(sqlite3.connect(path)) as db:
        for column in ("owed", "boot", "seq", "begun"):
            db.execute(f"ALTER TABLE told DROP COLUMN {column}")
        db.execute("ALTER TABLE streams DROP COLUMN again")
        db.execute("DROP TABLE devices")
        db.commit()
    made = Ledger(path, False)
    ledger_says = made.missed()
    made.status(device.status())
    made.status(Device(77, "bb").status())
    assert (ledger_says, made.missed()) == ((0, 0, 0), (0, 0, 30))
    made.close()


def test_what_was_lost_with_a_file_is_told_in_a_line_when_it_changes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    made = Ledger(str(tmp_path / "ledger.db"), False)
    known(made, 50, 20)
    made.status(Device(77, "bb").status())
    teller = Teller(sys.stdout, False)
    for _ in range(2):
        teller.tell(made.account, "")
    made.close()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    told = [line for line in lines if line["event"] == "lost_with_file"]
    assert told == [{"event": "lost_with_file", "device": DEVICE, "lane": LANE, "rows": 30}]


def test_an_account_without_messages_misses_nothing() -> None:
    assert summary(Account())["complete"]
