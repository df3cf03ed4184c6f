"""Opening an SQLite file that a power cut, a bad card or another program may have spoiled.

A file that is not sound, or that a newer version wrote, is renamed and kept whole, and a new one
is made in its place. What the disk or the rights are to blame for is a StoreFault, and the file is
left alone.
"""

import os
import sqlite3
from collections import namedtuple

from agent.limits import BUSY_WAIT_S, WAL_BYTES
from agent.ports import StoreFault
from agent.store import captures, dates, identity, lanes, old_files, past, relief
from agent.store.boots import BOOT_MAX, newest_boot

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from pathlib import Path

# `schema`: PRAGMA user_version; `tables`: the statements that make them; `moves`: {an older schema:
# what carries a file of it to the next, within a transaction}.
FileKind = namedtuple("FileKind", ("schema", "tables", "moves"))
# `note`: "" or why the file that was there is not used, and as what it is kept; `aside`: there;
# `is_newer`: it is not damaged.
Opened = namedtuple("Opened", ("db", "note", "aside", "is_newer"))
BOOTS = "CREATE TABLE boots (boot INTEGER PRIMARY KEY)"
TELEMETRY_FILE = FileKind(
    5,
    (*lanes.TABLES, *past.TABLES, *relief.TABLES, *dates.TABLES, identity.TABLE, BOOTS),
    {
        1: old_files.telemetry_1_to_2,
        2: old_files.telemetry_2_to_3,
        3: old_files.telemetry_3_to_4,
        4: old_files.telemetry_4_to_5,
    },
)
CAPTURES_FILE = FileKind(1, (*captures.TABLES, BOOTS), {})
SETTINGS_FILE = FileKind(1, ("CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT)", BOOTS), {})
DAMAGED, NEWER = "damaged", "newer"  # telemetry.damaged-1.db
SCHEMA_MAX = 1000  # beyond it a number is no schema, and the file damaged
DISK_ERRORS = (
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
)


class NewerFile(sqlite3.DatabaseError):
    """Of a schema that this version does not know yet."""


def open_or_set_aside(path: "Path", kind: "FileKind") -> "Opened":
    """The open file. StoreFault names it where the disk or the rights are to blame."""
    try:
        return Opened(_opened(path, kind), "", None, False)
    except NewerFile as error:
        what, is_newer = f"{path.name} is of a newer version ({error})", True
    except sqlite3.DatabaseError as error:
        if _is_the_disks(error, path):
            raise StoreFault(f"{path}: {error}")
        what, is_newer = f"{path.name} was damaged ({error})", False
    aside = _set_aside(path, NEWER if is_newer else DAMAGED)
    return Opened(_opened(path, kind), f"{what}; kept as {aside.name}", aside, is_newer)


def _opened(path: "Path", kind: "FileKind") -> "sqlite3.Connection":
    """The file with our pragmas and tables; DatabaseError when it is not sound."""
    db = sqlite3.connect(path, timeout=BUSY_WAIT_S, check_same_thread=False)
    try:
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "secure_delete=OFF",
            f"journal_size_limit={WAL_BYTES}",
            "temp_store=MEMORY",  # where the state's disk is full, /var/tmp is mostly full too
        ):
            db.execute(f"PRAGMA {pragma}").fetchall()
        _check_header(path)
        answer = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if answer != "ok":
            raise sqlite3.DatabaseError(answer)
        _bring_up_to_date(db, kind)
        _check_content(db, kind.tables)
    except sqlite3.Error:
        db.close()
        raise
    return db


def _bring_up_to_date(db: "sqlite3.Connection", kind: "FileKind") -> None:
    """A new file gets its tables, an older one is carried on step by step, each a transaction."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if kind.schema < version <= SCHEMA_MAX:
        raise NewerFile(f"schema {version}, expected {kind.schema}")
    if version and version != kind.schema and version not in kind.moves:
        raise sqlite3.DatabaseError(f"schema {version}, expected {kind.schema}")
    of_others = db.execute("SELECT name FROM sqlite_master").fetchone()
    if version == 0 and of_others:
        raise sqlite3.DatabaseError(f"table {of_others[0]} of another program")
    while version != kind.schema:
        with db:
            db.execute("BEGIN IMMEDIATE")
            for statement in kind.tables if version == 0 else ():
                db.execute(statement)
            if version:
                kind.moves[version](db, kind.tables)
            version = version + 1 if version else kind.schema
            db.execute(f"PRAGMA user_version={version}")


def _check_header(path: "Path") -> None:
    """DatabaseError when the format versions are none: SQLite would open it, but only to read."""
    with path.open("rb") as file:
        versions = file.read(20)[18:20]
    if versions and not all(version in (1, 2) for version in versions):
        raise sqlite3.DatabaseError(f"format versions {versions.hex()}, expected 0202")


def _check_content(db: "sqlite3.Connection", tables: "tuple[str, ...]") -> None:
    """DatabaseError when a table is missing or a boot's number cannot be one."""
    made = {row[0] for row in db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
    missing = [statement for statement in tables if statement not in made]
    if missing:
        raise sqlite3.DatabaseError(f"missing: {missing[0][:60]}")
    boots = [row[0] for row in db.execute("SELECT MAX(boot) FROM boots")]
    if lanes.TABLES[0] in tables:
        boots.append(newest_boot(db))
    for boot in boots:
        if not 0 <= (boot or 0) < BOOT_MAX:
            raise sqlite3.DatabaseError(f"boot {boot} is not a count of boots")


def open_to_look(path: "Path", kind: "FileKind") -> "sqlite3.Connection":
    """For a disk that takes nothing: the file as it is, else tables with nothing in them.

    Nothing is to be written.
    """
    uri = path.absolute().as_uri()
    # Full: the log's index is kept in memory. Read-only: the index that is there is used.
    places = [(f"{uri}?mode=rw", "EXCLUSIVE"), (f"{uri}?mode=ro", "NORMAL")]
    if not os.path.exists(f"{path}-wal"):
        places.append((f"{uri}?mode=ro&immutable=1", "NORMAL"))  # it would not look at a log
    for place, locking in places if path.exists() else ():
        db = sqlite3.connect(place, uri=True, timeout=0, check_same_thread=False)
        try:
            _check_to_look(db, kind, locking)
            return db
        except sqlite3.DatabaseError:
            db.close()
    db = sqlite3.connect(":memory:", check_same_thread=False)
    for statement in kind.tables:
        db.execute(statement)
    return db


def _check_to_look(db: "sqlite3.Connection", kind: "FileKind", locking: str) -> None:
    """DatabaseError when it cannot be read whole; else nothing will be written by this opening."""
    for pragma in (f"locking_mode={locking}", "temp_store=MEMORY", "query_only=ON"):
        db.execute(f"PRAGMA {pragma}").fetchall()
    answer = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if answer != "ok" or version != kind.schema:
        raise sqlite3.DatabaseError(f"{answer}, schema {version}, expected {kind.schema}")
    _check_content(db, kind.tables)


def grow(db: "sqlite3.Connection", grown_bytes: int) -> None:
    """Free pages in the file, ahead of need, if it has fewer. A full disk is no error."""
    free = db.execute("PRAGMA freelist_count").fetchone()[0]
    if free * db.execute("PRAGMA page_size").fetchone()[0] >= grown_bytes:
        return
    try:
        with db:
            db.execute("BEGIN IMMEDIATE")
            db.execute("CREATE TABLE room (body BLOB)")
            db.execute("INSERT INTO room VALUES (zeroblob(?))", (grown_bytes,))
            db.execute("DROP TABLE room")
        db.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in DISK_ERRORS:
            raise


def _is_the_disks(error: "sqlite3.Error", path: "Path") -> bool:
    """Whether the disk, another program or the rights are to blame, and not the file's content."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    if code == sqlite3.SQLITE_READONLY:
        return not os.access(path, os.W_OK)
    return code in DISK_ERRORS


def _set_aside(path: "Path", why: str) -> "Path":
    """Renames a file, its WAL with it, to the first free name beside it."""
    number = 1
    while path.with_name(f"{path.stem}.{why}-{number}.db").exists():
        number += 1
    aside = path.with_name(f"{path.stem}.{why}-{number}.db")
    for suffix in ("", "-wal", "-shm"):
        source = f"{path}{suffix}"
        if os.path.exists(source):
            os.rename(source, f"{aside}{suffix}")
    return aside
