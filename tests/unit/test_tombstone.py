"""What left undelivered is told, whatever becomes of the row that tells it."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import sqlite_utils

from agent.limits import CARRIED_MAX
from agent.ports import ALARM, HISTORY, TOMBSTONE, NewRow, Row
from agent.store import lanes
from agent.store.tombstone import account_of, bodies, carried_by

SCHEMA = json.loads((Path(lanes.__file__).parents[1] / "schemas" / "data.json").read_text())


def gone(lane: str, first: int, last: int, reason: str = "limit") -> dict[str, Any]:
    return account_of(lane, 1, (first, last), reason, last - first + 1)


def read(texts: list[str]) -> list[dict[str, Any]]:
    rows = [Row(ALARM, n, 0, TOMBSTONE, text, 0) for n, text in enumerate(texts)]
    return [account for row in rows for account in carried_by(row)]


def test_one_account_is_a_tombstone_of_its_own() -> None:
    (text,) = bodies([gone(HISTORY, 1, 7)])
    assert json.loads(text) == gone(HISTORY, 1, 7)


def test_neighbours_are_one_account_and_strangers_are_not() -> None:
    for accounts, left in (
        ([gone(HISTORY, 1, 7), gone(HISTORY, 8, 9)], [gone(HISTORY, 1, 9)]),
        ([gone(HISTORY, 1, 7), gone(ALARM, 3, 3), gone(HISTORY, 8, 9)], 2),
        ([gone(HISTORY, 1, 7), gone(HISTORY, 9, 9)], 2),
        ([gone(HISTORY, 1, 7), gone(HISTORY, 8, 9, "CRC")], 2),
        ([gone(HISTORY, 1, 7), {**gone(HISTORY, 8, 9), "boot": 2}], 2),
    ):
        found = read(bodies(accounts))
        assert found == left if isinstance(left, list) else len(found) == left


def test_many_accounts_take_as_many_rows_as_they_need_and_keep_to_the_schema() -> None:
    accounts = [gone(HISTORY, 2 * n, 2 * n) for n in range(1, 100)]
    texts = bodies(accounts)
    assert len(texts) == 3 and read(texts) == accounts
    for text in texts:
        body = json.loads(text)
        jsonschema.validate(body, {**SCHEMA["$defs"]["tombstone"], "$defs": SCHEMA["$defs"]})
        assert len(body["also"]) <= CARRIED_MAX and len(text) < 5000


def rig() -> lanes.Lanes:
    db = sqlite_utils.Database(memory=True)
    for statement in lanes.TABLES:
        db.execute(statement)
    return lanes.Lanes(db, 1)


def test_alarms_that_make_room_take_no_account_along() -> None:
    outbox = rig()
    with outbox.transaction():
        outbox.append([NewRow(HISTORY, 0, "verdict", "{}")] * 90)
        for _ in range(2):  # of history rows, then of the alarm lane with its tombstones
            for lane in (HISTORY, ALARM):
                outbox.evict(lane, outbox.waiting(lane, None, 1), "limit")
    told = [account for row in outbox.oldest(ALARM, 0, 10) for account in carried_by(row)]
    covered = {
        (one["lane"], seq) for one in told for seq in range(one["seq_from"], one["seq_to"] + 1)
    }
    assert {(HISTORY, seq) for seq in range(1, 91)} <= covered
    assert all(lane.produced == lane.evicted + lane.backlog for lane in outbox.stats())
