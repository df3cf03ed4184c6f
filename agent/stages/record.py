"""Record: what was judged, into the store. The outbox is the only hand-over to the network.

A row's lane is chosen when it is produced: alarm when urgent, live while the uplink is connected,
else history. Each lane has its interval between commits; an alarm commits at once with all that
waited. The store numbers rows when it takes them, so that numbers have no holes; while the disk
does not take rows they wait in memory, bounded, and the agent says that it is degraded: the newest
alarms among them go with the status message, so that a dead card silences no machine.

A live row is handed over at once, to be sent from memory. It is committed when it has not been
acknowledged within its lane's interval; else only the account is, with history's.
"""

import asyncio
import json
from collections import namedtuple

from agent.core.bulletin import UNSAVED_ALARMS
from agent.limits import (
    COMMIT_BYTES,
    COMMIT_INTERVAL_S,
    EXPRESS_ROWS,
    RECORDS_COMMITTED,
    RECORDS_QUEUED,
    STORE_RETRY_S,
    UNSAVED_TOLD,
)
from agent.ports import ALARM, HISTORY, LIVE, NewRow, StoreFault

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from agent.core.bulletin import Bulletin
    from agent.core.mailbox import Mailbox
    from agent.ports import Clock, Store

    Held = tuple[NewRow, "Record"]

# `machine`: whose history it belongs to, or None. `urgent`: committed at once.
Record = namedtuple("Record", ("kind", "body", "machine", "urgent"))

DEGRADED = "store"
WAIT_S_MIN = 0.001
ACCOUNT = "account"  # of rows that are gone already: due like history's


class Recorder:
    """Collects what the stages tell and commits it. `produced_rows`: numbered so far."""

    def __init__(
        self, store: "Store", clock: "Clock", bulletin: "Bulletin", records: "Mailbox"
    ) -> None:
        self._store = store
        self._clock = clock
        self._bulletin = bulletin
        self._records = records
        self._pending: "list[tuple[NewRow, Record]]" = []
        self._due_ns: "dict[str, int]" = {}  # by lane, and of the account: the first row's
        self._look_ns: "int | None" = None  # when a row in memory alone may be due
        self._writing: "asyncio.Future[bool] | None" = None
        self._failing = False
        self._unsaved: "list[Any]" = []  # alarms that wait in memory, as they are told
        self.produced_rows = 0
        self.dropped_rows = 0
        self.unwritten_rows = 0

    async def run(self) -> None:
        while True:
            await self._gather()
            if not await self._shielded(self._commit()):
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
        held, _ = await self._store.held()
        if (self._pending or held) and not await self._commit():
            held, _ = await self._store.held()
            self.unwritten_rows = len(self._pending) + held

    async def _gather(self) -> None:
        """Takes records until a commit is due: its lane's interval after the first row."""
        while not await self._is_due():
            try:
                async with asyncio.timeout(self._left_s()):  # wait_for may swallow a stop (3.11)
                    record = await self._records.get()
            except TimeoutError:
                continue
            if self._hold(record) == LIVE:
                await self._shielded(self._hand_over())
        while len(self._records):
            self._hold(self._records.get_nowait())

    async def _is_due(self) -> bool:
        now_ns = self._clock.monotonic_ns()
        if self._look_ns is not None and now_ns >= self._look_ns:
            _, oldest_ns = await self._store.held()
            self._look_ns = None if oldest_ns is None else oldest_ns + _interval_ns(LIVE)
        times = [*self._due_ns.values(), self._look_ns]
        return any(time is not None and now_ns >= time for time in times)

    def _left_s(self) -> "float | None":
        """Until something may be due, never so short that it is no wait; None: nothing waits."""
        times = [time for time in (*self._due_ns.values(), self._look_ns) if time is not None]
        return max(WAIT_S_MIN, (min(times) - self._clock.monotonic_ns()) / 1e9) if times else None

    def _hold(self, record: "Record") -> str:
        """The lane of what waits now."""
        now_ns = self._clock.monotonic_ns()
        lane = self._lane(record)
        self._due_ns.setdefault(lane, now_ns + _interval_ns(lane))
        row = NewRow(lane, now_ns, record.kind, _text(record.body))
        self._pending.append((row, record))
        if len(self._pending) > RECORDS_QUEUED:
            del self._pending[self._least_needed()]
            self.dropped_rows += 1
            told = f"rows in memory: {self.dropped_rows} dropped, oldest first"
            self._bulletin.degrade("dropped_rows", told)
        return lane

    async def _hand_over(self) -> bool:
        """The live rows to the store, which may send them from memory; else they wait as others."""
        live = [held for held in self._pending if held[0].lane == LIVE]
        if not 0 < len(live) <= EXPRESS_ROWS:
            return False
        if not await self._store.hold([row for row, _ in live], _history_of(live)):
            return False
        now_ns = self._clock.monotonic_ns()
        self._pending = [held for held in self._pending if held[0].lane != LIVE]
        self._due_ns.pop(LIVE)
        self._due_ns.setdefault(ACCOUNT, now_ns + _interval_ns(HISTORY))
        self._look_ns = self._look_ns or live[0][0].mono_ns + _interval_ns(LIVE)
        self.produced_rows += len(live)
        return True

    def _least_needed(self) -> int:
        """The place of the oldest row that is no alarm, else of the oldest."""
        places = (n for n, (row, _) in enumerate(self._pending) if row.lane != ALARM)
        return next(places, 0)

    def _lane(self, record: "Record") -> str:
        if record.urgent:
            return ALARM
        uplink = self._bulletin.get("uplink")
        return LIVE if uplink and uplink["connected"] else HISTORY

    async def _shielded(self, work: "Coroutine[Any, Any, bool]") -> bool:
        """What a stop does not tear apart: its end is awaited in `finish`."""
        self._writing = asyncio.ensure_future(work)
        return await asyncio.shield(self._writing)

    async def _commit(self) -> bool:
        """All that waits; in commits that fit in the log that a full disk leaves."""
        while await self._commit_oldest():
            if not self._pending:
                self._due_ns, self._look_ns = {}, None
                return True
        return False

    async def _commit_oldest(self) -> bool:
        """What is in memory alone goes with it, also where nothing else waits."""
        held = _fitting(self._pending)
        try:
            await self._store.append([row for row, _ in held], _history_of(held))
        except StoreFault as fault:
            self._say_failing(fault)
            await self._commit_alarms(held)
            self._tell_unsaved()
            return False
        self._written(held)
        self._tell_unsaved()
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

    def _tell_unsaved(self) -> None:
        """Alarms that the disk does not take have no number, and go with the status message."""
        waiting = [record for row, record in self._pending if self._failing and row.lane == ALARM]
        told = [{"kind": one.kind, "body": one.body} for one in waiting[-UNSAVED_TOLD:]]
        if told != self._unsaved:
            self._unsaved = told
            self._bulletin.post(UNSAVED_ALARMS, told)

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


def _interval_ns(lane: str) -> int:
    return int(COMMIT_INTERVAL_S[lane] * 1e9)


def _history_of(held: "list[tuple[NewRow, Record]]") -> "list[tuple[str, int, str]]":
    return [(one.machine, row.mono_ns, row.body) for row, one in held if one.machine]


def _text(body: "Any") -> str:
    return json.dumps(body, separators=(",", ":"), allow_nan=False)
