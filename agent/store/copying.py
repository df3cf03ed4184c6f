"""A whole copy of an open database, under its name only once it is whole and durable.

It is made as FILE.part. What a kill leaves is told from a copy by that name, and the next one is
made over it; a copy that is there already is never replaced.
"""

import contextlib
import errno
import fcntl
import os
import sqlite3

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from pathlib import Path

MODE = 0o644  # as SQLite makes its own
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)  # FAT and exFAT, as on a USB stick
# What SQLite says when the place of the copy is to blame, and not what is copied.
OF_THE_TARGET = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_CANTOPEN: errno.EIO,
    sqlite3.SQLITE_READONLY: errno.EROFS,
}
OF_THE_SOURCE = (sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ)


def export(db: "sqlite3.Connection", target: "Path") -> None:
    """Durable when this returns. FileExistsError when `target` is there already, BlockingIOError
    while another copy to it is written, OSError where it cannot be; sqlite3.Error of the source.
    """
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    part = f"{target}.part"
    descriptor = _held(part)
    try:
        _copy(db, part, target)
        os.fsync(descriptor)
        _name(part, target)
    finally:
        _unlink(f"{part}-journal")
        _unlink(part)
        os.close(descriptor)
    _sync_folder(target)


def _held(part: str) -> int:
    """The file open, empty, and ours alone. BlockingIOError while another copy is written there."""
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT, MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(descriptor), os.stat(part)):
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN), part)  # named by now
        _unlink(f"{part}-journal")  # else SQLite would carry it back into the new file
        os.ftruncate(descriptor, 0)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _copy(db: "sqlite3.Connection", part: str, target: "Path") -> None:
    try:
        db.execute("VACUUM INTO ?", (part,))
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0)
        number = None if code in OF_THE_SOURCE else OF_THE_TARGET.get(code & 0xFF)
        if number is None:
            raise
        raise OSError(number, os.strerror(number), str(target))


def _name(part: str, target: "Path") -> None:
    """FileExistsError when somebody took the name meanwhile."""
    try:
        os.link(part, target)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        os.close(os.open(target, os.O_CREAT | os.O_EXCL, MODE))
        os.rename(part, target)  # over the empty file that is ours


def _unlink(name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name)


def _sync_folder(target: "Path") -> None:
    """So that the name itself is durable; some file systems know no such thing of a folder."""
    descriptor = os.open(target.absolute().parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, *NO_LINKS):
            raise
    finally:
        os.close(descriptor)
