"""What is written off of a device: told for ever, and no longer missed; what is lost later is."""

import json
from pathlib import Path

import pytest

from firmware_tools.ledger.account import Key
from firmware_tools.ledger.cli import main
from firmware_tools.ledger.show import table
from tests.ledger_rig import DEVICE, LANE, Device, Ledger, known


def holed(ledger: Ledger) -> Device:
    """Of 100 rows, 20 came; 5 of those that were freed are a hole, and the file is gone."""
    device = known(ledger, 100, 15)
    device.send(None, 5)
    device.send(ledger, 5)
    ledger.status(device.status())
    after = Device(77, "bb", "broker")
    ledger.status(after.status())
    assert ledger.missed() == (5, 0, 75)
    return after


def test_what_is_written_off_is_told_for_ever_and_what_is_lost_later_is_missed(
    ledger: Ledger,
) -> None:
    after = holed(ledger)
    ledger.write_off("2026-11-25T20:00:00Z")
    assert ledger.missed() == (0, 0, 0)
    after.make(8)
    after.send(ledger, 6)
    after.send(None, 2)
    ledger.status(after.status())
    assert ledger.missed() == (0, 2, 0)
    ledger.write_off("2026-11-26T20:00:00Z")
    assert ledger.missed() == (0, 0, 0)
    after.make(7)
    ledger.status(after.status())
    ledger.status(Device(300, "cc").status())
    assert ledger.missed() == (0, 0, 7)
    told = [(line["at"][:10], line["kind"], line["rows"]) for line in ledger.told["written_off"]]
    assert told == [
        ("2026-11-25", "hole", 5),
        ("2026-11-25", "lost_with_file", 75),
        ("2026-11-26", "unaccounted", 2),
    ]
    assert "written off at 2026-11-25T20:00:00Z: 75 rows" in table(ledger.account, "")


def test_a_row_that_was_written_off_and_comes_is_kept_and_no_receipt_ran_ahead_of_it(
    ledger: Ledger,
) -> None:
    device = known(ledger, 50, 20)
    rest = list(device.waiting)
    ledger.rows(1000, 20, rest[10:])
    ledger.status(Device(1200, "bb").status())
    assert ledger.missed() == (10, 0, 10)
    ledger.write_off("2026-11-25T20:00:00Z")
    assert ledger.missed() == (0, 0, 0)
    assert ledger.account.stream(Key(DEVICE, 1000, LANE)).through() == 20
    ledger.rows(1000, 20, rest[:10])
    assert ledger.told["rows"] == 50 and ledger.missed() == (0, 0, 0)


def test_a_check_is_green_again_once_a_loss_is_written_off(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "ledger.db")
    made = Ledger(path, False)
    holed(made)
    made.close()
    assert main(["--db", path, "--check"]) == 1
    assert main(["--db", path, "--check", "--write-off", DEVICE]) == 0
    assert main(["--db", path, "--check"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["complete"] and [line["rows"] for line in told["written_off"]] == [5, 75]
    assert main(["--db", path, "--write-off", DEVICE]) == 2
    assert "nothing of it is lost" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--db", path, "--broker", "b", "--write-off", DEVICE])
