"""One lane's counts, and its rows that are in memory alone. Pure: no database, no clock.

Live rows may be numbered ahead of the transaction that keeps them, under numbers that an earlier
one has set aside (`marks`). A boot that ends without notice has used some of those, nobody knows
which: the next one gives up what the disk does not know of.
"""

from agent.core.wire import bytes_of
from agent.limits import BUNDLE_BYTES, EXPRESS_ROWS
from agent.ports import LaneStats, Row, row_boot, row_id, row_seq

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from agent.ports import NewRow


class Lane:
    """The counts of one lane. Rows up to the id `acked` are acknowledged, up to `deleted` gone.

    A failed transaction sets all attributes back: none is changed in place but `bytes`.
    """

    def __init__(self, name: str, boot: int) -> None:
        self.name = name
        self.table = f"{name}_lane"
        self.boot = boot
        self.seq = 0
        self.newest = 0
        self.told = 0
        self.acked = 0
        self.deleted = 0
        self.produced = 0
        self.delivered = 0
        self.evicted = 0
        self.refused = 0
        self.unsure = 0  # of `evicted`, numbers that boots without an end left behind
        self.before = 0  # rows that had left when this file was made of another
        self.bytes = [0, 0, 0, 0]  # by level
        self.partly = 0  # acknowledged rows of the bundle that `acked` lies within
        self.held: "tuple[Row, ...]" = ()  # in memory alone, after all that the disk has
        self.express = False  # whether rows are to be held at all
        self.unkept = 0  # rows that were acknowledged from memory since the account was kept
        self.marks = (0, 0, 0)  # (boot, seq at its account, numbers up to here are set aside)
        self.ended: "tuple[int, int, int] | None" = None  # (boot, first, last) to be given up

    @property
    def backlog(self) -> int:
        return self.produced - self.delivered - self.evicted - self.refused

    def number(self, new: "list[NewRow]") -> "list[Row]":
        """The rows under their numbers; from here on they are the lane's newest."""
        first = row_id(self.boot, self.seq) + 1
        rows = [
            Row(self.name, first + n, row.mono_ns, row.kind, row.body, 0)
            for n, row in enumerate(new)
        ]
        self.seq += len(rows)
        self.produced += len(rows)
        self.newest = rows[-1].id if rows else self.newest
        return rows

    def hold(self, new: "list[NewRow]") -> bool:
        """Numbers rows and keeps them; False where their numbers are not set aside.

        Then they are from the next transaction on. What is held goes in one bundle.
        """
        self.express = True
        boot, _, reserved = self.marks
        if boot != self.boot or self.seq + len(new) > reserved:
            return False
        if bytes_of([*self.held, *new]) > BUNDLE_BYTES:
            return False
        self.held = (*self.held, *self.number(new))
        return True

    def given(self, after_id: int) -> "list[Row]":
        """What is held, from its first row on, or nothing.

        So nothing is sent behind a row that is in memory alone: what a cut takes is the end of a
        boot, and never a row before another that came.
        """
        return list(self.held) if self.held and after_id < self.held[0].id else []

    def has_after(self, after_id: int) -> bool:
        """Whether there are rows that may go after `after_id`."""
        after = max(after_id, self.acked)
        return self.newest > after and (not self.held or bool(self.given(after)))

    def ack_held(self, through_id: int) -> None:
        kept = tuple(row for row in self.held if row.id > through_id)
        self.unkept += len(self.held) - len(kept)
        self.delivered += len(self.held) - len(kept)
        self.held = kept

    def land(self) -> "tuple[Row, ...]":
        """What was held, for the disk; rows that had to wait behind it may go now."""
        rows, self.held = self.held, ()
        if rows:
            self.told = min(self.told, rows[0].id - 1)
        return rows

    def reserve(self) -> bool:
        """At the end of a transaction: numbers for rows to come, or none; whether to keep them."""
        boot, _, reserved = self.marks
        if boot != self.boot:
            return False  # what the boot before has set aside is still to be given up
        short = reserved - self.seq <= EXPRESS_ROWS // 2
        if self.express and (short or self.unkept):
            self.marks = (self.boot, self.seq, self.seq + EXPRESS_ROWS)
        elif not self.express and reserved > self.seq:
            self.marks = (self.boot, self.seq, 0)
        elif not self.unkept:
            return False
        return True

    def end_boot_before(self) -> None:
        """What the last boot may have used unseen is given up; its tombstone is due (`ended`)."""
        boot, seq, reserved = self.marks
        newest = row_seq(self.newest) if row_boot(self.newest) == boot else 0
        first = max(seq, newest) + 1
        self.marks = (self.boot, 0, 0)
        if reserved >= first:
            self.ended = (boot, first, reserved)
            self.produced += reserved - first + 1
            self.evicted += reserved - first + 1
            self.unsure += reserved - first + 1

    def account(self) -> "tuple[Any, ...]":
        """As it is kept: lane, produced, evicted, refused, the marks, and what is unsure."""
        boot, seq, reserved = self.marks
        self.marks = (boot, self.seq if boot == self.boot else seq, reserved)
        self.unkept = 0
        counts = (self.name, self.produced, self.evicted, self.refused)
        return (*counts, *self.marks, self.unsure)

    def stats(self) -> "LaneStats":
        return LaneStats(
            self.name,
            self.produced,
            self.delivered,
            self.evicted,
            self.refused,
            self.backlog,
            sum(self.bytes),
            self.unsure,
            self.seq,
            self.before,
        )
