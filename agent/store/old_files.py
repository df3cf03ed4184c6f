"""Files of older agents, carried on without losing a row. Each move is one transaction."""

import zlib

from agent.ports import LIVE, Row, row_boot
from agent.store.bundle import chunks, pack

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    import sqlite3

INSERT = (
    "INSERT INTO live_lane (id, first, covered, level, total, crc, body)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)


def telemetry_1_to_2(db: "sqlite3.Connection", tables: "tuple[str, ...]") -> None:
    """Schema 1 had one lane, a row a row, and the page's past uncompressed.

    Undelivered rows keep their keys in the lane live. The past of the page, a day at most, is left
    behind: it was shown, and its rows were sent.
    """
    for statement in tables:
        if "TABLE boots" not in statement:
            db.execute(statement)
    held = db.execute("SELECT id, mono_ns, kind, body, crc FROM live ORDER BY id").fetchall()
    rows = [_row(*one) for one in held]
    total = 0
    for boot in sorted({row_boot(row.id) for row in rows}):
        for some in chunks([row for row in rows if row_boot(row.id) == boot]):
            total += len(some)
            db.execute(INSERT, tuple(pack(some, 0, total)))
    for table in ("live", "history"):
        db.execute(f"DROP TABLE {table}")


def telemetry_2_to_3(db: "sqlite3.Connection", tables: "tuple[str, ...]") -> None:
    """Schema 2 knew of no numbers that are used ahead of a transaction."""
    _ledger_anew(db, tables, "0, 0, 0")


def telemetry_3_to_4(db: "sqlite3.Connection", tables: "tuple[str, ...]") -> None:
    """Schema 3 counted numbers that a power cut left behind as rows that were given up."""
    _ledger_anew(db, tables, "boot, seq, reserved")


def telemetry_4_to_5(db: "sqlite3.Connection", tables: "tuple[str, ...]") -> None:
    """Schema 4 did not say which file it is: that is drawn at the start, as of a file without."""
    made = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    for statement in tables:
        if "TABLE identity" in statement and "identity" not in made:
            db.execute(statement)


def _ledger_anew(db: "sqlite3.Connection", tables: "tuple[str, ...]", marks: str) -> None:
    """The table as it is now. `marks`: boot, seq and reserved, from the one before."""
    db.execute("ALTER TABLE ledger RENAME TO ledger_before")
    for statement in tables:
        if "TABLE ledger " in statement:
            db.execute(statement)
    kept = f"lane, produced, evicted, refused, {marks}, 0"
    db.execute(f"INSERT INTO ledger SELECT {kept} FROM ledger_before")
    db.execute("DROP TABLE ledger_before")


def _row(identity: int, mono_ns: int, kind: str, body: str, crc: int) -> "Row":
    """As it was appended, or in its place the news that its bytes have changed."""
    if zlib.crc32(f"{identity} {kind} {body}".encode("utf-8", "replace")) != crc:
        return Row(
            LIVE, identity, mono_ns, "corrupt", '{"reason":"the stored row failed its CRC"}', 0
        )
    return Row(LIVE, identity, mono_ns, kind, body, 0)
