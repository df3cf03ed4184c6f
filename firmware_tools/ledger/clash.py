"""Whether two rows that have numbers in common can be of one life of a device. Pure.

A device that went on from a copy of its state may use numbers again for other rows, and either life
may have thinned them. A row must have the content that it had. A thinned row stands for rows of one
period (agent/store/thinning.py), and says when the first and the last of them were: a row that it
stands for, and that was made at another time, is of another life. Not told apart is one in the
middle that was made in the same period (1 s to 1 min) after the start of both.
"""

import json
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Any

from firmware_tools.ledger.account import Row

STRIDE = 200  # rows closer than this are looked up together
SPAN = 4096  # rows at most that one thinned row stands for, when it is looked for
NS = 1_000_000_000


class Held:
    """Rows of one stream, as they are kept; by number."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = sorted(rows, key=_seq)
        self._thinned = [row for row in self._rows if row.first_seq]

    def clashing(self, row: Row) -> bool:
        """Whether one of them has a number of `row` and cannot be of its life."""
        return any(clash(row, held) for held in self._meeting(row))

    def _meeting(self, row: Row) -> Iterator[Row]:
        for held in self._rows[bisect_left(self._rows, _first(row), key=_seq) :]:
            if held.seq > row.seq:
                break
            yield held
        for held in self._thinned[bisect_left(self._thinned, row.seq + 1, key=_seq) :][:1]:
            if held.first_seq <= _first(row):
                yield held


def clash(one: Row, other: Row) -> bool:
    """Whether two rows that have a number in common are of different lives."""
    same = (one.seq, one.first_seq) == (other.seq, other.first_seq)
    if same and not (one.first_seq and _says_when(one) and _says_when(other)):
        return one != other
    for thinned, part in ((one, other), (other, one)):
        if thinned.first_seq and thinned.first_seq <= _first(part) and part.seq <= thinned.seq:
            return _stands_not_for(thinned, part)
    return False


def _stands_not_for(thinned: Row, part: Row) -> bool:
    """By the times that it says; a row that says none contradicts nothing."""
    if not _says_when(thinned):
        return False
    said = _body(thinned)
    from_ns, period_s = said["from_mono_ns"], said["period_s"]
    part_from_ns = _body(part).get("from_mono_ns", part.mono_ns) if part.first_seq else part.mono_ns
    if _first(part) == thinned.first_seq and part_from_ns != from_ns:
        return True
    if part.seq == thinned.seq and part.mono_ns != thinned.mono_ns:
        return True
    period_ns: int = period_s * NS
    return part.mono_ns // period_ns != thinned.mono_ns // period_ns


def _says_when(thinned: Row) -> bool:
    said = _body(thinned)
    from_ns, period_s = said.get("from_mono_ns"), said.get("period_s")
    return type(from_ns) is int and type(period_s) is int and period_s > 0


def by_stream(rows: Iterable[Row]) -> list[list[Row]]:
    """Rows of one stream each, by number, none further than STRIDE from the one before."""
    found: list[list[Row]] = []
    for row in sorted(rows):
        last = found[-1][-1] if found else None
        if last is None or last[:3] != row[:3] or row.seq - last.seq > STRIDE:
            found.append([])
        found[-1].append(row)
    return found


def ends(rows: list[Row]) -> tuple[Any, ...]:
    """(device, boot, lane, lowest, highest looked at, highest) number of one stream's rows."""
    last = rows[-1]
    return last.device, last.boot, last.lane, min(map(_first, rows)), last.seq + SPAN, last.seq


def _first(row: Row) -> int:
    return row.first_seq or row.seq


def _seq(row: Row) -> int:
    return row.seq


def _body(row: Row) -> dict[str, Any]:
    held = json.loads(row.body)
    return held if isinstance(held, dict) else {}
