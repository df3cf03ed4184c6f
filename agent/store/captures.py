"""Captures: the raw window that raised an alarm, with its spectrum; in a database of their own.

They are never thinned. The file has its limit; beyond it the oldest go, and are counted.
"""

import zlib
from collections import namedtuple

from agent.limits import CAPTURES_BYTES

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from typing import Any

TABLES = (
    "CREATE TABLE captures (place INTEGER PRIMARY KEY, boot INTEGER, mono_ns INTEGER,"
    " machine TEXT, facts TEXT, recording BLOB, spectrum BLOB, crc INTEGER)",
)

# `facts`: JSON text of what was judged; `recording`, `spectrum`: .npz (agent/analysis/capture.py).
Capture = namedtuple("Capture", ("boot", "mono_ns", "machine", "facts", "recording", "spectrum"))
COLUMNS = "boot, mono_ns, machine, facts, recording, spectrum"


def keep(db: "Any", capture: "Capture") -> int:
    """Within a transaction: keeps it, lets the oldest go beyond the limit; how many went."""
    db.execute(
        f"INSERT INTO captures ({COLUMNS}, crc) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (*capture, _crc(capture)),
    )
    query = (
        "SELECT place, SUM(LENGTH(recording) + LENGTH(spectrum)) OVER (ORDER BY place DESC) AS held"
        " FROM captures ORDER BY place"
    )
    gone = [place for place, held in db.execute(query).fetchall() if held > CAPTURES_BYTES]
    for place in gone:
        db.execute("DELETE FROM captures WHERE place = ?", (place,))
    return len(gone)


def drop_oldest(db: "Any", count: int) -> None:
    """Within a transaction."""
    db.execute(
        "DELETE FROM captures WHERE place IN (SELECT place FROM captures ORDER BY place LIMIT ?)",
        (count,),
    )


def all_of(db: "sqlite3.Connection") -> "Iterator[Capture]":
    """Oldest first; one whose bytes have changed is passed over."""
    for row in db.execute(f"SELECT {COLUMNS}, crc FROM captures ORDER BY place"):
        capture = Capture(*row[:6])
        if _crc(capture) == row[6]:
            yield capture


def _crc(capture: "Capture") -> int:
    return zlib.crc32(capture.spectrum, zlib.crc32(capture.recording))
