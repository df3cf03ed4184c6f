"""Record: what was judged, into the store. The outbox is the only hand-over to the network.

A row's lane is chosen when it is produced: alarm when urgent, live while the uplink is connected,
else history. Each lane has its interval between commits; an alarm commits at once with all that
waited. The store numbers rows when it writes them, so that numbers have no holes; while the disk
does not take rows they wait in memory, bounded, and the agent says that it is degraded.
"""

import asyncio
import json
import logging
from collections import namedtuple

from agent.limits import (
    COMMIT_BYTES,
    COMMIT_INTERVAL_S,
    RECORDS_COMMITTED,
    RECORDS_QUEUED,
    STORE_RETRY_S,
)
from agent.ports import ALARM, HISTORY, LIVE, NewRow, StoreFault

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from agent.core.bulletin import Bulletin
    from agent.core.mailbox import Mailbox
    from agent.ports import Clock, Store

    Held = tuple[NewRow, "Record"]

# `machine`: whose history it belongs to, or None. `urgent`: committed at once.
Record = namedtuple("Record", ("kind", "body", "machine", "urgent"))

DEGRADED = "store"
log = logging.getLogger("latido")


class Recorder:
    """Collects what the stages tell and commits it. `produced_rows`: committed so far."""

    def __init__(
        self, store: "Store", clock: "Clock", bulletin: "Bulletin", records: "Mailbox"
    ) -> None:
        self._store = store
        self._clock = clock
        self._bulletin = bulletin
        self._records = records
        self._pending: "list[tuple[NewRow, Record]]" = []
        self._due_ns = 0
        self._writing: "asyncio.Future[bool] | None" = None
        self._failing = False
        self.produced_rows = 0
        self.dropped_rows = 0
        self.unwritten_rows = 0

    async def run(self) -> None:
        while True:
            await self._gather()
            if not await self._commit_shielded():
                await self._clock.sleep(STORE_RETRY_S)

    async def finish(self) -> None:
        """The last commit, after `run` has ended: everything that was judged."""
        if self._writing is not None and not self._writing.done():
            await asyncio.wait([self._writing])
        while True:
            record = self._records.get_nowait()
            if record is None:
                break
            self._hold(record)
        if self._pending and not await self._commit():
            self.unwritten_rows = len(self._pending)
            log.error("%d rows could not be written before the end", self.unwritten_rows)

    async def _gather(self) -> None:
        """Waits for records until a commit is due: its lane's interval after the first row."""
        if not self._pending:
            self._hold(await self._records.get())
        while True:
            left_s = (self._due_ns - self._clock.monotonic_ns()) / 1e9
            if left_s <= 0:
                break
            try:
                async with asyncio.timeout(left_s):  # wait_for may swallow a stop (Python 3.11)
                    self._hold(await self._records.get())
            except TimeoutError:
                break
        while len(self._records):
            self._hold(self._records.get_nowait())

    def _hold(self, record: "Record") -> None:
        now_ns = self._clock.monotonic_ns()
        lane = self._lane(record)
        due_ns = now_ns + int(COMMIT_INTERVAL_S[lane] * 1e9)
        self._due_ns = min(self._due_ns, due_ns) if self._pending else due_ns
        row = NewRow(lane, now_ns, record.kind, _text(record.body))
        self._pending.append((row, record))
        if len(self._pending) > RECORDS_QUEUED:
            del self._pending[self._least_needed()]
            self.dropped_rows += 1
            told = f"rows in memory: {self.dropped_rows} dropped, oldest first"
            self._bulletin.degrade("dropped_rows", told)

    def _least_needed(self) -> int:
        """The place of the oldest row that is no alarm, else of the oldest."""
        places = (n for n, (row, _) in enumerate(self._pending) if row.lane != ALARM)
        return next(places, 0)

    def _lane(self, record: "Record") -> str:
        if record.urgent:
            return ALARM
        uplink = self._bulletin.get("uplink")
        return LIVE if uplink and uplink["connected"] else HISTORY

    async def _commit_shielded(self) -> bool:
        """A commit that a stop does not tear apart: its end is awaited in `finish`."""
        self._writing = asyncio.ensure_future(self._commit())
        return await asyncio.shield(self._writing)

    async def _commit(self) -> bool:
        """All that waits; in commits that fit in the log that a full disk leaves."""
        while self._pending:
            if not await self._commit_oldest():
                return False
        return True

    async def _commit_oldest(self) -> bool:
        held = _fitting(self._pending)
        history = [(one.machine, row.mono_ns, row.body) for row, one in held if one.machine]
        try:
            await self._store.append([row for row, _ in held], history)
        except StoreFault as fault:
            self._say_failing(fault)
            await self._commit_alarms(held)
            return False
        self._written(held)
        if self._failing:
            self._failing = False
            self._bulletin.recover(DEGRADED)
        return True

    async def _commit_alarms(self, refused: "list[Held]") -> None:
        """What the disk refuses together it may take for the alarms alone: they have a reserve."""
        alarms = _fitting([held for held in self._pending if held[0].lane == ALARM])
        if not alarms or all(row.lane == ALARM for row, _ in refused):
            return
        try:
            await self._store.append([row for row, _ in alarms], [])
        except StoreFault:
            return  # said already; they wait with the others
        self._written(alarms)

    def _written(self, held: "list[Held]") -> None:
        self.produced_rows += len(held)
        gone = {id(one) for one in held}
        self._pending = [one for one in self._pending if id(one) not in gone]

    def _say_failing(self, fault: "StoreFault") -> None:
        self._failing = True
        lost = f", {self.dropped_rows} rows dropped" if self.dropped_rows else ""
        self._bulletin.degrade(
            DEGRADED, f"rows wait in memory, a power cut would lose them ({fault}{lost})"
        )


def _fitting(waiting: "list[Held]") -> "list[Held]":
    """The oldest of them that make one commit: at least one, if there is one."""
    size = 0
    for count, (row, _) in enumerate(waiting):
        size += len(row.body)
        if count and (size > COMMIT_BYTES or count >= RECORDS_COMMITTED):
            return waiting[:count]
    return list(waiting)


def _text(body: "Any") -> str:
    return json.dumps(body, separators=(",", ":"), allow_nan=False)
