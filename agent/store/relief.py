"""Room in a file that has a limit: first the page's past, then fidelity of the history, then time.

History is thinned where it holds more than its share, oldest first: raw, 1 s, 10 s, 1 min. Rows in
the window around an alarm stay raw. Only when nothing is left to thin do rows go, with a tombstone:
history before live; alarms only when they alone fill the file.
"""

from agent.limits import (
    ALARM_KEPT_AFTER_S,
    ALARM_KEPT_BEFORE_S,
    EVICTED_BUNDLES,
    FILL_SHARE,
    FULL_DISK_STEPS,
    KEPT_WINDOWS,
    LEVEL_SHARES,
    PAST_SHARE,
    RELIEF_STEPS,
    THINNED_BUNDLES,
)
from agent.ports import ALARM, HISTORY, LIVE, NOT_ALARMS, row_boot
from agent.store.thinning import PERIODS_S, thin

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from agent.ports import NewRow, Row
    from agent.store.lanes import Lanes
    from agent.store.past import Past

TABLES = (
    "CREATE TABLE kept (place INTEGER PRIMARY KEY, boot INTEGER, from_ns INTEGER, to_ns INTEGER)",
)
COARSEST = len(PERIODS_S) - 1


class Relief:
    """Keeps the used part of the file within `limit_bytes`, in the transaction that fills it."""

    def __init__(self, db: "Any", lanes: "Lanes", past: "Past", limit_bytes: int) -> None:
        self._db = db
        self._lanes = lanes
        self._past = past
        self._limit_bytes = int(limit_bytes * FILL_SHARE)
        self._page_bytes = db.execute("PRAGMA page_size").fetchone()[0]
        self._kept: "dict[int, set[tuple[int, int]]]" = {}
        for boot, from_ns, to_ns in db.execute("SELECT boot, from_ns, to_ns FROM kept"):
            self._kept.setdefault(boot, set()).add((from_ns, to_ns))

    def used_bytes(self) -> int:
        pages = self._db.execute("PRAGMA page_count").fetchone()[0]
        free = self._db.execute("PRAGMA freelist_count").fetchone()[0]
        return int(pages - free) * int(self._page_bytes)

    def note_alarms(self, rows: "list[NewRow]", boot: int) -> None:
        """Within a transaction: the window around each alarm is to stay as it is."""
        for row in rows:
            if row.lane == ALARM and row.kind not in NOT_ALARMS:
                window = (
                    row.mono_ns - int(ALARM_KEPT_BEFORE_S * 1e9),
                    row.mono_ns + int(ALARM_KEPT_AFTER_S * 1e9),
                )
                self._kept.setdefault(boot, set()).add(window)
                self._db.execute(
                    "INSERT INTO kept (boot, from_ns, to_ns) VALUES (?, ?, ?)", (boot, *window)
                )
                self._db.execute(
                    "DELETE FROM kept WHERE place <= (SELECT MAX(place) FROM kept) - ?",
                    (KEPT_WINDOWS,),
                )

    def make_room(self, wanted_bytes: int = 0) -> None:
        """Within a transaction: a bounded number of steps, so that no commit grows out of hand."""
        for _ in range(RELIEF_STEPS):
            if self.used_bytes() + wanted_bytes <= self._limit_bytes or not self._step():
                return

    def give_way(self, room_bytes: int) -> None:
        """Within a transaction, on a full disk: room within the file, whatever the limit says."""
        wanted_bytes = self.used_bytes() - room_bytes
        for _ in range(FULL_DISK_STEPS):
            if self.used_bytes() <= wanted_bytes:
                return
            if self._past.bytes:
                self._past.drop_oldest()
            elif not (self._evict(HISTORY) or self._evict(LIVE)):
                return  # alarms make room for nothing

    def _step(self) -> bool:
        """One step towards less; False when nothing may go."""
        if self._past.bytes > PAST_SHARE * self._limit_bytes:
            self._past.drop_oldest()
            return True
        bytes_by_level = self._lanes.bytes_by_level(HISTORY)
        crowding = [held / share for held, share in zip(bytes_by_level, LEVEL_SHARES)]
        level = crowding.index(max(crowding))
        if bytes_by_level[level] and level < COARSEST:
            return self._thin(level) or self._evict(HISTORY)
        others = (HISTORY, LIVE) if self._lanes.bytes_of(ALARM) < self._limit_bytes / 4 else ()
        return any(self._evict(lane) for lane in others) or self._evict(ALARM)

    def _thin(self, level: int) -> bool:
        bundles = self._lanes.waiting(HISTORY, level, THINNED_BUNDLES)
        rows = self._lanes.rows_of(HISTORY, bundles)
        if not rows:
            return False
        self._lanes.replace(HISTORY, bundles, self._thinned(rows, level + 1), level + 1)
        return True

    def _thinned(self, rows: "list[Row]", level: int) -> "list[Row]":
        return thin(rows, PERIODS_S[level], self._is_kept)

    def _is_kept(self, row: "Row") -> bool:
        windows = self._kept.get(row_boot(row.id), ())
        return any(from_ns <= row.mono_ns <= to_ns for from_ns, to_ns in windows)

    def _evict(self, lane: str) -> bool:
        bundles = self._lanes.waiting(lane, None, EVICTED_BUNDLES)
        self._lanes.evict(lane, bundles, "limit")
        return bool(bundles)
