"""The page's past: bodies by machine, compressed some minutes at a time. Not part of the outbox.

What has not been written yet is in memory; a power cut may cost the page that much, never a row.
"""

import contextlib
import json
import zlib

from agent.limits import PAST_BUNDLE_ROWS, PAST_BUNDLE_S, PAST_BUNDLES

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from agent.store.dates import Dates

TABLES = (
    "CREATE TABLE past (place INTEGER PRIMARY KEY, boot INTEGER, from_ns INTEGER, crc INTEGER,"
    " body BLOB)",
)


class Past:
    """`hold` at any time, `add` within the caller's transaction; `recent` reads newest first.

    It gives oldest first.
    """

    def __init__(self, db: "Any", boot: int, dates: "Dates") -> None:
        self._dates = dates
        self._db = db
        self._boot = boot
        self._held: "list[tuple[str, int, str]]" = []
        query = "SELECT SUM(LENGTH(body)) FROM past"
        self.bytes: int = db.execute(query).fetchone()[0] or 0

    @contextlib.contextmanager
    def guarded(self) -> "Iterator[None]":
        """Around a transaction: when it fails, what is held is as before."""
        before = (list(self._held), self.bytes)
        committed = False
        try:
            yield
            committed = True
        finally:
            if not committed:
                self._held, self.bytes = before

    def hold(self, history: "list[tuple[str, int, str]]") -> None:
        """Keeps (machine, mono_ns, body) in memory until the next `add`."""
        self._held += history

    def add(self, history: "list[tuple[str, int, str]]") -> None:
        """Keeps (machine, mono_ns, body); writes once PAST_BUNDLE_S of it is there."""
        self._held += history
        if not self._held:
            return
        span_s = (self._held[-1][1] - self._held[0][1]) / 1e9
        if span_s >= PAST_BUNDLE_S or len(self._held) >= PAST_BUNDLE_ROWS:
            self.write()

    def write(self) -> None:
        """Within a transaction: what is held becomes one bundle, the oldest beyond the bound go."""
        if not self._held:
            return
        body = zlib.compress(json.dumps(self._held, separators=(",", ":")).encode())
        self._db.execute(
            "INSERT INTO past (boot, from_ns, crc, body) VALUES (?, ?, ?, ?)",
            (self._boot, self._held[0][1], zlib.crc32(body), body),
        )
        self.bytes += len(body)
        self._held = []
        if self._db.execute("SELECT COUNT(*) FROM past").fetchone()[0] > PAST_BUNDLES:
            self.drop_oldest()

    def drop_oldest(self) -> None:
        """Within a transaction."""
        query = "SELECT place, LENGTH(body) FROM past ORDER BY place LIMIT 16"
        for place, size in self._db.execute(query).fetchall():
            self._db.execute("DELETE FROM past WHERE place = ?", (place,))
            self.bytes -= size

    def recent(self, machine: str, limit_rows: int) -> "list[str]":
        """Bodies of the machine's newest history, oldest first; damaged bundles are passed over."""
        found = self._of(machine, self._boot, self._held)
        query = "SELECT boot, crc, body FROM past ORDER BY place DESC"
        for boot, crc, blob in self._db.execute(query):
            if len(found) >= limit_rows:
                break
            if zlib.crc32(blob) == crc:
                found += self._of(machine, boot, json.loads(zlib.decompress(blob)))
        return found[:limit_rows][::-1]

    def _of(self, machine: str, boot: int, rows: "Any") -> "list[str]":
        """The machine's bodies, newest first, as they are dated now."""
        return [
            self._dates.dated(boot, mono_ns, body)
            for name, mono_ns, body in reversed(rows)
            if name == machine
        ]
