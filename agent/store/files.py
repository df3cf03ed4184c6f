"""The files of a store's directory, open: telemetry, settings, captures, and the lock.

They are opened to be written. Where the disk takes nothing (full to the last byte, read-only,
broken) they are opened to be looked at, `away` says why, and `come_back` tries again.
"""

import os
import sqlite3

from agent.limits import (
    COME_BACK_BYTES,
    LOGS_BYTES,
    OPEN_BYTES,
    SIDE_GROWN_BYTES,
    WAL_BYTES,
    WAL_GROWN_BYTES,
)
from agent.ports import StoreFault
from agent.store.ballast import Ballast
from agent.store.boots import following, newest_boot, remembered
from agent.store.disk import REFUSALS, free_bytes, refusal, size_of
from agent.store.lock import DirectoryTaken, Lock
from agent.store.moving import finish_move
from agent.store.opening import (
    CAPTURES_FILE,
    SETTINGS_FILE,
    TELEMETRY_FILE,
    grow,
    open_or_set_aside,
    open_to_look,
)
from agent.store.room import Room
from agent.store.salvage import BROKEN, COMPLETE, bundles_of, held_of, log_state

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

TELEMETRY, SETTINGS, CAPTURES = "telemetry", "settings", "captures"
FILES = {SETTINGS: SETTINGS_FILE, CAPTURES: CAPTURES_FILE, TELEMETRY: TELEMETRY_FILE}
GROWN_BYTES = {
    TELEMETRY: WAL_GROWN_BYTES,  # first: what there is belongs to the rows
    SETTINGS: SIDE_GROWN_BYTES,
    CAPTURES: SIDE_GROWN_BYTES,
}
LOG_BYTES = {**GROWN_BYTES, TELEMETRY: WAL_BYTES}
LOST = {SETTINGS: "settings and baselines", CAPTURES: "captures"}
RETURNS_LEFT_OUT = 32  # attempts at most, of one each `limits.STORE_RETRY_S`
NOTHING_SALVAGED: "Any" = (COMPLETE, "", [], set())


class Files:
    """`wrap`: makes of a connection what the lanes write with (sqlite_utils.Database).

    `db`, `rooms`: by name, rooms only while they can be written. `salvaged`: (state of the log,
    damage, bundles found, those not freed), for the lanes to adopt.
    """

    def __init__(
        self,
        directory: "Path",
        urandom: "Callable[[int], bytes]",
        wrap: "Callable[[sqlite3.Connection], Any]",
    ) -> None:
        self.directory = directory
        self.ballast = Ballast(directory)
        self.db: "dict[str, Any]" = {}
        self.rooms: "dict[str, Room]" = {}
        self.salvaged = NOTHING_SALVAGED
        self.boot = 0
        self.boot_kept = False
        self.away = ""
        self._is_tight = False
        self._returns_failed = 0
        self._returns_left_out = 0
        self._urandom = urandom
        self._wrap = wrap
        self._lock: "Lock | None" = None

    def path(self, name: str) -> "Path":
        return self.directory / f"{name}.db"

    def room(self, name: str) -> "Room":
        """Of a database that is to be written; StoreFault where the disk takes nothing."""
        if self.away:
            raise StoreFault(f"{self.directory}: {self.away}")
        room = self.rooms[name]
        room.look()
        return room

    @property
    def is_short(self) -> bool:
        """The disk is full, and what is written takes the place of what was there."""
        return any(room.is_short for room in self.rooms.values())

    def open(self) -> "tuple[str, ...]":
        """What had to be set aside, or is lost. StoreFault, OSError where a person has to act."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            if self._lock is None:
                self._lock = Lock(self.directory)
            return self._open_to_write()
        except (StoreFault, sqlite3.Error, OSError) as error:
            why = self._why_away(error)
            if not why:
                raise
            self.open_to_look(why)
            return ()

    def open_to_look(self, why: str) -> None:
        """What the files hold can be read and delivered; nothing is written."""
        self._shut()
        self.away = why
        self.boot_kept = False
        for name, kind in FILES.items():
            self.db[name] = self._wrapped(open_to_look(self.path(name), kind))
        self._draw_boot()

    def come_back(self) -> "tuple[str, ...] | None":
        """As `open`, once the disk takes something again; None while it does not.

        Whatever it returns, `away` tells how the files are open then. To open a large file is work:
        where that fails it is tried ever less often.
        """
        why = refusal(self.directory, COME_BACK_BYTES)
        if why or self._returns_left_out > 0:
            self._returns_left_out -= 1
            self.away = why or self.away
            return None
        self._let_go()
        self.away = ""
        try:
            notes = self.open()
        except (StoreFault, sqlite3.Error, OSError) as error:
            self.open_to_look(str(error))
            notes = ()
        self._returns_failed = self._returns_failed + 1 if self.away else 0
        self._returns_left_out = min(2**self._returns_failed, RETURNS_LEFT_OUT) - 1
        return notes

    def keep_boot(self) -> str:
        """Remembers the boot in each file and the lock; "" or what it means that they refuse."""
        try:
            for name, room in self.rooms.items():
                room.within(self._note_boot, name)
            assert self._lock is not None
            self._lock.write(str(self.boot).encode())
        except (sqlite3.OperationalError, OSError) as error:
            self.boot_kept = False
            return f"rows wait in memory, a power cut would lose them ({error})"
        self.boot_kept = True
        return ""

    def grow(self) -> None:
        """Ahead of need: logs, files and ballast; on a full disk the logs alone, to the least."""
        for name, grown_bytes in GROWN_BYTES.items():
            if self._is_tight:
                self.rooms[name].make_do(grown_bytes)
            else:
                grow(self.db[name].conn, grown_bytes)
                self.rooms[name].lengthen_log(LOG_BYTES[name])
        self.ballast.restore()

    def close(self) -> None:
        """On a full disk the ballast takes the room that the logs leave, for the next start."""
        self._shut()
        if self._lock is not None and not self.ballast.may_grow:
            self.ballast.keep_what_fits()
        self._let_go()
        self.away = ""

    def _open_to_write(self) -> "tuple[str, ...]":
        self._is_tight = free_bytes(self.directory) < OPEN_BYTES
        self.ballast.give(LOGS_BYTES if self._is_tight else 0)
        for name in FILES:
            finish_move(self.path(name))
        emptied = [name for name in FILES if self._is_empty(name)]
        notes = [self._open_or_set_aside(name) for name in FILES]
        newest, unread = self._draw_boot()
        notes += [f"{name}.db was empty, what it held is lost" for name in emptied if newest]
        unkept = self.keep_boot()
        if unkept and refusal(self.directory, COME_BACK_BYTES):
            raise StoreFault(f"{self.directory}: {unkept}")
        return tuple(note for note in (*notes, unread, unkept) if note)

    def _why_away(self, error: Exception) -> str:
        """What the disk refuses with; "" where a person has to set something right."""
        if isinstance(error, DirectoryTaken):
            return ""
        if isinstance(error, OSError) and error.errno in REFUSALS:
            return os.strerror(error.errno)
        return refusal(self.directory, COME_BACK_BYTES)

    def _open_or_set_aside(self, name: str) -> str:
        """What was damaged or newer, or ""; of the telemetry `salvaged` tells it."""
        path = self.path(name)
        if name == TELEMETRY:
            log = log_state(path)
            found = bundles_of(path, True) if log != COMPLETE else []
            self.salvaged = (log, "", found, held_of(path) if log == BROKEN else set())
        connection, note, aside, is_newer = open_or_set_aside(path, FILES[name])
        self.db[name] = self._wrapped(connection)
        self.rooms[name] = Room(self.db[name], path, self.ballast)
        if aside is None:
            return ""
        if name != TELEMETRY:
            return f"{note}, its {LOST[name]} are {'not used' if is_newer else 'lost'}"
        self.salvaged = (BROKEN, note, bundles_of(aside, False), held_of(aside))
        return ""

    def _draw_boot(self) -> "tuple[int, str]":
        """(the newest that is remembered or 0, "" or why the lock could not tell); after it ours.

        A boot that is newer than all that is remembered already stays.
        """
        query = "SELECT MAX(boot) FROM boots"
        known = [db.execute(query).fetchone()[0] or 0 for db in self.db.values()]
        locked, unread = remembered(b"" if self._lock is None else self._lock.read())
        newest = max(*known, newest_boot(self.db[TELEMETRY]), locked)
        if self.boot <= newest:
            self.boot = following(newest, self._urandom)
        return newest, unread

    def _note_boot(self, name: str) -> None:
        with self.db[name].atomic() as db:
            db.execute("DELETE FROM boots")
            db.execute("INSERT INTO boots (boot) VALUES (?)", (self.boot,))

    def _is_empty(self, name: str) -> bool:
        """Whether the file is there with nothing in it: of a boot before, its content is gone."""
        path = self.path(name)
        return path.is_file() and not size_of(path) + size_of(path.with_name(f"{name}.db-wal"))

    def _wrapped(self, connection: "sqlite3.Connection") -> "Any":
        connection.text_factory = text_of  # a flipped bit is for the CRC to find, row by row
        return self._wrap(connection)

    def _shut(self) -> None:
        for db in self.db.values():
            db.conn.close()
        self.db, self.rooms = {}, {}

    def _let_go(self) -> None:
        self._shut()
        if self._lock is not None:
            self._lock.let_go()
            self._lock = None


def text_of(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
