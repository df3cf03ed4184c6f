"""Record: what was judged, into the store. The outbox is the only hand-over to the network.

Ordinary rows are committed together every few seconds, an alarm at once with all that waited. A row
gets its number when it is written, so that numbers have no holes; while the disk does not take rows
they wait in memory, bounded, and the agent says that it is degraded.
"""

import asyncio
import json
import logging
from collections import namedtuple

from agent.limits import COMMIT_INTERVAL_S, RECORDS_QUEUED, STORE_RETRY_S
from agent.ports import Row, StoreFault, row_id

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from agent.core.bulletin import Bulletin
    from agent.core.mailbox import Mailbox
    from agent.ports import Clock, Store

# `machine`: whose history it belongs to, or None. `urgent`: committed at once.
Record = namedtuple("Record", ("kind", "body", "machine", "urgent"))

DEGRADED = "store"
log = logging.getLogger("latido")


class Recorder:
    """Owns the numbering of rows. `produced_rows`: committed so far."""

    def __init__(
        self, store: "Store", clock: "Clock", bulletin: "Bulletin", records: "Mailbox"
    ) -> None:
        self._store = store
        self._clock = clock
        self._bulletin = bulletin
        self._records = records
        self._pending: "list[tuple[int, Record]]" = []
        self._writing: "asyncio.Future[bool] | None" = None
        self._seq = 0
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
        """Waits for records until a commit is due: an interval after the first, or an alarm."""
        if not self._pending:
            self._hold(await self._records.get())
        end_ns = self._pending[0][0] + int(COMMIT_INTERVAL_S * 1e9)
        while not self._pending[-1][1].urgent:
            left_s = (end_ns - self._clock.monotonic_ns()) / 1e9
            if left_s <= 0:
                break
            try:
                self._hold(await asyncio.wait_for(self._records.get(), left_s))
            except TimeoutError:
                break
        while len(self._records):
            self._hold(self._records.get_nowait())

    def _hold(self, record: "Record") -> None:
        self._pending.append((self._clock.monotonic_ns(), record))
        if len(self._pending) > RECORDS_QUEUED:
            del self._pending[0]
            self.dropped_rows += 1

    async def _commit_shielded(self) -> bool:
        """A commit that a stop does not tear apart: its end is awaited in `finish`."""
        self._writing = asyncio.ensure_future(self._commit())
        return await asyncio.shield(self._writing)

    async def _commit(self) -> bool:
        held = list(self._pending)
        rows = [
            Row(row_id(self._store.boot, self._seq + 1 + place), mono_ns, one.kind, _text(one.body))
            for place, (mono_ns, one) in enumerate(held)
        ]
        history = [(one.machine, mono_ns, _text(one.body)) for mono_ns, one in held if one.machine]
        try:
            await self._store.append(rows, history)
        except StoreFault as fault:
            self._say_failing(fault)
            return False
        self._seq += len(rows)
        self.produced_rows += len(rows)
        del self._pending[: len(held)]
        if self._failing:
            self._failing = False
            self._bulletin.recover(DEGRADED)
        return True

    def _say_failing(self, fault: "StoreFault") -> None:
        self._failing = True
        lost = f", {self.dropped_rows} rows dropped" if self.dropped_rows else ""
        self._bulletin.degrade(
            DEGRADED, f"rows wait in memory, a power cut would lose them ({fault}{lost})"
        )


def _text(body: "Any") -> str:
    return json.dumps(body, separators=(",", ":"), allow_nan=False)
