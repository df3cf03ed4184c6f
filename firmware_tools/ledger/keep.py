"""Where rows are kept: SQLite or PostgreSQL, by one set of statements.

A row is there once, by its key. What `keep` returned from is durable: only then is a receipt sent.
A key that came with two contents stands in `rows` with the first, in `conflicts` with the others.
"""

import contextlib
import json
import logging
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from firmware_tools.ledger.account import TOMBSTONE, Account, Key, Row, Stream
from firmware_tools.ledger.check import Found, check, crc_of
from firmware_tools.ledger.clash import Held, by_stream, ends
from firmware_tools.ledger.counts import Counts, Told
from firmware_tools.ledger.ranges import Ranges
from firmware_tools.ledger.read import Invalid, tombstone_body

TABLES = (
    "CREATE TABLE IF NOT EXISTS rows (device TEXT NOT NULL, boot BIGINT NOT NULL,"
    " lane TEXT NOT NULL, seq BIGINT NOT NULL, first_seq BIGINT NOT NULL,"
    " mono_ns BIGINT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, crc BIGINT,"
    " PRIMARY KEY (device, boot, lane, seq))",
    "CREATE TABLE IF NOT EXISTS streams (device TEXT NOT NULL, boot BIGINT NOT NULL,"
    " lane TEXT NOT NULL, base BIGINT NOT NULL, freed_to BIGINT NOT NULL,"
    " duplicates BIGINT NOT NULL, PRIMARY KEY (device, boot, lane))",
    "CREATE TABLE IF NOT EXISTS conflicts (device TEXT NOT NULL, boot BIGINT NOT NULL,"
    " lane TEXT NOT NULL, seq BIGINT NOT NULL, first_seq BIGINT NOT NULL,"
    " mono_ns BIGINT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, crc BIGINT NOT NULL,"
    " PRIMARY KEY (device, boot, lane, seq, crc))",
)
TOLD_TABLES = (
    "CREATE TABLE IF NOT EXISTS told (device TEXT NOT NULL, lane TEXT NOT NULL,"
    " base BIGINT NOT NULL, produced BIGINT NOT NULL, left_count BIGINT NOT NULL,"
    " owed BIGINT NOT NULL DEFAULT 0, boot BIGINT NOT NULL DEFAULT 0,"
    " seq BIGINT NOT NULL DEFAULT -1, begun BIGINT NOT NULL DEFAULT 0,"
    " PRIMARY KEY (device, lane))",
    "CREATE TABLE IF NOT EXISTS devices (device TEXT NOT NULL, first_boot BIGINT NOT NULL,"
    " opened BIGINT NOT NULL, by_puback BIGINT NOT NULL, files TEXT NOT NULL,"
    " PRIMARY KEY (device))",
    "CREATE TABLE IF NOT EXISTS written_off (device TEXT NOT NULL, at TEXT NOT NULL,"
    " line TEXT NOT NULL)",
)
WRITE_OFF = "INSERT INTO written_off (device, at, line) VALUES (?, ?, ?)"
WRITTEN_OFF = "SELECT line FROM written_off ORDER BY at, device, line"
KEEP_TOLD = (
    "INSERT INTO told (device, lane, base, produced, left_count, owed, boot, seq, begun)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (device, lane) DO UPDATE SET base = excluded.base,"
    " produced = excluded.produced, left_count = excluded.left_count, owed = excluded.owed,"
    " boot = excluded.boot, seq = excluded.seq, begun = excluded.begun"
)
TOLD = "SELECT device, lane, base, produced, left_count, owed, boot, seq, begun FROM told"
KEEP_DEVICE = (
    "INSERT INTO devices (device, first_boot, opened, by_puback, files) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (device) DO UPDATE SET first_boot = excluded.first_boot,"
    " opened = excluded.opened, by_puback = excluded.by_puback, files = excluded.files"
)
DEVICES = "SELECT device, first_boot, opened, by_puback, files FROM devices"
KEEP_ROW = (
    "INSERT INTO rows (device, boot, lane, seq, first_seq, mono_ns, kind, body, crc)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (device, boot, lane, seq) DO UPDATE"
    " SET first_seq = excluded.first_seq, mono_ns = excluded.mono_ns, kind = excluded.kind,"
    " body = excluded.body, crc = excluded.crc"
    " WHERE excluded.first_seq > 0"  # a thinned row takes the last one's number, and its place
)
KEEP_CONFLICT = (
    "INSERT INTO conflicts (device, boot, lane, seq, first_seq, mono_ns, kind, body, crc)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
KEPT_CONFLICT = (
    "SELECT 1 FROM conflicts WHERE device = ? AND boot = ? AND lane = ? AND seq = ? AND crc = ?"
)
MEETING = (
    "SELECT device, boot, lane, seq, first_seq, mono_ns, kind, body FROM rows"
    " WHERE device = ? AND boot = ? AND lane = ? AND seq BETWEEN ? AND ?"
    " AND (seq <= ? OR first_seq BETWEEN 1 AND ?)"
)
CONFLICTS = (
    "SELECT device, boot, lane, COUNT(*), MIN(seq), MAX(seq) FROM conflicts"
    " GROUP BY device, boot, lane"
)
THINNED_CONFLICTS = "SELECT device, boot, lane, first_seq, seq FROM conflicts WHERE first_seq > 0"
KEEP_STREAM = (
    "INSERT INTO streams (device, boot, lane, base, freed_to, duplicates, again)"
    " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (device, boot, lane) DO UPDATE"
    " SET base = excluded.base, freed_to = excluded.freed_to, duplicates = excluded.duplicates,"
    " again = excluded.again"
)
# Runs of consecutive numbers: within one, the number less its rank stays the same.
RUNS = (
    "SELECT device, boot, lane, MIN(seq), MAX(seq) FROM (SELECT device, boot, lane, seq,"
    " seq - ROW_NUMBER() OVER (PARTITION BY device, boot, lane ORDER BY seq) AS run"
    " FROM rows WHERE first_seq = 0) AS numbered GROUP BY device, boot, lane, run"
)
THINNED = "SELECT device, boot, lane, first_seq, seq FROM rows WHERE first_seq > 0"
# What ledgers of earlier versions kept without: (table, column, type).
ADDED = (
    ("rows", "crc", "BIGINT"),
    ("streams", "again", "TEXT"),
    ("told", "owed", "BIGINT NOT NULL DEFAULT 0"),
    ("told", "boot", "BIGINT NOT NULL DEFAULT 0"),
    ("told", "seq", "BIGINT NOT NULL DEFAULT -1"),
    ("told", "begun", "BIGINT NOT NULL DEFAULT 0"),
)
HAS_SQLITE = "SELECT 1 FROM pragma_table_info(?) WHERE name = ?"
HAS_POSTGRESQL = (
    "SELECT 1 FROM information_schema.columns WHERE table_name = ? AND column_name = ?"
    " AND table_schema = CURRENT_SCHEMA()"
)
ANY_STREAM = "SELECT boot FROM streams LIMIT 1"
STREAMS = "SELECT device, boot, lane, base, freed_to, duplicates, again FROM streams"
TOMBSTONES = f"SELECT device, body FROM rows WHERE kind = '{TOMBSTONE}'"


class KeepFault(Exception):
    """The database cannot be used; says which and why."""


class Keeper:
    """An open database. `place`: a file's path, or postgresql://…

    `must_exist`: KeepFault, and nothing is made, where no ledger has written yet.
    """

    def __init__(self, place: str, must_exist: bool = False) -> None:
        self._place = place
        self._mark = "%s" if _is_postgresql(place) else "?"
        if must_exist and not _is_postgresql(place) and not _is_written(Path(place)):
            raise KeepFault(f"{place}: there is no such database")
        try:
            self._db = _connected(place)
            if must_exist:
                self._asked(ANY_STREAM)
            for statement in (*TABLES, *TOLD_TABLES):
                self._db.execute(statement)
            has = HAS_POSTGRESQL if _is_postgresql(place) else HAS_SQLITE
            for table, column, kind in ADDED:
                if not self._asked(has, (table, column)):
                    self._db.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
            self._db.commit()
        except _errors() as error:
            raise self._fault(error) from error

    def keep(
        self,
        rows: list[Row],
        streams: list[Stream],
        told: list[Any],
        copies: Iterable[Row] = (),
        devices: Iterable[Any] = (),
    ) -> list[Row]:
        """One transaction; durable when it returns. The rows that are in conflict with others.

        `copies`: rows whose keys are known. Those that are none, as their content is another, and
        thinned rows that stand for others than were kept, go to a table of their own: the device
        will free them by our receipt. `told`, `devices`: as of `Account.counts_rows`, `device_row`.
        """
        states = [(*s.key, s.base, s.freed_to, s.duplicates, _text_of(s.again)) for s in streams]
        with self._transaction() as cursor:
            self._keep_rows(cursor, [row for row in rows if not row.first_seq])
            thinned = [row for row in rows if row.first_seq]
            strangers = self._strangers(thinned)
            left_out = set(strangers)
            self._keep_rows(cursor, [row for row in thinned if row not in left_out])
            strangers += self._strangers(copies)
            conflicts = [row for row in strangers if not self._is_kept(row)]
            for row in conflicts:
                cursor.execute(self._statement(KEEP_CONFLICT), (*row, crc_of(row)))
            cursor.executemany(self._statement(KEEP_STREAM), states)
            cursor.executemany(self._statement(KEEP_TOLD), told)
            cursor.executemany(self._statement(KEEP_DEVICE), list(devices))
        return conflicts

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Any]:
        """A cursor; all that is done with it is durable, or none of it and KeepFault."""
        try:
            yield self._db.cursor()
            self._db.commit()
        except _errors() as error:
            with contextlib.suppress(*_errors()):  # of a connection that is gone nothing is left
                self._db.rollback()
            raise self._fault(error) from error

    def _keep_rows(self, cursor: Any, rows: list[Row]) -> None:
        cursor.executemany(self._statement(KEEP_ROW), [(*row, crc_of(row)) for row in rows])

    def check(self) -> Found:
        """All that is kept, read and proved. KeepFault when the database went away meanwhile."""
        strange = (*_errors(), ValueError)  # text that is none
        try:
            return check(self._db, _is_postgresql(self._place), strange)
        except _errors() as error:
            raise self._fault(error) from error

    def _is_kept(self, row: Row) -> bool:
        """Whether this other content of a key came before."""
        return bool(self._asked(KEPT_CONFLICT, (*row[:4], crc_of(row))))

    def _strangers(self, rows: Iterable[Row]) -> list[Row]:
        """Those that have a number of a row in the table, and are of another life of the device."""
        found = []
        for some in by_stream(rows):
            held = Held(Row(*parts) for parts in self._asked(MEETING, (*ends(some), some[-1].seq)))
            found += [row for row in some if held.clashing(row)]
        return found

    def write_off(self, account: Account, lines: list[dict[str, Any]]) -> None:
        """What was just written off in the account; durable when it returns."""
        told = [
            row for name in {one["device"] for one in lines} for row in account.counts_rows(name)
        ]
        values = [(line["device"], line["at"], json.dumps(line)) for line in lines]
        with self._transaction() as cursor:
            cursor.executemany(self._statement(WRITE_OFF), values)
            cursor.executemany(self._statement(KEEP_TOLD), told)

    def tombstones(self) -> list[tuple[str, str]]:
        """(device, body) of each that is kept."""
        return list(self._asked(TOMBSTONES))

    def load(self) -> Account:
        """The account of what was kept so far. KeepFault, also for what no ledger has written."""
        strange: tuple[type[Exception], ...] = (*_errors(), TypeError, ValueError)
        try:
            return self._loaded()
        except strange as error:
            raise self._fault(error) from error

    def _loaded(self) -> Account:
        account = Account()
        for device, boot, lane, *counts, _ in self._asked(STREAMS):
            stream = account.stream(Key(device, boot, lane))
            stream.base, stream.freed_to, stream.duplicates = counts
            first = account.first_boot.get(device, boot)
            account.first_boot[device] = min(first, boot)
        for device, boot, lane, first, last in self._asked(RUNS):
            account.stream(Key(device, boot, lane)).received.add(first, last)
        for device, boot, lane, first, last in self._asked(THINNED):
            stream = account.stream(Key(device, boot, lane))
            stream.received.add(first, last)
            stream.thinned += last - first
        for device, body in self.tombstones():
            try:
                account.bury_all(device, tombstone_body(body))
            except Invalid as error:  # kept by an earlier version, that let it in
                account.refuse(device, str(error))
        for device, boot, lane, first, last in self._asked(THINNED_CONFLICTS):
            account.stream(Key(device, boot, lane)).received.add(first, last)
        for device, boot, lane, count, first, last in self._asked(CONFLICTS):
            account.note_conflicts(Key(device, boot, lane), count, first, last)
        self._load_counts(account)
        return account

    def _load_counts(self, account: Account) -> None:
        """What devices told, and what came since of streams that were there before their file."""
        for device, boot, lane, *_, again in self._asked(STREAMS):
            account.stream(Key(device, boot, lane)).again = _ranges_of(again)
        for device, first_boot, opened, by_puback, files in self._asked(DEVICES):
            account.first_boot |= {device: first_boot} if first_boot else {}
            account.opened[device], account.files[device] = opened, files.split()
            account.by_puback[device] = bool(by_puback)
        for device, lane, base, produced, left, owed, boot, seq, begun in self._asked(TOLD):
            told = Told(produced, left, boot=boot, seq=seq)
            account.counts[(device, lane)] = Counts(told, base, owed, begun)
        account.write_off([json.loads(line) for (line,) in self._asked(WRITTEN_OFF)])

    def close(self) -> None:
        self._db.close()

    def _fault(self, error: Exception) -> KeepFault:
        """In one line: what PostgreSQL says has several."""
        return KeepFault(f"{plain(self._place)}: {' '.join(str(error).split())}")

    def _asked(self, query: str, values: tuple[Any, ...] = ()) -> list[Any]:
        return list(self._db.execute(self._statement(query), values).fetchall())

    def _statement(self, text: str) -> str:
        return text.replace("?", self._mark)


def _text_of(ranges: Ranges | None) -> str | None:
    return None if ranges is None else json.dumps(list(ranges))


def _ranges_of(text: str | None) -> Ranges | None:
    return None if text is None else Ranges((first, last) for first, last in json.loads(text))


def _is_postgresql(place: str) -> bool:
    return place.startswith(("postgresql://", "postgres://"))


def _is_written(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _connected(place: str) -> Any:
    if not _is_postgresql(place):
        db = sqlite3.connect(place)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        return db
    try:
        import psycopg
    except ImportError:
        raise KeepFault(
            "PostgreSQL needs the package psycopg: pip install 'latido[ledger]'"
        ) from None
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)  # a KeepFault says it, once
    return psycopg.connect(place)


def _errors() -> tuple[type[Exception], ...]:
    """What either database raises."""
    try:
        import psycopg
    except ImportError:
        return (sqlite3.Error,)
    return (sqlite3.Error, psycopg.Error)


def plain(place: str) -> str:
    """Without the password."""
    head, at, tail = place.rpartition("@")
    return f"…@{tail}" if at and "://" in head else place
