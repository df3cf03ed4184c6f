"""The recovery ladder of one sensor: what is tried after a failure, and after how long.

Retry the transfer, re-initialise the chip, nine clocks on the bus, reopen the bus, then leave the
sensor alone for a growing while and try again. What the failure looks like says which rungs make
sense. Pure: a table and no clock; whoever climbs it owns time and bus.
"""

from collections import namedtuple

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

# Rungs, bottom to top. RUNNING means: nothing is being recovered.
RUNNING, RETRY, RESTART, CLOCKS, REOPEN, ISOLATED = range(6)
RUNG_WORDS = (
    "running",
    "transfer retried",
    "chip re-initialised",
    "nine clocks given",
    "bus reopened",
    "left alone",
)

# What a failure looks like, and which rungs it climbs.
SILENT = "silent"  # nobody acknowledges: the bus works, the chip does not
STUCK = "stuck"  # the bus hangs, or fails in mid-transfer
ABSENT = "absent"  # the bus's node is not there, or may not be opened
WRONG = "wrong"  # the chip answers, but not as it should
_RUNGS = {
    SILENT: (RETRY, RESTART, REOPEN, ISOLATED),
    STUCK: (RETRY, RESTART, CLOCKS, REOPEN, ISOLATED),
    ABSENT: (REOPEN, ISOLATED),
    WRONG: (RESTART, REOPEN, ISOLATED),
}
# Linux's numbers, not names: MicroPython's errno does not know them all.
# EREMOTEIO and, of i2c-gpio, ENXIO; EPERM, ENOENT, EACCES, ENODEV.
_KIND_OF_ERRNO = {121: SILENT, 6: SILENT, 1: ABSENT, 2: ABSENT, 13: ABSENT, 19: ABSENT}

# `isolated_s`: how long an isolated sensor is left alone, the last one for ever. `steady_after`:
# good batches in a row after which it runs again. `clocks`: whether this kind of bus has a clock
# line that can be pulsed by hand.
Rules = namedtuple("Rules", ("isolated_s", "steady_after", "clocks"))


def kind_of_errno(number: "int | None") -> str:
    """What an OSError of a bus looks like; whatever is not known by name hangs the bus."""
    return _KIND_OF_ERRNO.get(number or 0, STUCK)


class Ladder:
    """Where one sensor stands. Never changed: `failed` and `worked` give the next state.

    `rung`: what is done next, after `delay_s`. `clocks`: whether nine clocks go before it, as they
    do before every attempt of an isolated sensor whose bus hangs.
    """

    def __init__(self, rules: "Rules") -> None:
        self._rules = rules
        self.rung = RUNNING
        self.rounds = 0  # failures while isolated
        self.steady = 0  # good batches since the last failure
        self.quick = False  # one good batch will do: a retry after a refusal costs nobody anything
        self.delay_s = 0.0
        self.clocks = False

    def failed(self, kind: str) -> "Ladder":
        """After one more failure of `kind`: the next rung up that helps against it."""
        after = Ladder(self._rules)
        after.rung = self._next_rung(kind)
        after.quick = after.rung == RETRY and kind == SILENT
        stuck = self._rules.clocks and kind == STUCK
        after.clocks = after.rung == CLOCKS or (after.rung == ISOLATED and stuck)
        if after.rung == ISOLATED:
            after.rounds = self.rounds + 1
            delays = self._rules.isolated_s
            after.delay_s = delays[min(self.rounds, len(delays) - 1)]
        return after

    def worked(self) -> "Ladder":
        """After a batch of good frames. One is rarely enough: a loose contact gives one, too."""
        after = Ladder(self._rules)
        steady = self.quick or self.steady + 1 >= self._rules.steady_after
        if self.rung != RUNNING and not steady:
            after.rung, after.rounds, after.steady = self.rung, self.rounds, self.steady + 1
        return after

    def words(self) -> str:
        """What is done next, for the fault's text; "" while it runs."""
        if self.rung == ISOLATED:
            return f"{RUNG_WORDS[ISOLATED]} for {self.delay_s:g} s"
        if self.rung == CLOCKS:  # whether they can be given is seen when they are tried
            return "nine clocks come next"
        return "" if self.rung == RUNNING else RUNG_WORDS[self.rung]

    def _next_rung(self, kind: str) -> int:
        for higher in _RUNGS[kind]:
            if higher > self.rung and (higher != CLOCKS or self._rules.clocks):
                return higher
        return ISOLATED


def counted(counts: "dict[int, int]") -> "dict[str, Any]":
    """How often each rung was climbed, by its words; those that were not are left out."""
    return {RUNG_WORDS[rung]: counts[rung] for rung in sorted(counts)}
