"""A database moves to a new file, so that a reader who holds the old one cannot let its WAL grow.

While any reader keeps a transaction open SQLite cannot start the write-ahead log anew, and it grows
by everything that is written. So the content is copied, and the copy takes the file's name; the
reader keeps what it had open, and the old file goes when it lets go. A power cut at any moment
leaves the old file whole, or a complete copy that `finish_move` puts in its place.
"""

import os
import sqlite3

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from pathlib import Path


def copy_for_move(db: "sqlite3.Connection", path: "Path") -> None:
    """The content of `db`, the file at `path`, as a complete and durable copy beside it."""
    part = _part(path)
    part.unlink(missing_ok=True)
    try:
        db.execute("VACUUM INTO ?", (str(part),))
        _sync(part)
    except (sqlite3.Error, OSError):
        part.unlink(missing_ok=True)  # half a copy must not fill the disk besides
        raise
    os.rename(part, _copy(path))
    _sync(path.parent)


def finish_move(path: "Path") -> None:
    """If there is a complete copy it becomes the file; with nobody of ours having it open."""
    _part(path).unlink(missing_ok=True)
    if not _copy(path).exists():
        return
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    _sync(path.parent)  # the old log must never be found beside the new file
    os.replace(_copy(path), path)
    _sync(path.parent)


def _part(path: "Path") -> "Path":
    return path.with_suffix(".part")


def _copy(path: "Path") -> "Path":
    return path.with_suffix(".moved")


def _sync(path: "Path") -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
