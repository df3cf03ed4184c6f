"""A device's own counts of a lane, since its file began, against what came. No I/O, no clock.

How many rows went before this ledger listened nobody tells. Two bounds are known: no more than the
device says have left, and no more than it has produced less those up to its newest whose fate is
known. The lower of both is `base`: where it is too high a loss is told late, and none is invented.

A file that is no more (deleted, damaged, or older since a copy was put back) takes rows along that
nobody will ever number again: `owed` is how many it had told of.
"""

from typing import Any, NamedTuple

SEQ_MAX = 0xFFFFFFFF


class Told(NamedTuple):
    """What a device's status says of a lane, over all boots since its file began."""

    produced: int
    left: int  # delivered, evicted or refused: no longer its own
    file: str = ""  # which one; agents that do not tell have none
    before: int = 0  # of `left`, rows that another file had, and that this one began with
    boot: int = 0
    seq: int = -1  # the newest number of this boot; -1: not told
    by_puback: bool = False  # whether the broker's word frees a row

    def through(self, boot: int) -> int:
        """The newest number of a boot that these counts may know of."""
        if self.seq < 0 or boot < self.boot:
            return SEQ_MAX
        return self.seq if boot == self.boot else 0


class Counts:
    """Of one device and lane. `told`: the newest."""

    def __init__(self, told: Told, base: int | None = None, owed: int = 0, begun: int = 0) -> None:
        self.told = told
        self.base = told.left if base is None else base
        self.owed = owed
        self.begun = begun  # produced by an older state when it was put back; 0: by none

    def hear(self, told: Told, counted: int) -> None:
        """`counted`: rows that this status may know of, and whose fate is known."""
        self.told = told
        if told.seq >= 0:
            self.base = max(0, min(self.base, told.produced - counted))

    def begin(self, told: Told, is_new: bool) -> None:
        """Another file, or one that was heard before: an older state of it, or a card put back."""
        self.told = told
        self.base, self.begun = (told.before, 0) if is_new else (told.left, told.produced)

    def close(self, counted: int, new: int) -> None:
        """The file is no more. `counted`: as of `hear`, for what it told last; `new`: of those, of
        boots that were first heard with it. What a state that was put back began with has come, or
        is owed already.
        """
        missing = self.told.produced - self.base - counted
        if self.begun:
            missing = min(missing, self.told.produced - self.begun - new)
        self.owed += max(0, missing)

    def missing(self, counted: int) -> int:
        """Rows that are said to have left, and of which nothing is known."""
        return max(0, self.told.left - self.base - counted)

    def kept(self) -> tuple[Any, ...]:
        """base, produced, left, owed, boot, seq, begun: what it is made of again."""
        told = self.told
        return self.base, told.produced, told.left, self.owed, told.boot, told.seq, self.begun
