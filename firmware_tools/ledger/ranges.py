"""Whole numbers as ranges: millions of row numbers in the space of their gaps."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator


class Ranges:
    """Disjoint ranges of whole numbers, both ends included, in order."""

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in ranges:
            self.add(first, last)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self._firsts, self._lasts, strict=True))

    def covers(self, first: int, last: int) -> bool:
        """Whether all from `first` to `last` are there."""
        place = bisect_right(self._firsts, first) - 1
        return place >= 0 and last <= self._lasts[place]

    @property
    def count(self) -> int:
        return sum(last - first + 1 for first, last in self)

    def count_to(self, through: int) -> int:
        """How many of them are not above `through`."""
        return sum(min(last, through) - first + 1 for first, last in self if first <= through)

    @property
    def highest(self) -> int:
        """0 when empty."""
        return self._lasts[-1] if self._lasts else 0

    def add(self, first: int, last: int) -> None:
        """All from `first` to `last`; what touches becomes one range."""
        if last < first:
            return
        low = bisect_left(self._lasts, first - 1)
        high = bisect_right(self._firsts, last + 1)
        if low < high:
            first, last = min(first, self._firsts[low]), max(last, self._lasts[high - 1])
        self._firsts[low:high] = [first]
        self._lasts[low:high] = [last]

    def gaps(self, through: int) -> list[tuple[int, int]]:
        """What is missing of 1 to `through`."""
        missing, expected = [], 1
        for first, last in self:
            if first > through:
                break
            if first > expected:
                missing.append((expected, first - 1))
            expected = last + 1
        if expected <= through:
            missing.append((expected, through))
        return missing
