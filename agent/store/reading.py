"""Another program's look at a store: read-only, beside a running agent, never in its way."""

import os
import sqlite3

from agent.ports import LANES, LaneStats

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from pathlib import Path

READ_WAIT_S = 5.0


def open_to_read(path: "Path") -> "sqlite3.Connection":
    """sqlite3.Error when there is no such database.

    A disk that takes nothing has no room for the index of a log: where an agent that ended left no
    log, none is needed.
    """
    place = f"{path.absolute().as_uri()}?mode=ro"
    db = sqlite3.connect(place, uri=True, timeout=READ_WAIT_S)
    try:
        db.execute("SELECT name FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        if os.path.exists(f"{path}-wal") and os.path.getsize(f"{path}-wal"):
            return db  # the caller meets the error
        db.close()
        return sqlite3.connect(f"{place}&immutable=1", uri=True, timeout=READ_WAIT_S)
    return db


def account(db: "sqlite3.Connection") -> "tuple[int, list[LaneStats]]":
    """(newest boot, each lane's account) as committed; one snapshot, let go at once."""
    db.execute("BEGIN")
    try:
        boot = db.execute("SELECT MAX(boot) FROM boots").fetchone()[0] or 0
        return boot, [_lane(db, lane) for lane in LANES]
    finally:
        db.rollback()


def _lane(db: "sqlite3.Connection", lane: str) -> "LaneStats":
    query = "SELECT produced, evicted, refused, unsure FROM ledger WHERE lane = ?"
    produced, evicted, refused, unsure = db.execute(query, (lane,)).fetchone() or (0, 0, 0, 0)
    held, size = db.execute(
        f"SELECT COALESCE(SUM(covered), 0), COALESCE(SUM(LENGTH(body)), 0) FROM {lane}_lane"
    ).fetchone()
    newest = f"SELECT total FROM {lane}_lane ORDER BY id DESC LIMIT 1"
    total = (db.execute(newest).fetchone() or (0,))[0]
    produced = max(produced, total)
    delivered = max(0, produced - evicted - refused - held)
    return LaneStats(lane, produced, delivered, evicted, refused, held, size, unsure)
