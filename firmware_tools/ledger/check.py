"""Whether the database still holds what was kept: pages, keys, and each row by its checksum.

Reads all of it, row by row, so it takes a while and little memory. What an SQLite file or a
PostgreSQL table can lose without an error of its own is a changed byte: the checksum finds that.
"""

import json
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

from firmware_tools.ledger.account import Row
from firmware_tools.ledger.counts import SEQ_MAX
from firmware_tools.ledger.read import LANES

TOLD_MAX = 16  # of what is wrong; more of it says no more
ROWS = "SELECT device, boot, lane, seq, first_seq, mono_ns, kind, body, crc FROM rows"
STREAMS = "SELECT device, boot, lane, base, freed_to FROM streams"
TWICE = (
    "SELECT device, boot, lane, seq FROM rows GROUP BY device, boot, lane, seq HAVING COUNT(*) > 1"
)
# A damaged index must not answer for the table.
BY_TABLE = ("enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan")


class Found(NamedTuple):
    damage: list[str]  # a sentence each, TOLD_MAX at most
    unproven: int  # rows that an earlier version kept without a checksum


def crc_of(row: Row) -> int:
    """Over all of it: key, time, kind and body."""
    return zlib.crc32("\x1f".join(str(part) for part in row).encode())


def check(db: Any, is_postgresql: bool, errors: tuple[type[Exception], ...]) -> Found:
    """Of an open database; nothing is changed. `errors`: what it raises."""
    unproven = [0]
    damage = list(islice(_damage(db, is_postgresql, errors, unproven), TOLD_MAX))
    db.rollback()
    return Found(damage, unproven[0])


def _damage(
    db: Any, is_postgresql: bool, errors: tuple[type[Exception], ...], unproven: list[int]
) -> Iterator[str]:
    try:
        yield from _keys_twice(db) if is_postgresql else _pages(db)
        yield from _rows(_streamed(db, is_postgresql), unproven)
        yield from _streams(db.execute(STREAMS).fetchall())
    except errors as error:
        yield f"not readable: {error}"


def _pages(db: Any) -> Iterator[str]:
    """SQLite's own check: pages, indexes, and whether each key stands once."""
    for (line,) in db.execute(f"PRAGMA integrity_check({TOLD_MAX})"):
        if line != "ok":
            yield line


def _keys_twice(db: Any) -> Iterator[str]:
    for setting in BY_TABLE:
        db.execute(f"SET LOCAL {setting} = off")
    for device, boot, lane, seq in db.execute(f"{TWICE} LIMIT {TOLD_MAX}").fetchall():
        yield f"{device} boot {boot} {lane} {seq}: stands twice in the table"


def _streamed(db: Any, is_postgresql: bool) -> Iterable[Any]:
    """A cursor that does not hold the whole table in memory: PostgreSQL's needs a name for that."""
    rows: Iterable[Any] = (db.cursor("rows") if is_postgresql else db.cursor()).execute(ROWS)
    return rows


def _rows(held: Iterable[Any], unproven: list[int]) -> Iterator[str]:
    for *parts, crc in held:
        row = Row(*parts)
        place = f"{row.device} boot {row.boot} {row.lane} {row.seq}"
        if crc is None:
            unproven[0] += 1
            if not _is_whole(row):
                yield f"{place}: is no row of a device"
        elif crc != crc_of(row):
            yield f"{place}: was changed since it was kept (checksum)"


def _is_whole(row: Row) -> bool:
    try:
        body = json.loads(row.body)
    except ValueError:
        return False
    numbers = 0 < row.seq <= SEQ_MAX and 0 <= row.first_seq <= row.seq
    return numbers and row.lane in LANES and isinstance(body, dict)


def _streams(held: Iterable[Any]) -> Iterator[str]:
    for device, boot, lane, base, freed_to in held:
        if not 0 <= base <= SEQ_MAX or not 0 <= freed_to <= SEQ_MAX or lane not in LANES:
            yield f"{device} boot {boot} {lane}: no account of a stream ({base}, {freed_to})"
