"""The store's port in memory: a working double. What `append` returned from survives `crashed`.

As in the real one, rows that were acknowledged leave the disk with the next commit: a crash brings
them back. `rows_max`: of all lanes; beyond it the oldest history is evicted, with a tombstone.
What is held in memory a crash takes along; the next life gives its numbers up.
"""

import asyncio
from bisect import bisect_right
from collections import namedtuple
from typing import Any

from agent.core.wire import bytes_of
from agent.limits import BUNDLE_BYTES, EXPRESS_ROWS
from agent.ports import (
    ALARM,
    CUT,
    HISTORY,
    LANES,
    LIVE,
    TOMBSTONE,
    LaneStats,
    NewRow,
    Row,
    StoreFault,
    StoreStats,
    row_boot,
    row_id,
    row_seq,
)
from agent.store.tombstone import account_of, bodies, carried_by

# `marks`: of the lane live: {boot: (seq at the account, numbers up to here are set aside)}.
# `buried`: rows that left with a tombstone of their own, for tests to look at.
# `unsure`: of those evicted in the lane live, numbers that crashes left behind: [count].
Disk = namedtuple("Disk", ("rows", "produced", "evicted", "refused", "marks", "buried", "unsure"))

FILE = "0d"  # its identity


def _id(row: Row) -> int:
    return int(row.id)


class Killed(Exception):
    """The process is dead: nothing that it still does has an effect."""


class MemoryStore:
    """One life of the agent on a disk that outlives it."""

    def __init__(self, boot: int = 1, rows_max: int = 10**9, disk: Disk | None = None) -> None:
        self.boot = boot
        self.full = False
        self.dead = False
        self._rows_max = rows_max
        produced, evicted, refused = (dict.fromkeys(LANES, 0) for _ in range(3))
        empty: dict[str, list[Row]] = {lane: [] for lane in LANES}
        self.disk = disk or Disk(empty, produced, evicted, refused, {}, [], [0])
        self.waiting: list[Row] = []  # held in memory alone
        self._express = False
        self._unkept = 0
        self._seq = dict.fromkeys(LANES, 0)
        self._acked = dict.fromkeys(LANES, 0)
        self._arrived: set[str] = set()  # lanes with rows that `oldest` did not reach
        self._more = asyncio.Event()
        self._end_boots_before()
        for lane in LANES:
            if self.disk.rows[lane]:
                self._arrive(lane)

    def crashed(self) -> "MemoryStore":
        """The next life; this one can do nothing more."""
        self.dead = True
        return type(self)(self.boot + 1, self._rows_max, self.disk)

    async def open(self) -> tuple[str, ...]:
        return ()

    async def append(self, rows: list[NewRow], history: list[tuple[str, int, str]]) -> None:
        await self._turn()
        if self.full:
            raise StoreFault("the disk is full")
        self._land()
        self._free()
        for row in rows:
            self._add(row)
        if any(row.lane == HISTORY for row in rows):
            self._express = False
        self._evict()
        self._reserve()
        await self._turn()

    async def hold(self, rows: list[NewRow], history: list[tuple[str, int, str]]) -> bool:
        await self._turn()
        self._express = True
        if self._seq[LIVE] + len(rows) > self.disk.marks.get(self.boot, (0, 0))[1]:
            return False
        if bytes_of([*self.waiting, *rows]) > BUNDLE_BYTES:
            return False
        self.waiting += [self._numbered(row) for row in rows]
        self._arrive(LIVE)
        await self._turn()
        return True

    async def held(self) -> tuple[int, int | None]:
        await self._turn()
        return len(self.waiting), self.waiting[0].mono_ns if self.waiting else None

    async def oldest(self, lane: str, after_id: int, limit_rows: int) -> list[Row]:
        await self._turn()
        after = max(after_id, self._acked[lane])
        held = self.disk.rows[lane]
        first = bisect_right(held, after, key=_id)
        found: list[Row] = held[first : first + limit_rows] or self._given(lane, after)[:limit_rows]
        if not found:
            self._arrived.discard(lane)
        return found

    async def ack(self, lane: str, through_id: int) -> None:
        await self._turn()
        self._acked[lane] = max(self._acked[lane], through_id)
        if lane == LIVE:
            gone = bisect_right(self.waiting, through_id, key=_id)
            self._unkept += gone
            del self.waiting[:gone]
        await self._turn()

    async def set_aside(self, lane: str, refused: list[tuple[int, str]]) -> None:
        await self._turn()
        self._land()
        carried, own = [], []
        for identity, reason in refused:
            waits = self.disk.rows[lane] if identity > self._acked[lane] else []
            for row in [row for row in waits if row.id == identity]:
                self.disk.refused[lane] += 1
                carried += carried_by(row) if row.kind == TOMBSTONE else []
                own.append(self._take_out(lane, [row], reason))
        self._tell([*carried, *own])
        await self._turn()

    async def wait_for_rows(self, lanes: tuple[str, ...] = LANES) -> None:
        await self._turn()
        while not self._arrived.intersection(lanes):
            self._more.clear()
            await self._more.wait()

    async def stats(self) -> StoreStats:
        await self._turn()
        lanes = tuple(self._account(lane) for lane in LANES)
        backlog = sum(lane.backlog for lane in lanes)
        delivered = sum(lane.delivered for lane in lanes)
        counts = {
            "produced_rows": delivered + backlog,
            "delivered_rows": delivered,
            "backlog_rows": backlog,
            "oldest_mono_ns": None,
            "lanes": lanes,
            "file": FILE,
        }
        return StoreStats(**{**dict.fromkeys(StoreStats._fields, 0), **counts})

    async def recent(self, machine: str, limit_rows: int) -> list[str]:
        return []

    async def keep_capture(
        self, machine: str, mono_ns: int, facts: str, recording: bytes, spectrum: bytes
    ) -> None:
        return

    async def get_setting(self, key: str) -> str | None:
        return None

    async def put_setting(self, key: str, value: str) -> None:
        return

    async def close(self) -> None:
        self._land()
        self._free()
        self._express = False
        self._reserve()

    async def _turn(self) -> None:
        """A place where the process may die: before the work, or before it knows it done."""
        await asyncio.sleep(0)
        if self.dead:
            raise Killed

    def _account(self, lane: str) -> LaneStats:
        disk = self.disk
        held = len(disk.rows[lane]) - bisect_right(disk.rows[lane], self._acked[lane], key=_id)
        produced, evicted, refused = disk.produced[lane], disk.evicted[lane], disk.refused[lane]
        if lane == LIVE:
            held, produced = held + len(self.waiting), produced + len(self.waiting) + self._unkept
        delivered = produced - evicted - refused - held
        unsure = disk.unsure[0] if lane == LIVE else 0
        counts = (produced, delivered, evicted, refused, held, 0, unsure)
        return LaneStats(lane, *counts, self._seq[lane])

    def _add(self, row: NewRow) -> None:
        self.disk.rows[row.lane].append(self._numbered(row))
        self.disk.produced[row.lane] += 1
        self._arrive(row.lane)

    def _arrive(self, lane: str) -> None:
        self._arrived.add(lane)
        self._more.set()

    def _numbered(self, row: NewRow) -> Row:
        self._seq[row.lane] += 1
        identity = row_id(self.boot, self._seq[row.lane])
        return Row(row.lane, identity, row.mono_ns, row.kind, row.body, 0)

    def _given(self, lane: str, after_id: int) -> list[Row]:
        """Of what is held: all from its first row on, or nothing."""
        held = self.waiting if lane == LIVE else []
        return list(held) if held and after_id < held[0].id else []

    def _land(self) -> None:
        """What was held is on the disk, and the account of what went from memory."""
        self.disk.rows[LIVE].extend(self.waiting)
        self.disk.produced[LIVE] += len(self.waiting) + self._unkept
        if self.waiting:
            self._arrive(LIVE)
        self.waiting, self._unkept = [], 0
        if self.boot in self.disk.marks:
            self.disk.marks[self.boot] = (self._seq[LIVE], self.disk.marks[self.boot][1])

    def _reserve(self) -> None:
        through = self._seq[LIVE] + EXPRESS_ROWS if self._express else 0
        self.disk.marks[self.boot] = (self._seq[LIVE], through)

    def _end_boots_before(self) -> None:
        """What earlier lives may have used unseen is given up."""
        for boot, (seq, through) in list(self.disk.marks.items()):
            del self.disk.marks[boot]
            if through > seq:
                self.disk.produced[LIVE] += through - seq
                self.disk.evicted[LIVE] += through - seq
                self.disk.unsure[0] += through - seq
                self._tell([account_of(LIVE, boot, (seq + 1, through), CUT, through - seq)])

    def _free(self) -> None:
        for lane, through_id in self._acked.items():
            held = self.disk.rows[lane]
            del held[: bisect_right(held, through_id, key=_id)]

    def _evict(self) -> None:
        """History gives way first, a tenth of it at a time; what is left of a range is named."""
        while sum(map(len, self.disk.rows.values())) > self._rows_max and self.disk.rows[HISTORY]:
            oldest = self.disk.rows[HISTORY]
            boot = row_boot(oldest[0].id)
            gone = [row for row in oldest[: max(1, len(oldest) // 10)] if row_boot(row.id) == boot]
            self.disk.evicted[HISTORY] += len(gone)
            self._tell([self._take_out(HISTORY, gone, "no room")])

    def _take_out(self, lane: str, gone: list[Row], reason: str) -> dict[str, Any]:
        """Of one boot; the account of it, for a tombstone."""
        self.disk.buried.extend(gone)
        held, buried = self.disk.rows[lane], {row.id for row in gone}
        held[:] = [row for row in held if row.id not in buried]
        seqs = (row_seq(gone[0].id), row_seq(gone[-1].id))
        return account_of(lane, row_boot(gone[0].id), seqs, reason, len(gone))

    def _tell(self, accounts: list[dict[str, Any]]) -> None:
        for text in bodies(accounts):
            self._add(NewRow(ALARM, 0, TOMBSTONE, text))
