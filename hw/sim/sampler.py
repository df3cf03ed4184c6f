"""What every simulated accelerometer does: sample by its own clock, keep the newest, lose others.

`source(t0_s, period_s, count)` gives `count` frames as flat x0, y0, z0, x1, ... in g. The chip has
its own rule of quantisation. Time comes from the bus and never runs backwards.
"""

from array import array

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

LONGEST_CATCH_UP = 64  # samples made at once: a small board has memory for no more


class Sampler:
    """A ring of `room` frames. `overruns`: frames thrown away because nobody read them in time."""

    def __init__(
        self,
        source: "Callable[[float, float, int], Any]",
        counts: "Callable[[float], int]",
        entries_max: int,
        clock_error: float,
    ) -> None:
        self.source = source
        self._counts = counts
        self._entries_max = entries_max
        self._entries = array("i", bytes(4 * 3 * entries_max))
        self._numbers = bytearray(entries_max)
        self._first = 0
        self._begun_ns = 0
        self._sampled = 0
        self.now_ns = 0
        self.held = 0
        self.room = entries_max
        self.overrun = False
        self.latched = False  # an overrun that stands until the chip's status is read
        self.overruns = 0
        self.speed = 1.0 + clock_error
        self.push_g: "tuple[float, float, float] | None" = None  # the self-test's force, while on
        self.duplicate_every = 0  # a fault on demand: every n-th frame enters twice
        self.drop_every = 0  # a fault on demand: every n-th frame is counted, but does not enter
        self.stuck: "dict[int, float]" = {}  # a fault on demand: axis: the g at which it stands

    def begin(self) -> None:
        """The oscillator starts, or starts again, now."""
        self._begun_ns = self.now_ns
        self._sampled = 0

    def clear(self) -> None:
        self.held = 0
        self.overrun = False
        self.latched = False

    def advance(self, now_ns: int, rate_hz: float) -> None:
        """Samples what fell due until `now_ns` at the nominal `rate_hz`; 0 means standing by."""
        if now_ns <= self.now_ns:
            return
        self.now_ns = now_ns
        if not rate_hz:
            return
        true_hz = rate_hz * self.speed
        due = int((now_ns - self._begun_ns) * true_hz / 1e9) - self._sampled
        while due > 0:
            count = min(due, LONGEST_CATCH_UP)
            self._sample(count, 1.0 / true_hz)
            due -= count

    def value(self, axis: int) -> int:
        """Counts of the oldest frame held; the last one given when nothing is held."""
        return self._entries[3 * self._first + axis]

    def frame(self) -> "tuple[int, int, int]":
        """The same of all three axes."""
        at = 3 * self._first
        return self._entries[at], self._entries[at + 1], self._entries[at + 2]

    def number(self) -> int:
        """The number of the oldest frame held, modulo 256, counted as it was sampled."""
        return self._numbers[self._first]

    def pop(self) -> None:
        """The oldest frame is gone."""
        if self.held:
            self._first = (self._first + 1) % self._entries_max
            self.held -= 1

    def _sample(self, count: int, period_s: float) -> None:
        t0_s = self._begun_ns / 1e9 + (self._sampled + 1) * period_s
        values = self.source(t0_s, period_s, count)
        if self.push_g is not None or self.stuck:
            values = self._moved(values, count)
        if self.drop_every or self.duplicate_every:
            for place in range(count):
                number = self._sampled + place + 1
                dropped = self.drop_every and number % self.drop_every == 0
                twice = self.duplicate_every and number % self.duplicate_every == 0
                for _ in range(0 if dropped else 2 if twice else 1):
                    self._enter(values, place, place + 1)
        else:
            self._enter(values, 0, count)
        self._sampled += count

    def _moved(self, values: "Any", count: int) -> "list[float]":
        """`values` with the self-test's force, and of a stuck axis always the same."""
        push_g = self.push_g or (0.0, 0.0, 0.0)
        return [self.stuck.get(n % 3, values[n] + push_g[n % 3]) for n in range(3 * count)]

    def _enter(self, values: "Any", begin: int, end: int) -> None:
        """Frames `begin` to `end` of `values` enter; the oldest make room, if need be of these."""
        self._lose(self.held + end - begin - self.room)
        begin = max(begin, end - self.room)
        counts, entries, entry = self._counts, self._entries, self._first + self.held
        for place in range(begin, end):
            entry %= self._entries_max
            self._numbers[entry] = (self._sampled + place + 1) & 0xFF
            to, at = 3 * entry, 3 * place
            entries[to] = counts(values[at])
            entries[to + 1] = counts(values[at + 1])
            entries[to + 2] = counts(values[at + 2])
            entry += 1
        self.held += end - begin

    def _lose(self, count: int) -> None:
        """The oldest go, as many as there are; nothing when it is no more than 0."""
        if count <= 0:
            return
        gone = min(count, self.held)
        self._first = (self._first + gone) % self._entries_max
        self.held -= gone
        self.overrun = True
        self.latched = True
        self.overruns += count


def rounded(scaled: float, top: int) -> int:
    """The nearest count, clipped to -top .. top - 1 as two's complement does."""
    counts = int(scaled + 0.5) if scaled >= 0 else -int(0.5 - scaled)
    if counts >= top:
        return top - 1
    return counts if counts >= -top else -top
