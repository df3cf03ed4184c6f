"""What a database does on a full disk: its log begins anew, and it grows no more.

SQLite needs room on the disk in three places: the log grows with every commit until all of it is in
the database; the database grows when the log is carried over; the index of the log is made at the
opening. What the log owes the database is paid with the ballast, once. From then on the log is
written over from its beginning, a commit at a time, within the bytes that it has on the disk
already; the database is not allowed to grow (`max_page_count`), so that it owes nothing again. New
rows then take pages that others leave, and the disk may stay full for as long as it likes.
"""

import sqlite3

from agent.limits import BUSY_WAIT_S, LITTLE_BYTES
from agent.store.disk import PIECE, fill_up, free_bytes, lengthen, size_of

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from agent.store.ballast import Ballast

PAGES_MAX = 2**32 - 2  # what SQLite allows where nobody says less
SLACK_BYTES = 32 * 1024  # a file system's own: indirect blocks, a directory


class Room:
    """Of the open database `db` (sqlite_utils.Database), the file at `path`."""

    def __init__(self, db: "Any", path: "Path", ballast: "Ballast") -> None:
        self._db = db
        self._path = path
        self._ballast = ballast
        self.is_short = False  # the disk was full, and the database may not grow

    def within(self, work: "Callable[..., Any]", *arguments: "Any") -> "Any":
        """What `work`, a transaction, returns; on a full disk once more, in a log begun anew."""
        try:
            done = work(*arguments)
        except sqlite3.OperationalError as error:
            if not is_full(error):
                raise
        else:
            self._own()
            return done
        self.begin_anew()
        return work(*arguments)

    def insist(self, bytes_more: int, work: "Callable[..., Any]", *arguments: "Any") -> "Any":
        """As `within`; what then is still refused may let the database grow by the ballast."""
        with FullDisk():
            return self.within(work, *arguments)
        self.grow(bytes_more)
        try:
            return work(*arguments)
        finally:
            self.carry()

    def begin_anew(self) -> None:
        """All of the log goes into the database, which stays as large as it then is."""
        self.is_short = True
        self._carry_over()
        self._allow(self._pages())

    def make_do(self, log_bytes: int) -> None:
        """At the start on a full disk: the log takes what it will need, the database grows not."""
        self._begin_early()
        self.lengthen_log(log_bytes)

    def lengthen_log(self, log_bytes: int) -> None:
        """Once, with zeros: what is written over costs the file system no journal and no room.

        Zeros behind the log's last frame are no frames: their marks are not the log's.
        """
        log = self._path.with_name(f"{self._path.name}-wal")
        if size_of(log):
            fill_up(log, log_bytes)

    def grow(self, bytes_more: int) -> None:
        """The database may have `bytes_more` of the ballast; `carry` makes them its own."""
        self._ballast.give(2 * bytes_more + SLACK_BYTES)  # in the log, and carried over
        self._allow(self._pages() + bytes_more // self._page_bytes())

    def carry(self) -> None:
        """After a commit that let the database grow, while the room for it is there.

        Another program that was faster is no error: what is owed is paid the next time.
        """
        with FullDisk():
            self._carry_over()
        self._allow(self._pages())

    def look(self) -> bool:
        """Before a write: whether the disk has room. Seen before a write fails, so that the log,
        which has its bytes, does not first come to owe the database more than it must."""
        if not self.is_short and free_bytes(self._path.parent) < LITTLE_BYTES:
            self._begin_early()
        elif self.is_short and self._ballast.may_grow and self._ballast.restore():
            self._allow(PAGES_MAX)
            self.is_short = False
        return not self.is_short

    def _begin_early(self) -> None:
        with FullDisk():
            self.begin_anew()

    def _carry_over(self) -> None:
        """Only what the database cannot do without is paid: a reader in the way may leave nothing
        to be carried over, and the log must not grow by the ballast then, but for alarms."""
        with FullDisk():
            checkpoint(self._db, "RESTART")
            return
        self._pay()
        self._ballast.give(max(0, self._owed_bytes()) + SLACK_BYTES)
        checkpoint(self._db, "RESTART")

    def _own(self) -> None:
        """The database's file takes the room for what the log is to make of it, while there is any.

        SQLite takes it when it carries the log over: a debt of up to a whole log on a disk that
        another program has filled by then.
        """
        owed_bytes = self._owed_bytes()
        if owed_bytes > 0:
            lengthen(self._path, size_of(self._path), owed_bytes + len(PIECE))

    def _pay(self) -> None:
        """What the log owes, of the ballast: piece by piece, each the file's own at once.

        The pages that lengthen it are the last that SQLite carries over: others are faster.
        """
        while (owed_bytes := self._owed_bytes()) > 0:
            before = self._ballast.held_bytes
            piece = min(owed_bytes, len(PIECE))
            self._ballast.give(piece)
            taken = lengthen(self._path, size_of(self._path), piece)
            if not taken and self._ballast.held_bytes == before:
                return  # there is no more of it

    def _owed_bytes(self) -> int:
        """By how much the log makes the database longer than its file is."""
        return self._pages() * self._page_bytes() - size_of(self._path)

    def _pages(self) -> int:
        return int(self._db.execute("PRAGMA page_count").fetchone()[0])

    def _page_bytes(self) -> int:
        return int(self._db.execute("PRAGMA page_size").fetchone()[0])

    def _allow(self, pages: int) -> None:
        self._db.execute(f"PRAGMA max_page_count={pages}").fetchall()


class FullDisk:
    """`with FullDisk():` what follows the block answers a full disk, and no other error."""

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: object, trace: object) -> bool:
        return isinstance(error, sqlite3.OperationalError) and is_full(error)


def checkpoint(db: "Any", mode: str) -> bool:
    """Carries the log over; whether a reader held it up, who is not waited for."""
    db.execute("PRAGMA busy_timeout=0")
    try:
        return bool(db.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()[0])
    finally:
        db.execute(f"PRAGMA busy_timeout={int(BUSY_WAIT_S * 1000)}")


def is_full(error: "sqlite3.Error") -> bool:
    """Whether it says that the disk has no room left."""
    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_SHMSIZE


def is_refused(error: "sqlite3.Error") -> bool:
    """Whether the disk is to blame that nothing was written: full, read-only or broken."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR)
