"""The store on SQLite: outbox and history in one file, settings in another, one thread for both.

WAL with `synchronous=FULL`: what a commit returned from survives a power cut. A row's id is
boot << 32 | seq, never used again. Acknowledged rows are deleted with the next commit, not in one
of their own. Filling or losing the telemetry file never harms the settings.
"""

import asyncio
import fcntl
import os
import sqlite3
import zlib
from pathlib import Path

from sqlite_utils import Database

from agent.limits import HISTORY_ROWS
from agent.ports import Row, StoreFault, StoreStats, row_boot
from agent.sqlite_files import open_or_set_aside
from agent.worker import Worker

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

TELEMETRY, SETTINGS = "telemetry", "settings"
CORRUPT = "corrupt"  # kind of a row whose bytes changed on the disk
TABLES = {
    TELEMETRY: (
        "CREATE TABLE live"
        " (id INTEGER PRIMARY KEY, mono_ns INTEGER, kind TEXT, body TEXT, crc INTEGER)",
        "CREATE TABLE history"
        " (place INTEGER PRIMARY KEY, machine TEXT, boot INTEGER, mono_ns INTEGER, body TEXT)",
        "CREATE INDEX history_machine ON history (machine, place)",
        "CREATE TABLE boots (boot INTEGER PRIMARY KEY)",
    ),
    SETTINGS: (
        "CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT)",
        "CREATE TABLE boots (boot INTEGER PRIMARY KEY)",
    ),
}


class SqliteStore:
    """`directory`: of the two files, made if missing. One agent a directory (flock)."""

    boot = 0

    def __init__(self, directory: str) -> None:
        self._directory = Path(directory)
        self._worker: "Worker | None" = None
        self._db: "dict[str, Any]" = {}
        self._lock: "Any" = None
        self._acked = 0
        self._deleted = 0
        self._produced = 0
        self._delivered = 0
        self._newest = 0
        self._boot_kept = False
        self._history_rows = 0
        self._arrived = asyncio.Event()

    async def open(self) -> "tuple[str, ...]":
        """Opens or makes both files; returns what had to be set aside. StoreFault if it cannot."""
        if self._worker is None:
            self._worker = Worker("store")
        found: "tuple[str, ...]" = await self._on_thread(self._open)
        if self._produced:
            self._arrived.set()
        return found

    @property
    def is_open(self) -> bool:
        return bool(self._db)

    async def append(self, rows: "list[Row]", history: "list[tuple[str, int, str]]") -> None:
        await self._on_thread(self._append, rows, history)
        if rows:
            self._arrived.set()

    async def oldest(self, after_id: int, limit_rows: int) -> "list[Row]":
        after = max(after_id, self._acked)
        found: "list[Row]" = await self._on_thread(self._oldest, after, limit_rows)
        if not found and after >= self._newest:
            self._arrived.clear()
        return found

    async def ack(self, through_id: int) -> None:
        await self._on_thread(self._ack, through_id)

    async def wait_for_rows(self) -> None:
        """Until rows that `oldest` has not seen are there."""
        await self._arrived.wait()

    async def stats(self) -> "StoreStats":
        found: StoreStats = await self._on_thread(self._stats)
        return found

    async def recent(self, machine: str, limit_rows: int) -> "list[str]":
        """Bodies of the machine's newest history, oldest first."""
        found: "list[str]" = await self._on_thread(self._recent, machine, limit_rows)
        return found

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
        for name in (SETTINGS, TELEMETRY):
            self._db[name], note = self._open_or_set_aside(name)
            if note:
                notes.append(note)
        self.boot = self._next_boot()
        note = self._keep_boot()
        if note:
            notes.append(note)
        self._produced = self._number(TELEMETRY, "SELECT COUNT(*) FROM live")
        self._newest = self._number(TELEMETRY, "SELECT MAX(id) FROM live")
        self._history_rows = self._number(TELEMETRY, "SELECT COUNT(*) FROM history")
        return tuple(notes)

    def _next_boot(self) -> int:
        """One more than any that was used: both files and the lock remember, two may be lost."""
        known = [self._number(name, "SELECT MAX(boot) FROM boots") for name in self._db]
        newest = row_boot(self._number(TELEMETRY, "SELECT MAX(id) FROM live"))
        self._lock.seek(0)
        text = self._lock.read(20)
        return max(*known, newest, int(text) if text.isdigit() else 0) + 1

    def _keep_boot(self) -> str:
        """Remembers the boot in three places; "" or what it means that the disk refuses."""
        try:
            for name in self._db:
                with self._db[name].atomic() as db:
                    db.execute("DELETE FROM boots")
                    db.execute("INSERT INTO boots (boot) VALUES (?)", (self.boot,))
            self._lock.seek(0)
            self._lock.truncate()
            self._lock.write(str(self.boot))
            self._lock.flush()
            os.fsync(self._lock.fileno())
        except (sqlite3.OperationalError, OSError) as error:
            self._boot_kept = False
            return f"rows wait in memory, a power cut would lose them ({error})"
        self._boot_kept = True
        return ""

    def _take_lock(self) -> None:
        self._lock = (self._directory / "lock").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreFault(f"{self._directory}: another agent keeps its data there")

    def _open_or_set_aside(self, name: str) -> "tuple[Any, str]":
        path = self._directory / f"{name}.db"
        connection, damage = open_or_set_aside(path, TABLES[name])
        connection.text_factory = _text  # a flipped bit is for the CRC to find, row by row
        lost = "unsent rows" if name == TELEMETRY else "settings and baselines"
        return Database(connection), f"{damage}, its {lost} are lost" if damage else ""

    def _append(self, rows: "list[Row]", history: "list[tuple[str, int, str]]") -> None:
        if not self._boot_kept and self._keep_boot():
            raise StoreFault(f"{self._directory}: the number of this boot could not be kept")
        acked = self._acked
        with self._db[TELEMETRY].atomic() as db:
            if acked > self._deleted:
                db.execute("DELETE FROM live WHERE id <= ?", (acked,))
            db.conn.executemany(
                "INSERT INTO live (id, mono_ns, kind, body, crc) VALUES (?, ?, ?, ?, ?)",
                [(r.id, r.mono_ns, r.kind, r.body, _crc(r.id, r.kind, r.body)) for r in rows],
            )
            db.conn.executemany(
                "INSERT INTO history (machine, boot, mono_ns, body) VALUES (?, ?, ?, ?)",
                [(machine, self.boot, mono_ns, body) for machine, mono_ns, body in history],
            )
            too_many = self._history_rows + len(history) - HISTORY_ROWS
            if too_many > 0:
                db.execute(
                    "DELETE FROM history WHERE place IN"
                    " (SELECT place FROM history ORDER BY place LIMIT ?)",
                    (too_many,),
                )
        self._deleted = acked
        self._history_rows = min(self._history_rows + len(history), HISTORY_ROWS)
        self._produced += len(rows)
        if rows:
            self._newest = rows[-1].id

    def _oldest(self, after_id: int, limit_rows: int) -> "list[Row]":
        found = self._db[TELEMETRY].execute(
            "SELECT id, mono_ns, kind, body, crc FROM live WHERE id > ? ORDER BY id LIMIT ?",
            (after_id, limit_rows),
        )
        return [_row(*one) for one in found.fetchall()]

    def _ack(self, through_id: int) -> None:
        if through_id <= self._acked:
            return
        count = self._db[TELEMETRY].execute(
            "SELECT COUNT(*) FROM live WHERE id > ? AND id <= ?", (self._acked, through_id)
        )
        self._delivered += count.fetchone()[0]
        self._acked = through_id

    def _stats(self) -> "StoreStats":
        oldest = self._db[TELEMETRY].execute(
            "SELECT mono_ns FROM live WHERE id > ? ORDER BY id LIMIT 1", (self._acked,)
        )
        first = oldest.fetchone()
        path = self._directory / "telemetry.db"
        return StoreStats(
            self._produced,
            self._delivered,
            self._produced - self._delivered,
            first[0] if first else None,
            path.stat().st_size,
        )

    def _recent(self, machine: str, limit_rows: int) -> "list[str]":
        found = self._db[TELEMETRY].execute(
            "SELECT body FROM history WHERE machine = ? ORDER BY place DESC LIMIT ?",
            (machine, limit_rows),
        )
        return [body for (body,) in found.fetchall()][::-1]

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
        if TELEMETRY in self._db and self._acked > self._deleted:
            self._append([], [])
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


def _row(identity: int, mono_ns: int, kind: str, body: str, crc: int) -> "Row":
    """The row as it was appended, or in its place the news that its bytes have changed."""
    if _crc(identity, kind, body) != crc:
        return Row(identity, mono_ns, CORRUPT, '{"reason":"the stored row failed its CRC"}')
    return Row(identity, mono_ns, kind, body)


def _crc(identity: int, kind: "Any", body: "Any") -> int:
    return zlib.crc32(f"{identity} {kind} {body}".encode("utf-8", "replace"))
