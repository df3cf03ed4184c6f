"""Rows that upstream refuses: the newest of them are kept, for a person to look at."""

from agent.limits import REFUSED_ROWS

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from agent.ports import Row

TABLE = (
    "CREATE TABLE refused (place INTEGER PRIMARY KEY, lane TEXT, id INTEGER, mono_ns INTEGER,"
    " kind TEXT, body TEXT, reason TEXT)"
)


def keep_refused(db: "Any", row: "Row", reason: str) -> None:
    """Within a transaction of `db` (sqlite_utils.Database)."""
    db.execute(
        "INSERT INTO refused (lane, id, mono_ns, kind, body, reason) VALUES (?, ?, ?, ?, ?, ?)",
        (row.lane, row.id, row.mono_ns, row.kind, row.body, reason),
    )
    db.execute(
        "DELETE FROM refused WHERE place <= (SELECT MAX(place) FROM refused) - ?", (REFUSED_ROWS,)
    )
