"""How the rows of each boot are to be dated: the newest `clock` row of it, kept for the page.

Upstream the rows themselves stay as they are; their `clock` row says the same to a receiver.
"""

import json

from agent.core.dating import Correction, utc_of
from agent.ports import CLOCK

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from agent.ports import NewRow

TABLES = (
    "CREATE TABLE clock (boot INTEGER PRIMARY KEY, through_mono_ns INTEGER, mono_ns INTEGER,"
    " utc_ns INTEGER, rate_ppm REAL)",
)


class Dates:
    """`note` within the caller's transaction; `dated` gives a body with the date it should have."""

    def __init__(self, db: "Any", boot: int) -> None:
        self._db = db
        self._boot = boot
        rows = db.execute("SELECT boot, through_mono_ns, mono_ns, utc_ns, rate_ppm FROM clock")
        self._corrections = {
            boot: Correction(through, mono_ns, utc_ns, rate_ppm, "")
            for boot, through, mono_ns, utc_ns, rate_ppm in rows.fetchall()
        }

    def note(self, rows: "list[NewRow]") -> None:
        for row in rows:
            if row.kind == CLOCK:
                body = json.loads(row.body)
                self._corrections[self._boot] = _correction(body)
                self._db.execute(
                    "INSERT OR REPLACE INTO clock VALUES (?, ?, ?, ?, ?)",
                    (self._boot, *self._corrections[self._boot][:4]),
                )

    def dated(self, boot: int, mono_ns: int, body: str) -> str:
        """The body; its `utc_ns` by the boot's correction when that reaches this far."""
        correction = self._corrections.get(boot)
        if correction is None or mono_ns > correction.through_mono_ns:
            return body
        held = json.loads(body)
        if not isinstance(held, dict) or "utc_ns" not in held:
            return body
        held["utc_ns"], held["clock_synced"] = utc_of(correction, mono_ns), True
        return json.dumps(held, separators=(",", ":"))


def _correction(body: "dict[str, Any]") -> "Correction":
    return Correction(
        body["through_mono_ns"], body["mono_ns"], body["utc_ns"], body["rate_ppm"], ""
    )
