"""A store after a power cut, against what it had promised when the power failed."""

import json
from collections.abc import Iterator
from typing import Any

from agent.adapters.store_sqlite import SqliteStore
from agent.core.wire import bundles
from agent.limits import BUNDLE_BYTES, BUNDLE_ROWS, EXPRESS_ROWS
from agent.ports import CUT, LANES, LIVE, TOMBSTONE, Row, row_boot, row_id, row_seq
from agent.store.tombstone import carried_by
from firmware_tools.ledger.account import Account
from firmware_tools.ledger.account import Row as LedgerRow
from firmware_tools.ledger.counts import Told
from firmware_tools.ledger.read import read_bundle
from firmware_tools.ledger.show import summary
from tests.powercut.workload import body_of

DEVICE = "power/cut"


async def broken_promise(store: SqliteStore, promise: Any) -> str:
    """ "" or what is not as `promise` (a mark of the workload) says. `store`: just opened."""
    held = {lane: await everything(store, lane) for lane in LANES}
    if store.boot <= promise["boot"]:
        return f"boot {store.boot} again, after {promise['boot']}"
    found = [*_rows_gone(held, promise), *_cuts_wrong(held), *await _setting_gone(store, promise)]
    for reached in ("acked", "sent"):
        found += await _ledger_open(store, held, promise, reached)
    return "; ".join(found)


async def everything(store: SqliteStore, lane: str) -> list[Row]:
    found: list[Row] = []
    while some := await store.oldest(lane, found[-1].id if found else 0, 1000):
        found += some
    return found


def _rows_gone(held: dict[str, list[Row]], promise: Any) -> Iterator[str]:
    """Rows that were promised and not acknowledged, and rows that are not what they were."""
    for lane, rows in held.items():
        for row in rows:
            if row.kind != TOMBSTONE and row.body != body_of(
                row_boot(row.id), lane, row_seq(row.id)
            ):
                yield f"{lane} {row_seq(row.id)} has another body"
        ids = {row.id for row in rows}
        for boot, seq in promise["used"][lane]:
            first = max(promise["acked"][lane], row_id(boot, 0)) + 1
            last = min(promise["promised"][lane], row_id(boot, seq))
            gone = [i for i in range(first, last + 1) if i not in ids]
            if gone:
                yield f"{lane} {row_seq(gone[0])}: {len(gone)} promised rows gone"


def _cuts_wrong(held: dict[str, list[Row]]) -> Iterator[str]:
    """Given up are live rows alone, no more than were set aside, and none that is there."""
    ids = {(lane, row.id) for lane, rows in held.items() for row in rows}
    graves = [row for row in held["alarm"] if row.kind == TOMBSTONE]
    for part in [part for row in graves for part in carried_by(row)]:
        seqs = range(part["seq_from"], part["seq_to"] + 1)
        there = [seq for seq in seqs if (part["lane"], row_id(part["boot"], seq)) in ids]
        if part["reason"] != CUT or part["lane"] != LIVE or len(seqs) > EXPRESS_ROWS or there:
            yield f"given up {part}, of which {len(there)} are there"


async def _setting_gone(store: SqliteStore, promise: Any) -> list[str]:
    value = await store.get_setting("kept") or "0 0"
    boot, setting = (int(word) for word in value.split())
    if promise["setting"] and (boot, setting) < (promise["boot"], promise["setting"]):
        return [f"setting {boot} {setting}, promised {promise['setting']}"]
    return []


async def _ledger_open(
    store: SqliteStore, held: dict[str, list[Row]], promise: Any, reached: str
) -> list[str]:
    """A receiver that has had the rows `reached` ("acked": what it must have had; "sent": all that
    it may have had) gets what the store has left: then it knows of every number.
    """
    account = Account()
    account.status(DEVICE, True, dict.fromkeys(LANES, Told(0, 0)))
    for lane, boots in promise["used"].items():
        for boot, seq in boots:
            through = min(promise[reached][lane], row_id(boot, seq))
            rows = [
                LedgerRow(DEVICE, boot, lane, n, 0, n, "verdict", "{}")
                for n in range(1, through - row_id(boot, 0) + 1)
            ]
            account.take(DEVICE, {"boot": boot, "lane": lane, "freed_to": 0}, rows)
    for lane, left in held.items():
        for bundle in bundles(left, BUNDLE_ROWS, BUNDLE_BYTES):
            head, came = read_bundle(DEVICE, lane, bundle.payload(0))
            for row in account.take(DEVICE, head, came):
                if row.kind == TOMBSTONE:
                    account.bury_all(DEVICE, json.loads(row.body))
    lanes = {one.lane: Told(one.produced, one.produced) for one in (await store.stats()).lanes}
    account.status(DEVICE, True, lanes)
    told = summary(account)
    unused = [lane for lane, one in lanes.items() if one.produced < _used(promise, lane)]
    wrong = [f"the ledger with all {reached}: {told['holes']}, {told['unaccounted']} missing"]
    wrong = [] if told["complete"] else wrong
    return wrong + [f"{lane}: fewer are told than were used" for lane in unused]


def _used(promise: Any, lane: str) -> int:
    """Numbers that the receiver may know of."""
    known = max(promise["promised"][lane], promise["sent"][lane])
    return sum(max(0, min(known - row_id(boot, 0), seq)) for boot, seq in promise["used"][lane])
