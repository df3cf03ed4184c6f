"""The store on SQLite: outbox and the page's past in one file, settings in another, one thread.

WAL with `synchronous=FULL`: what a commit returned from survives a power cut. Filling or losing the
telemetry file never harms the settings. What the lanes hold and owe: agent/store.
"""

import asyncio
import os
import sqlite3
from pathlib import Path

from sqlite_utils import Database

from agent.limits import (
    BALLAST_COMMITS,
    ROOM_BYTES,
    ROOM_STEP_BYTES,
    STORE_MB,
    WAL_BYTES_MAX,
)
from agent.ports import ALARM, LANES, StoreFault, StoreStats
from agent.store import identity
from agent.store.captures import Capture, drop_oldest, keep
from agent.store.dates import Dates
from agent.store.disk import disk_bytes, free_bytes, size_of, written_bytes
from agent.store.files import CAPTURES, NOTHING_SALVAGED, SETTINGS, TELEMETRY, Files, text_of
from agent.store.lanes import Lanes
from agent.store.moving import copy_for_move, finish_move
from agent.store.opening import TELEMETRY_FILE, open_or_set_aside
from agent.store.past import Past
from agent.store.relief import Relief
from agent.store.room import FullDisk, checkpoint, is_full, is_refused
from agent.store.salvage import BROKEN, COMPLETE, TORN
from agent.worker import Worker

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from agent.ports import NewRow, Row

CAPTURES_GIVING_WAY = 4  # at a time: more than the largest takes


class SqliteStore:
    """`directory`: of the files, made if missing; one agent a directory (flock). `limit_mb`: how
    large the telemetry may grow; what has to go then is accounted for. `urandom`: as os.urandom.
    `worker`: makes the thread."""

    boot = 0

    def __init__(
        self,
        directory: str,
        limit_mb: float = STORE_MB,
        urandom: "Callable[[int], bytes]" = os.urandom,
        worker: "Callable[[str], Any]" = Worker,
    ) -> None:
        self._directory = Path(directory)
        self._limit_bytes = int(limit_mb * 2**20)
        self._files = Files(self._directory, urandom, Database)
        self._made_worker = worker
        self._worker: "Any" = None
        self._lanes: "Any" = None
        self._past: "Any" = None
        self._dates: "Any" = None
        self._relief: "Any" = None
        self._file = ""
        self._urandom = urandom
        self._carried = 0
        self._delivered_before = 0
        self._held_up = ""
        self._commits = 0
        self._move_after = 0
        self._arrived = {lane: asyncio.Event() for lane in LANES}

    async def open(self) -> "tuple[str, ...]":
        """Opens or makes both files; returns what had to be set aside. StoreFault if it cannot."""
        if self._worker is None:
            self._worker = self._made_worker("store")
        found: "tuple[str, ...]" = await self._on_thread(self._open)
        self._look_for_rows()
        return found

    @property
    def is_open(self) -> bool:
        return self._lanes is not None

    @property
    def _db(self) -> "dict[str, Any]":
        return self._files.db

    async def append(self, rows: "list[NewRow]", history: "list[tuple[str, int, str]]") -> None:
        await self._on_thread(self._append, rows, history)
        self._look_for_rows()

    async def hold(self, rows: "list[NewRow]", history: "list[tuple[str, int, str]]") -> bool:
        taken: bool = await self._on_thread(self._hold, rows, history)
        self._look_for_rows()
        return taken

    async def held(self) -> "tuple[int, int | None]":
        found: "tuple[int, int | None]" = await self._on_thread(self._lanes.held)
        return found

    async def oldest(self, lane: str, after_id: int, limit_rows: int) -> "list[Row]":
        found: "list[Row]"
        found, more = await self._on_thread(self._oldest, lane, after_id, limit_rows)
        if not more:
            self._arrived[lane].clear()
        return found

    async def ack(self, lane: str, through_id: int) -> None:
        await self._on_thread(self._ack, lane, through_id)

    async def set_aside(self, lane: str, refused: "list[tuple[int, str]]") -> None:
        await self._on_thread(self._in_room, self._set_aside, lane, refused)
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
        return self._begin(self._files.open())

    def _begin(self, notes: "tuple[str, ...]") -> "tuple[str, ...]":
        """With files that are open now; `notes`, and what became of damaged rows."""
        self.boot = self._files.boot
        self._read_lanes()
        if self._files.away:
            self._lanes.end_boots_before()
            return notes
        try:
            found = self._files.rooms[TELEMETRY].within(self._adopt)
            self._files.rooms[TELEMETRY].within(self._end_boots_before)
        except sqlite3.OperationalError as error:
            if not is_full(error):
                raise
            self._files.open_to_look(str(error))
            self._read_lanes()
            self._lanes.end_boots_before()
            return notes
        self._files.salvaged = NOTHING_SALVAGED
        self._files.grow()
        return (*notes, found) if found else notes

    def _read_lanes(self) -> None:
        db = self._db[TELEMETRY]
        self._lanes, self._dates = Lanes(db, self.boot), Dates(db, self.boot)
        self._past = Past(db, self.boot, self._dates)
        self._relief = Relief(db, self._lanes, self._past, self._limit_bytes)
        lanes = self._lanes.stats()
        self._begin_with(identity.read(db))
        self._carried = sum(lane.backlog for lane in lanes)
        self._delivered_before = sum(lane.delivered for lane in lanes)

    def _come_back(self) -> None:
        """To the files, once the disk takes what is written; until then StoreFault says why not.

        What was acknowledged meanwhile stays so: it is freed with the next commit.
        """
        acked = self._lanes.acked_ids()
        notes = self._files.come_back()
        if notes is not None:
            self._held_up = "; ".join(self._begin(notes))
            for lane, identity in acked.items():
                self._lanes.ack(lane, identity)
        if self._files.away:
            raise StoreFault(f"{self._directory}: {self._files.away}")

    def _begin_with(self, told: "identity.Identity") -> None:
        self._file = told.file
        self._lanes.begin_with(told.before)

    def _adopt(self) -> str:
        """What was salvaged becomes ours again; "" or what was found, and what is lost."""
        log, damage, found, held = self._files.salvaged
        if log == COMPLETE and self._file:
            return ""
        gone = {lane.lane: lane.evicted + lane.refused for lane in self._lanes.stats()}
        with self._lanes.transaction():
            count = self._lanes.adopt(found, log == TORN)
            missing = self._lanes.bury_holes(held, "damaged") if log == BROKEN else 0
            told = identity.read(self._db[TELEMETRY])
            if not told.file:  # what is buried here is still to be told: it has not left before
                before = {one.lane: one.delivered + gone[one.lane] for one in self._lanes.stats()}
                told = identity.draw(self._db[TELEMETRY], self._urandom, before)
        self._begin_with(told)
        if log != BROKEN:
            return ""
        what = damage or "the log of telemetry.db was damaged"
        lost = f"lost are {missing} between them and what came after"
        return f"{what}; {count} of its rows were found again; {lost}"

    def _end_boots_before(self) -> None:
        """What the last boot may have used unseen is given up, with a tombstone."""
        if self._lanes.end_boots_before():
            with self._lanes.transaction():
                self._lanes.free()

    def _append(self, rows: "list[NewRow]", history: "list[tuple[str, int, str]]") -> None:
        if self._files.away:
            self._come_back()
        if not self._files.boot_kept and self._files.keep_boot():
            raise StoreFault(f"{self._directory}: the number of this boot could not be kept")
        for room in self._files.rooms.values():
            room.look()
        self._commit_in_room(rows, history)
        self._commits += 1
        if self._commits % BALLAST_COMMITS == 0:
            self._held_up = ""
            self._files.ballast.restore()
        self._bound_wal()

    def _hold(self, rows: "list[NewRow]", history: "list[tuple[str, int, str]]") -> bool:
        taken: bool = self._lanes.hold(rows)
        if taken:
            self._past.hold(history)
        return taken

    def _copied(self, path: "Path") -> bool:
        """Whether there is a copy to move to. Without one the rows are safe, and the log grows."""
        try:
            copy_for_move(self._db[TELEMETRY].conn, path)
        except (sqlite3.Error, OSError) as error:
            self._move_after = self._commits + BALLAST_COMMITS
            self._held_up = f"a reader holds the log up, and it cannot be left ({error})"
            return False
        return True

    def _commit_in_room(self, rows: "list[NewRow]", history: "list[tuple[str, int, str]]") -> None:
        """On a full disk older history makes room within the file; alarms may have of the ballast
        besides."""
        room = self._files.rooms[TELEMETRY]
        with FullDisk():
            room.within(self._commit, rows, history, 0)
            return
        body_bytes = sum(len(row.body) for row in rows)
        wanted = (rows, history, ROOM_BYTES + body_bytes)
        if rows and all(row.lane == ALARM for row in rows):
            room.insist(ROOM_STEP_BYTES + 2 * body_bytes, self._commit, *wanted)
        else:
            room.within(self._commit, *wanted)

    def _commit(
        self, rows: "list[NewRow]", history: "list[tuple[str, int, str]]", room_bytes: int
    ) -> None:
        """One transaction; when it fails, all is as it was."""
        with self._past.guarded(), self._lanes.transaction():
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
        log_bytes = size_of(path.with_name("telemetry.db-wal"))
        if log_bytes <= WAL_BYTES_MAX or self._commits < self._move_after:
            return
        db = self._db[TELEMETRY]
        try:
            held_up = checkpoint(db, "TRUNCATE")
        except sqlite3.OperationalError:
            held_up = False  # a full disk, which the next commit deals with: these rows are kept
        if held_up and self._copied(path):
            db.conn.close()
            finish_move(path)
            db.conn = open_or_set_aside(path, TELEMETRY_FILE).db
            db.conn.text_factory = text_of

    def _oldest(self, lane: str, after_id: int, limit_rows: int) -> "tuple[list[Row], bool]":
        found = self._in_room(self._lanes.oldest, lane, after_id, limit_rows)
        return found, bool(found) or self._lanes.has_after(lane, after_id)

    def _ack(self, lane: str, through_id: int) -> None:
        self._in_room(self._lanes.ack, lane, through_id)

    def _in_room(self, work: "Callable[..., Any]", *arguments: "Any") -> "Any":
        """What is damaged or refused leaves a tombstone, for which a full disk must have room."""
        room = self._files.rooms.get(TELEMETRY)
        if room is None:
            return work(*arguments)
        with FullDisk():
            return room.within(work, *arguments)
        with self._past.guarded(), self._lanes.transaction():
            self._relief.give_way(ROOM_BYTES)
        return work(*arguments)

    def _set_aside(self, lane: str, refused: "list[tuple[int, str]]") -> None:
        self._files.room(TELEMETRY)
        with self._lanes.transaction():
            self._lanes.set_aside(lane, refused)

    def _stats(self) -> "StoreStats":
        lanes = self._lanes.stats()
        oldest_mono_ns = self._in_room(self._lanes.oldest_mono_ns)
        backlog = sum(lane.backlog for lane in lanes)
        delivered = sum(lane.delivered for lane in lanes) - self._delivered_before
        return StoreStats(
            delivered + backlog,
            delivered,
            backlog,
            oldest_mono_ns,
            size_of(self._directory / "telemetry.db"),
            size_of(self._directory / "telemetry.db-wal"),
            self._carried,
            lanes,
            self._limit_bytes,
            written_bytes(),
            disk_bytes(self._directory),
            free_bytes(self._directory),
            self._giving_way(),
            self._file,
        )

    def _giving_way(self) -> str:
        if self._files.away:
            return f"the disk takes nothing ({self._files.away}): new rows wait in memory"
        return (
            "the disk is full: older history gives way" if self._files.is_short else self._held_up
        )

    def _recent(self, machine: str, limit_rows: int) -> "list[str]":
        found: "list[str]" = self._past.recent(machine, limit_rows)
        return found

    def _keep_capture(self, capture: "Capture") -> None:
        """On a full disk the oldest captures give way."""
        room = self._files.room(CAPTURES)
        with FullDisk():
            room.within(self._write_capture, capture, 0)
            return
        room.within(self._write_capture, capture, CAPTURES_GIVING_WAY)

    def _write_capture(self, capture: "Capture", fewer: int) -> None:
        with self._db[CAPTURES].atomic() as db:
            drop_oldest(db, fewer)
            keep(db, capture)

    def _get_setting(self, key: str) -> "str | None":
        found = self._db[SETTINGS].execute("SELECT value FROM settings WHERE key = ?", (key,))
        row = found.fetchone()
        return None if row is None else str(row[0])

    def _put_setting(self, key: str, value: str) -> None:
        """What was there before stays when the disk refuses: it is one transaction."""
        room = self._files.room(SETTINGS)
        room.insist(ROOM_STEP_BYTES + 2 * len(value), self._write_setting, key, value)

    def _write_setting(self, key: str, value: str) -> None:
        with self._db[SETTINGS].atomic() as db:
            db.execute(
                "INSERT INTO settings (key, value) VALUES (?, ?)"
                " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (key, value),
            )

    def _close(self) -> None:
        try:
            if self._lanes is not None and not self._files.away:
                self._in_room(self._write_last)
        except sqlite3.OperationalError as error:
            if not is_refused(error):
                raise
            return  # what was acknowledged goes once more after the next start
        finally:
            self._lanes = self._past = self._relief = self._dates = None
            self._files.close()

    def _write_last(self) -> None:
        with self._lanes.transaction():
            self._lanes.trim()
            self._past.write()
