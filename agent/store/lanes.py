"""The outbox: three lanes as tables of bundles, and the account of what became of every row.

A row gets its number in the transaction that keeps it, so that numbers have no holes; when the
transaction fails, no number was used. Acknowledged bundles are deleted with the next commit. A row
that leaves without an acknowledgement leaves a tombstone, written by the same transaction.

Live rows may be numbered ahead of it and wait in memory (`hold`); after any transaction nothing is
in memory alone.
"""

import contextlib

from agent.ports import (
    ALARM,
    CUT,
    HISTORY,
    LANES,
    LIVE,
    TOMBSTONE,
    NewRow,
    row_boot,
    row_id,
    row_seq,
)
from agent.store.bundle import Bundle, Damaged, chunks, pack, stands_for, unpack
from agent.store.lane import Lane
from agent.store.refused import TABLE as TABLE_OF_REFUSED
from agent.store.refused import keep_refused
from agent.store.tombstone import account_of, bodies, carried_by

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from agent.ports import LaneStats, Row

TABLES = (
    *(
        f"CREATE TABLE {lane}_lane (id INTEGER PRIMARY KEY, first INTEGER, covered INTEGER,"
        " level INTEGER, total INTEGER, crc INTEGER, body BLOB)"
        for lane in LANES
    ),
    "CREATE TABLE ledger (lane TEXT PRIMARY KEY, produced INTEGER, evicted INTEGER,"
    " refused INTEGER, boot INTEGER, seq INTEGER, reserved INTEGER, unsure INTEGER)",
    TABLE_OF_REFUSED,
)
LEVELS = 4
COLUMNS = "id, first, covered, level, total, crc, body"


class Lanes:
    """The outbox of an open database (sqlite_utils.Database) under the number of this boot."""

    def __init__(self, db: "Any", boot: int) -> None:
        self._db = db
        self._boot = boot
        self._lanes = {name: Lane(name, boot) for name in LANES}
        self._read: "dict[str, tuple[Bundle, list[Row]]]" = {}
        self._now_ns = 0  # of the newest row: the store has no clock
        for lane in self._lanes.values():
            self._count(lane)

    @contextlib.contextmanager
    def transaction(self) -> "Iterator[None]":
        """One commit of all that is done within, and of all that was held in memory.

        When it fails, the counts are as before.
        """
        before = {
            name: {**vars(lane), "bytes": list(lane.bytes)} for name, lane in self._lanes.items()
        }
        committed = False
        try:
            with self._db.atomic():
                self._settle()
                yield
                if self._lanes[LIVE].reserve():
                    self._keep_account(self._lanes[LIVE])
            committed = True
        finally:
            for name, counts in () if committed else before.items():
                vars(self._lanes[name]).update(counts)

    def append(self, rows: "list[NewRow]") -> None:
        """Within a transaction: numbers the rows of each lane and keeps them; frees the acked."""
        self._now_ns = rows[-1].mono_ns if rows else self._now_ns
        for lane in self._lanes.values():
            self._append_to(lane, [row for row in rows if row.lane == lane.name])
        if any(row.lane == HISTORY for row in rows):
            self._lanes[LIVE].express = False  # nobody is there to send to
        self.free()

    def hold(self, rows: "list[NewRow]") -> bool:
        """Live rows, numbered and kept in memory alone; False: none was taken."""
        taken = self._lanes[LIVE].hold(rows)
        self._now_ns = rows[-1].mono_ns if taken and rows else self._now_ns
        return taken

    def held(self) -> "tuple[int, int | None]":
        """How many rows are in memory alone, and the `mono_ns` of the oldest of them."""
        held = self._lanes[LIVE].held
        return len(held), held[0].mono_ns if held else None

    def oldest(self, name: str, after_id: int, limit_rows: int) -> "list[Row]":
        """Up to `limit_rows` unacknowledged rows after `after_id`. What is damaged is given up.

        What is held comes by itself, and only once all before it is on the disk or acknowledged.
        """
        lane = self._lanes[name]
        after = max(after_id, lane.acked)
        found: "list[Row]" = []
        while len(found) < limit_rows:
            bundle = self._next(lane, after)
            if bundle is None:
                break
            rows = self._rows(lane, bundle)
            found += [row for row in rows if row.id > after]
            after = bundle.id
        return (found or lane.given(after))[:limit_rows]

    def has_after(self, name: str, after_id: int) -> bool:
        """Whether `oldest` would give rows."""
        return self._lanes[name].has_after(after_id)

    def grown(self) -> "list[str]":
        """The lanes that have got rows since the last time this was asked."""
        found = [lane.name for lane in self._lanes.values() if lane.newest > lane.told]
        for lane in self._lanes.values():
            lane.told = lane.newest
        return found

    def ack(self, name: str, through_id: int) -> None:
        lane = self._lanes[name]
        through = min(through_id, lane.newest)
        if through <= lane.acked:
            return
        query = f"SELECT SUM(covered), MAX(id) FROM {lane.table} WHERE id > ? AND id <= ?"
        whole, _ = self._db.execute(query, (lane.acked, through)).fetchone()
        if whole is not None:
            lane.delivered += whole - lane.partly
            lane.partly = 0
        bundle = self._next(lane, through)
        if bundle is not None and row_id(row_boot(bundle.id), bundle.first) <= through:
            partly = sum(stands_for(r) for r in self._rows(lane, bundle) if r.id <= through)
            lane.delivered += partly - lane.partly
            lane.partly = partly
        lane.ack_held(through)
        lane.acked = through

    def acked_ids(self) -> "dict[str, int]":
        """Of each lane the id through which its rows are acknowledged."""
        return {name: lane.acked for name, lane in self._lanes.items()}

    def free(self) -> None:
        """Within a transaction: deletes what was acknowledged. An empty lane keeps its account."""
        for lane in self._lanes.values():
            if lane.acked <= lane.deleted:
                continue
            self._delete(lane, (0, lane.acked))
            lane.deleted = lane.acked
            if lane.acked >= lane.newest:
                self._keep_account(lane)

    def trim(self) -> None:
        """Within a transaction, before an end: a bundle acknowledged in part keeps the rest."""
        self.free()
        for lane in self._lanes.values():
            lane.express = False
            bundle = self._next(lane, lane.acked) if lane.partly else None
            rest = [] if bundle is None else self._rows(lane, bundle)
            rest = [row for row in rest if row.id > lane.acked]
            if bundle is not None and rest:
                self._delete(lane, (bundle.id - 1, bundle.id))
                self._insert(lane, pack(rest, bundle.level, bundle.total))
                lane.partly = 0

    def adopt(self, found: "list[tuple[str, Bundle]]", only_new: bool) -> int:
        """Within a transaction, at the start: salvaged bundles, where none is; rows found.

        `only_new`: those that come after all that the file has.
        """
        count, newest = 0, {name: lane.newest for name, lane in self._lanes.items()}
        for name, bundle in found:
            lane = self._lanes[name]
            if (only_new and bundle.id <= newest[name]) or self._overlaps(lane, bundle):
                continue
            self._insert(lane, bundle)
            lane.newest = max(lane.newest, bundle.id)
            count += bundle.covered
        for lane in self._lanes.values():
            self._balance(lane)
        return count

    def begin_with(self, before: "dict[str, int]") -> None:
        """The file's identity says what had left when it was made."""
        for name, lane in self._lanes.items():
            lane.before = before.get(name, 0)

    def end_boots_before(self) -> bool:
        """At the start, after `adopt`: what the last boot may have used unseen is given up.

        The counts hold it from now on; whether a tombstone is due, with the next transaction.
        """
        for lane in self._lanes.values():
            lane.end_boot_before()
        return any(lane.ended for lane in self._lanes.values())

    def bury_holes(self, held: "set[tuple[str, int]]", reason: str) -> int:
        """Within a transaction: a tombstone for rows missing within a boot; their count.

        `held`: (lane, id) of the bundles that were not freed. Rows are freed from the oldest on,
        so all that is missing after one of them is lost; what is missing before was delivered.
        """
        count = 0
        for lane in self._lanes.values():
            query = f"SELECT id, first FROM {lane.table} ORDER BY id"
            bundles, after_held = self._db.execute(query).fetchall(), False
            for (last, _), (following, first) in zip(bundles, bundles[1:]):  # noqa: RUF007
                missing = first - row_seq(last) - 1
                after_held = after_held or (lane.name, last) in held
                if after_held and row_boot(last) == row_boot(following) and missing > 0:
                    self._bury(
                        lane, row_boot(last), (row_seq(last) + 1, first - 1), reason, missing
                    )
                    taken = min(missing, lane.delivered)  # it had been counted as such
                    lane.delivered -= taken
                    lane.produced += missing - taken
                    lane.evicted += missing
                    count += missing
            self._keep_account(lane)
        return count

    def _overlaps(self, lane: "Lane", bundle: "Bundle") -> bool:
        """Whether the lane has any of the bundle's rows already."""
        query = f"SELECT first FROM {lane.table} WHERE id >= ? AND id <= ? ORDER BY id LIMIT 1"
        boot = row_boot(bundle.id)
        ids = (row_id(boot, bundle.first), row_id(boot, 0xFFFFFFFF))
        following = self._db.execute(query, ids).fetchone()
        return following is not None and following[0] <= row_seq(bundle.id)

    def set_aside(self, name: str, refused: "list[tuple[int, str]]") -> None:
        """Within a transaction: rows that upstream refuses are kept apart and leave their lane.

        `refused`: (id, reason). What tombstones among them tell is carried on by the new one.
        """
        lane, carried, own = self._lanes[name], [], []
        for identity, reason in refused:
            row = self._take_out(lane, identity)
            if row is None:
                continue
            keep_refused(self._db, row, reason)
            lane.refused += stands_for(row)
            carried += carried_by(row) if row.kind == TOMBSTONE else []
            seqs = (row.first_seq or row_seq(identity), row_seq(identity))
            own.append(account_of(name, row_boot(identity), seqs, reason, stands_for(row)))
        self._keep_account(lane)
        self._tell([*carried, *own])

    def _take_out(self, lane: "Lane", identity: int) -> "Row | None":
        """The row, which is none of its bundle's any more; None when the lane holds none such."""
        bundle = self._next(lane, identity - 1) if identity > lane.acked else None
        rows = self._rows(lane, bundle) if bundle is not None else []
        row = next((row for row in rows if row.id == identity), None)
        if row is None or bundle is None:
            return None
        rest = [other for other in rows if other.id != identity]
        self._delete(lane, (bundle.id - 1, bundle.id))
        if rest:
            self._insert(lane, pack(rest, bundle.level, bundle.total))
        return row

    def bytes_of(self, name: str) -> int:
        return sum(self._lanes[name].bytes)

    def bytes_by_level(self, name: str) -> "list[int]":
        return list(self._lanes[name].bytes)

    def waiting(self, name: str, level: "int | None", limit: int) -> "list[Bundle]":
        """The lane's oldest bundles, of a level if said, none of which is acknowledged in part."""
        lane = self._lanes[name]
        after = lane.acked
        if lane.partly:
            after = self._next(lane, after).id  # type: ignore[union-attr]
        query = (
            f"SELECT {COLUMNS} FROM {lane.table} WHERE id > ?"
            f" AND level = COALESCE(?, level) ORDER BY id LIMIT ?"
        )
        return [Bundle(*one) for one in self._db.execute(query, (after, level, limit)).fetchall()]

    def rows_of(self, name: str, bundles: "list[Bundle]") -> "list[Row]":
        """Their rows; a bundle that is damaged gives none, and is given up."""
        return [row for bundle in bundles for row in self._rows(self._lanes[name], bundle)]

    def replace(self, name: str, old: "list[Bundle]", rows: "list[Row]", level: int) -> None:
        """Within a transaction: `rows` stand for what the `old` bundles, of one run, held."""
        lane = self._lanes[name]
        for bundle in old:
            self._delete(lane, (bundle.id - 1, bundle.id))
        for boot in sorted({row_boot(row.id) for row in rows}):
            for some in chunks([row for row in rows if row_boot(row.id) == boot]):
                self._insert(lane, pack(some, level, old[-1].total))

    def evict(self, name: str, bundles: "list[Bundle]", reason: str) -> None:
        """Within a transaction: the oldest bundles go, a tombstone for each boot among them."""
        lane = self._lanes[name]
        accounts = []
        for boot in sorted({row_boot(bundle.id) for bundle in bundles}):
            some = [bundle for bundle in bundles if row_boot(bundle.id) == boot]
            count = sum(bundle.covered for bundle in some)
            accounts += self._carried(lane, some)
            for bundle in some:
                self._delete(lane, (bundle.id - 1, bundle.id))
            lane.evicted += count
            seqs = (some[0].first, row_seq(some[-1].id))
            accounts.append(account_of(name, boot, seqs, reason, count))
        self._tell(accounts)
        if bundles:
            self._keep_account(lane)

    def stats(self) -> "tuple[LaneStats, ...]":
        return tuple(lane.stats() for lane in self._lanes.values())

    def oldest_mono_ns(self) -> "int | None":
        """When the oldest row was produced that still waits, by this boot's clock; else None."""
        waiting = [self.oldest(name, 0, 1) for name in LANES]
        times = [rows[0].mono_ns for rows in waiting if rows]
        return min(times) if times else None

    def _settle(self) -> None:
        """Within a transaction, before all else: what is in memory alone goes to the disk."""
        for lane in self._lanes.values():
            self._keep_rows(lane, lane.land())
            if lane.ended is not None:
                (boot, first, last), lane.ended = lane.ended, None
                self._bury(lane, boot, (first, last), CUT, last - first + 1)
                self._keep_account(lane)

    def _append_to(self, lane: "Lane", new: "list[NewRow]") -> None:
        self._keep_rows(lane, lane.number(new))

    def _keep_rows(self, lane: "Lane", rows: "Sequence[Row]") -> None:
        """The lane's newest rows, as bundles."""
        total = lane.produced - len(rows)
        for some in chunks(rows):
            total += len(some)
            self._insert(lane, pack(some, 0, total))

    def _bury(
        self, lane: "Lane", boot: int, seqs: "tuple[int, int]", reason: str, count: int
    ) -> None:
        """A tombstone for `count` rows that leave undelivered; others of the range left before."""
        self._tell([account_of(lane.name, boot, seqs, reason, count)])

    def _tell(self, accounts: "list[dict[str, Any]]") -> None:
        """Tombstones with these accounts, in the alarm lane."""
        rows = [NewRow(ALARM, self._now_ns, TOMBSTONE, text) for text in bodies(accounts)]
        self._append_to(self._lanes[ALARM], rows)

    def _carried(self, lane: "Lane", bundles: "list[Bundle]") -> "list[dict[str, Any]]":
        """What tombstones among these bundles tell; a bundle that is damaged tells nothing."""
        found: "list[dict[str, Any]]" = []
        for bundle in bundles if lane.name == ALARM else ():
            try:
                rows = unpack(lane.name, bundle)
            except Damaged:
                continue
            for row in rows:
                found += carried_by(row) if row.kind == TOMBSTONE else []
        return found

    def _next(self, lane: "Lane", after_id: int) -> "Bundle | None":
        query = f"SELECT {COLUMNS} FROM {lane.table} WHERE id > ? ORDER BY id LIMIT 1"
        found = self._db.execute(query, (after_id,)).fetchone()
        return None if found is None else Bundle(*found)

    def _rows(self, lane: "Lane", bundle: "Bundle") -> "list[Row]":
        """The bundle's rows; none when it is damaged: then it is given up, with a tombstone."""
        known, rows = self._read.get(lane.name, (None, []))
        if known == bundle:
            return rows
        try:
            rows = unpack(lane.name, bundle)
        except Damaged as damage:
            with self.transaction():
                self._give_up(lane, bundle, str(damage))
            return []
        self._read[lane.name] = (bundle, rows)
        return rows

    def _give_up(self, lane: "Lane", bundle: "Bundle", reason: str) -> None:
        self._delete(lane, (bundle.id - 1, bundle.id))
        boot, last = row_boot(bundle.id), row_seq(bundle.id)
        first = bundle.first if 0 < bundle.first <= last else last
        lane.evicted += last - first + 1
        self._keep_account(lane)
        self._bury(lane, boot, (first, last), reason, last - first + 1)

    def _delete(self, lane: "Lane", ids: "tuple[int, int]") -> None:
        """Deletes bundles with `ids`[0] < id <= `ids`[1]."""
        query = f"SELECT level, LENGTH(body) FROM {lane.table} WHERE id > ? AND id <= ?"
        for level, size in self._db.execute(query, ids).fetchall():
            lane.bytes[level] -= size
        self._db.execute(f"DELETE FROM {lane.table} WHERE id > ? AND id <= ?", ids)

    def _insert(self, lane: "Lane", bundle: "Bundle") -> None:
        self._db.execute(
            f"INSERT INTO {lane.table} ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", tuple(bundle)
        )
        lane.bytes[bundle.level] += len(bundle.body)

    def _keep_account(self, lane: "Lane") -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO ledger (lane, produced, evicted, refused, boot, seq, reserved,"
            " unsure) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            lane.account(),
        )

    def _count(self, lane: "Lane") -> None:
        """What the file says of the lane: rows it holds, and the account of those that left."""
        query = (
            "SELECT produced, evicted, refused, unsure, boot, seq, reserved FROM ledger"
            " WHERE lane = ?"
        )
        kept = self._db.execute(query, (lane.name,)).fetchone() or (0,) * 7
        lane.newest = self._number(f"SELECT MAX(id) FROM {lane.table}")
        query = f"SELECT level, SUM(LENGTH(body)) FROM {lane.table} GROUP BY level"
        for level, size in self._db.execute(query).fetchall():
            if level in range(LEVELS):
                lane.bytes[level] += size
        lane.produced, lane.evicted, lane.refused, lane.unsure = kept[:4]
        lane.marks = kept[4:]
        self._balance(lane)

    def _balance(self, lane: "Lane") -> None:
        """What was produced and is neither held nor told as gone was delivered."""
        total = self._number(f"SELECT total FROM {lane.table} ORDER BY id DESC LIMIT 1")
        held = self._number(f"SELECT SUM(covered) FROM {lane.table}")
        gone = lane.evicted + lane.refused
        lane.delivered = max(0, max(lane.produced, total) - gone - held)
        lane.produced = lane.delivered + gone + held

    def _number(self, query: str) -> int:
        found = self._db.execute(query).fetchone()
        return int(found[0] or 0) if found else 0
