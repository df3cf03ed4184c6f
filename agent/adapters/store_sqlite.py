"""The store on SQLite: outbox and the page's past in one file, settings in another, one thread.

WAL with `synchronous=FULL`: what a commit returned from survives a power cut. Filling or losing the
telemetry file never harms the settings. What the lanes hold and owe: agent/store.
"""

import asyncio
import fcntl
import os
import sqlite3
from pathlib import Path

from sqlite_utils import Database

from agent.limits import BALLAST_COMMITS, BUSY_WAIT_S, ROOM_BYTES, STORE_MB, WAL_BYTES_MAX
from agent.ports import ALARM, LANES, StoreFault, StoreStats
from agent.sqlite_files import (
    CAPTURES_FILE,
    SETTINGS_FILE,
    TELEMETRY_FILE,
    grow_wal,
    newest_aside,
    newest_boot,
    open_or_set_aside,
)
from agent.store.ballast import Ballast, disk_bytes, free_bytes
from agent.store.boots import following, remembered
from agent.store.captures import Capture, keep
from agent.store.dates import Dates
from agent.store.lanes import Lanes
from agent.store.moving import copy_for_move, finish_move
from agent.store.past import Past
from agent.store.relief import Relief
from agent.store.salvage import BROKEN, COMPLETE, TORN, bundles_of, held_of, log_state
from agent.worker import Worker

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from agent.ports import NewRow, Row

TELEMETRY, SETTINGS, CAPTURES = "telemetry", "settings", "captures"
FILES = {SETTINGS: SETTINGS_FILE, CAPTURES: CAPTURES_FILE, TELEMETRY: TELEMETRY_FILE}
LOST = {SETTINGS: "settings and baselines", CAPTURES: "captures"}


class SqliteStore:
    """`directory`: of the files, made if missing; one agent a directory (flock). `limit_mb`: how
    large the telemetry may grow; what has to go then is accounted for. `urandom`: as os.urandom."""

    boot = 0

    def __init__(
        self,
        directory: str,
        limit_mb: float = STORE_MB,
        urandom: "Callable[[int], bytes]" = os.urandom,
    ) -> None:
        self._directory = Path(directory)
        self._urandom = urandom
        self._limit_bytes = int(limit_mb * 2**20)
        self._worker: "Worker | None" = None
        self._db: "dict[str, Any]" = {}
        self._lock: "Any" = None
        self._lanes: "Any" = None
        self._past: "Any" = None
        self._dates: "Any" = None
        self._relief: "Any" = None
        self._carried = 0
        self._delivered_before = 0
        self._boot_kept = False
        self._salvaged: "Any" = (COMPLETE, "", [], set())
        self._ballast = Ballast(self._directory)
        self._giving_way = ""
        self._commits = 0
        self._move_after = 0
        self._arrived = {lane: asyncio.Event() for lane in LANES}

    async def open(self) -> "tuple[str, ...]":
        """Opens or makes both files; returns what had to be set aside. StoreFault if it cannot."""
        if self._worker is None:
            self._worker = Worker("store")
        found: "tuple[str, ...]" = await self._on_thread(self._open)
        self._look_for_rows()
        return found

    @property
    def is_open(self) -> bool:
        return bool(self._db)

    async def append(self, rows: "list[NewRow]", history: "list[tuple[str, int, str]]") -> None:
        await self._on_thread(self._append, rows, history)
        self._look_for_rows()

    async def oldest(self, lane: str, after_id: int, limit_rows: int) -> "list[Row]":
        found: "list[Row]"
        found, more = await self._on_thread(self._oldest, lane, after_id, limit_rows)
        if not more:
            self._arrived[lane].clear()
        return found

    async def ack(self, lane: str, through_id: int) -> None:
        await self._on_thread(self._lanes.ack, lane, through_id)

    async def set_aside(self, lane: str, identity: int, reason: str) -> None:
        await self._on_thread(self._set_aside, lane, identity, reason)
        self._look_for_rows()

    async def wait_for_rows(self, lanes: "tuple[str, ...]" = LANES) -> None:
        """Until one of the lanes has rows that `oldest` did not reach."""
        waits = [asyncio.ensure_future(self._arrived[lane].wait()) for lane in lanes]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def stats(self) -> "StoreStats":
        found: StoreStats = await self._on_thread(self._stats)
        return found

    async def recent(self, machine: str, limit_rows: int) -> "list[str]":
        """Bodies of the machine's newest history, oldest first."""
        found: "list[str]" = await self._on_thread(self._recent, machine, limit_rows)
        return found

    async def keep_capture(
        self, machine: str, mono_ns: int, facts: str, recording: bytes, spectrum: bytes
    ) -> None:
        capture = Capture(self.boot, mono_ns, machine, facts, recording, spectrum)
        await self._on_thread(self._keep_capture, capture)

    async def get_setting(self, key: str) -> "str | None":
        found: "str | None" = await self._on_thread(self._get_setting, key)
        return found

    async def put_setting(self, key: str, value: str) -> None:
        await self._on_thread(self._put_setting, key, value)

    async def close(self) -> None:
        """Frees what was acknowledged, closes the files; safe to call when never opened."""
        if self._worker is None:
            return
        try:
            await self._on_thread(self._close)
        finally:
            self._worker.stop()
            self._worker = None

    def _look_for_rows(self) -> None:
        for lane in self._lanes.grown():
            self._arrived[lane].set()

    async def _on_thread(self, function: "Any", *arguments: "Any") -> "Any":
        assert self._worker is not None, "open the store first"
        try:
            return await self._worker.call(function, *arguments)
        except (sqlite3.Error, OSError) as error:
            raise StoreFault(f"{self._directory}: {error}")

    # What follows runs on the store's own thread.

    def _open(self) -> "tuple[str, ...]":
        self._directory.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        notes = []
        for name in FILES:
            finish_move(self._directory / f"{name}.db")
        emptied = [name for name in FILES if self._is_empty(name)]
        for name in FILES:
            self._db[name], note = self._open_or_set_aside(name)
            if note:
                notes.append(note)
        newest, unread = self._newest_boot()
        self.boot = following(newest, self._urandom)
        notes += [f"{name}.db was empty, what it held is lost" for name in emptied if newest]
        notes += [note for note in (unread, self._keep_boot()) if note]
        db = self._db[TELEMETRY]
        self._lanes, self._dates = Lanes(db, self.boot), Dates(db, self.boot)
        self._past = Past(db, self.boot, self._dates)
        note = self._adopt()
        if note:
            notes.append(note)
        self._ballast.restore()
        grow_wal(db.conn)
        self._relief = Relief(db, self._lanes, self._past, self._limit_bytes)
        lanes = self._lanes.stats()
        self._carried = sum(lane.backlog for lane in lanes)
        self._delivered_before = sum(lane.delivered for lane in lanes)
        return tuple(notes)

    def _adopt(self) -> str:
        """What was salvaged becomes ours again; "" or what was found, and what is lost."""
        log, damage, found, held = self._salvaged
        self._salvaged = (COMPLETE, "", [], set())
        if log == COMPLETE:
            return ""
        with self._lanes.transaction():
            count = self._lanes.adopt(found, log == TORN)
            missing = self._lanes.bury_holes(held, "damaged") if log == BROKEN else 0
        what = damage or "the log of telemetry.db was damaged"
        rows = f"{count} of its rows were found again, {missing} are known to be lost"
        return f"{what}; {rows}" if log == BROKEN else ""

    def _is_empty(self, name: str) -> bool:
        """Whether the file is there with nothing in it: of a boot before, its content is gone."""
        path = self._directory / f"{name}.db"
        return path.is_file() and not _size(path) and not _size(path.with_name(f"{name}.db-wal"))

    def _newest_boot(self) -> "tuple[int, str]":
        """(the newest that files and lock remember or 0, "" or why the lock could not tell)."""
        known = [self._number(name, "SELECT MAX(boot) FROM boots") for name in self._db]
        newest = newest_boot(self._db[TELEMETRY].conn)
        self._lock.seek(0)
        locked, unread = remembered(self._lock.read(20))
        return max(*known, newest, locked), unread

    def _keep_boot(self) -> str:
        """Remembers the boot in three places; "" or what it means that the disk refuses."""
        try:
            for name in self._db:
                with self._db[name].atomic() as db:
                    db.execute("DELETE FROM boots")
                    db.execute("INSERT INTO boots (boot) VALUES (?)", (self.boot,))
            self._lock.seek(0)
            self._lock.truncate()
            self._lock.write(str(self.boot).encode())
            self._lock.flush()
            os.fsync(self._lock.fileno())
        except (sqlite3.OperationalError, OSError) as error:
            self._boot_kept = False
            return f"rows wait in memory, a power cut would lose them ({error})"
        self._boot_kept = True
        return ""

    def _take_lock(self) -> None:
        self._lock = (self._directory / "lock").open("a+b")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreFault(f"{self._directory}: another agent keeps its data there")

    def _open_or_set_aside(self, name: str) -> "tuple[Any, str]":
        path = self._directory / f"{name}.db"
        log, found, held = COMPLETE, [], set()
        if name == TELEMETRY:
            log = log_state(path)
            found = bundles_of(path, True) if log != COMPLETE else []
            held = held_of(path) if log == BROKEN else set()
        connection, damage = open_or_set_aside(path, FILES[name])
        connection.text_factory = _text  # a flipped bit is for the CRC to find, row by row
        if name != TELEMETRY:
            lost = f"{damage}, its {LOST[name]} are lost"
            return Database(connection), lost if damage else ""
        if damage:
            aside = newest_aside(path)
            log, found, held = BROKEN, bundles_of(aside, False), held_of(aside)
        self._salvaged = (log, damage, found, held)
        return Database(connection), ""

    def _append(self, rows: "list[NewRow]", history: "list[tuple[str, int, str]]") -> None:
        if not self._boot_kept and self._keep_boot():
            raise StoreFault(f"{self._directory}: the number of this boot could not be kept")
        try:
            self._commit(rows, history, 0)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_FULL:
                raise
            self._commit_on_full_disk(rows, history)
        self._commits += 1
        if self._commits % BALLAST_COMMITS == 0:
            self._giving_way = ""
            self._ballast.restore()
        self._bound_wal()

    def _copied(self, path: "Path") -> bool:
        """Whether there is a copy to move to. Without one the rows are safe, and the log grows."""
        try:
            copy_for_move(self._db[TELEMETRY].conn, path)
        except (sqlite3.Error, OSError) as error:
            self._move_after = self._commits + BALLAST_COMMITS
            self._giving_way = f"a reader holds the log up, and it cannot be left ({error})"
            return False
        return True

    def _commit_on_full_disk(
        self, rows: "list[NewRow]", history: "list[tuple[str, int, str]]"
    ) -> None:
        """Older history makes room within the file; alarms may have the ballast besides."""
        if all(row.lane == ALARM for row in rows):
            self._ballast.release()
        self._giving_way = "older history gives way"
        self._commit(rows, history, ROOM_BYTES)

    def _commit(
        self, rows: "list[NewRow]", history: "list[tuple[str, int, str]]", room_bytes: int
    ) -> None:
        with self._lanes.transaction():
            if room_bytes:
                self._relief.give_way(room_bytes)
            self._relief.make_room(sum(len(row.body) for row in rows) // 4)
            self._lanes.append(rows)
            self._past.add(history)
            self._dates.note(rows)
            self._relief.note_alarms(rows, self.boot)
            self._relief.make_room()

    def _bound_wal(self) -> None:
        """A reader who holds the log up gets to keep the old file; we go on in a new one."""
        path = self._directory / "telemetry.db"
        log_bytes = _size(path.with_name("telemetry.db-wal"))
        if log_bytes <= WAL_BYTES_MAX or self._commits < self._move_after:
            return
        db = self._db[TELEMETRY]
        db.execute("PRAGMA busy_timeout=0")
        held_up = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        db.execute(f"PRAGMA busy_timeout={int(BUSY_WAIT_S * 1000)}")
        if held_up and self._copied(path):
            db.conn.close()
            finish_move(path)
            db.conn, _ = open_or_set_aside(path, TELEMETRY_FILE)
            db.conn.text_factory = _text

    def _oldest(self, lane: str, after_id: int, limit_rows: int) -> "tuple[list[Row], bool]":
        found = self._lanes.oldest(lane, after_id, limit_rows)
        return found, bool(found) or self._lanes.has_after(lane, after_id)

    def _set_aside(self, lane: str, identity: int, reason: str) -> None:
        with self._lanes.transaction():
            self._lanes.set_aside(lane, identity, reason)

    def _stats(self) -> "StoreStats":
        lanes = self._lanes.stats()
        backlog = sum(lane.backlog for lane in lanes)
        delivered = sum(lane.delivered for lane in lanes) - self._delivered_before
        return StoreStats(
            delivered + backlog,
            delivered,
            backlog,
            self._lanes.oldest_mono_ns(),
            _size(self._directory / "telemetry.db"),
            _size(self._directory / "telemetry.db-wal"),
            self._carried,
            lanes,
            self._limit_bytes,
            written_bytes(),
            disk_bytes(self._directory),
            free_bytes(self._directory),
            self._giving_way,
        )

    def _recent(self, machine: str, limit_rows: int) -> "list[str]":
        found: "list[str]" = self._past.recent(machine, limit_rows)
        return found

    def _keep_capture(self, capture: "Capture") -> None:
        with self._db[CAPTURES].atomic() as db:
            keep(db, capture)

    def _get_setting(self, key: str) -> "str | None":
        found = self._db[SETTINGS].execute("SELECT value FROM settings WHERE key = ?", (key,))
        row = found.fetchone()
        return None if row is None else str(row[0])

    def _put_setting(self, key: str, value: str) -> None:
        with self._db[SETTINGS].atomic() as db:
            db.execute(
                "INSERT INTO settings (key, value) VALUES (?, ?)"
                " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (key, value),
            )

    def _close(self) -> None:
        if self._lanes is not None:
            with self._lanes.transaction():
                self._lanes.trim()
                self._past.write()
        self._lanes = self._past = self._relief = None
        for db in self._db.values():
            db.conn.close()
        self._db = {}
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _number(self, name: str, query: str) -> int:
        return int(self._db[name].execute(query).fetchone()[0] or 0)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def written_bytes() -> int:
    """What this process has had written to disks so far (proc(5), io); 0 where that is not told."""
    try:
        with open("/proc/self/io", encoding="ascii") as told:
            return next(int(line.split()[1]) for line in told if line.startswith("write_bytes"))
    except OSError:
        return 0


def _size(path: "Path") -> int:
    return path.stat().st_size if path.exists() else 0
