"""May this reading be believed? Hot junction against cold, against the reading before, over hours.

The chip itself tells an open or shorted thermocouple; what it cannot tell is here. Pure: the state
after a reading is a new value, time comes with the reading.

A frozen chip sends one reading for ever, and so does a sound one whose two junctions stay within a
step of its converter: until a room and a machine must have moved further than the step, nobody can
tell the two apart from the readings. So the wait follows the chip's finest step: 15 minutes for one
of 1/16 degC (MAX31855, MCP9600), under 2 for one of 1/128 degC (MAX31856). Until then the last
temperature stands, as a thermometer's would; a chip that no longer answers at all is told at once.
"""

from agent.core.block import CHECK, GOOD, NO_REASON, OUT_OF_SPEC

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

NS = 1_000_000_000
COLD_DEGC = (-30.0, 85.0)  # where a cabinet's electronics still live
JUMP_DEGC = 15.0  # between two readings: a bearing takes minutes
JUMP_HOLD_S = 10.0  # interference comes in bursts; a plateau that lasts longer is a temperature
NEXT_S = 10.0  # readings further apart are not compared
BELOW_COLD_DEGC = 10.0  # a running machine is no colder than its room; outdoors in wind a little
BELOW_COLD_S = 10.0
ZERO_DEGC = 0.01  # what a chip's correction may make of 0
SAME_DEGC = 0.5  # a short at the connector makes both junctions one
SAME_S = 1800.0  # a machine that started cold is warm after half an hour
STEP_DEGC = 1 / 16  # of the coarsest chip's cold junction
DRIFT_DEGC_H = (
    0.25  # no room and no machine is steadier, neither of them: assumed, on the safe side
)


def finest_step_degc(layout: "Any") -> float:
    """The smallest change that either junction of a chip's `layout` can show."""
    return float(min(channel.scale * channel.step for channel in layout.channels))


def frozen_s(step_degc: float) -> float:
    """After how long not one count of both junctions is a frozen chip, no steady temperature."""
    return 3600.0 * step_degc / DRIFT_DEGC_H


class Thermocouple:
    """`degc`: the hot junction's temperature, None when not to be believed; `trust`: why not.

    `step_degc`: the finest step of the chip's readings.
    """

    __slots__ = (
        "_cold",
        "_cold_since_ns",
        "_hot",
        "_jump",
        "_jump_ns",
        "_now_ns",
        "_same_since_ns",
        "_step_degc",
        "_still_since_ns",
        "degc",
        "trust",
    )

    def __init__(self, step_degc: float = STEP_DEGC) -> None:
        self._step_degc = step_degc
        self._now_ns = -(1 << 62)
        self._hot = self._cold = 0.0
        self._jump = 0.0
        self._jump_ns = -(1 << 62)
        self._cold_since_ns: "int | None" = None
        self._same_since_ns: "int | None" = None
        self._still_since_ns = 0
        self.degc: "float | None" = None
        self.trust: "tuple[str, tuple[str, dict[str, Any]]]" = (GOOD, NO_REASON)

    def after(self, hot: float, cold: float, mono_ns: int, running: bool) -> "Thermocouple":
        """The state after one reading; `running`: whether the machine is known to run."""
        if abs(hot) < ZERO_DEGC and cold == 0.0:
            return self._without_a_reading()
        new = Thermocouple(self._step_degc)
        follows = mono_ns - self._now_ns <= NEXT_S * NS
        step = hot - self._hot if follows else 0.0
        jumps = abs(step) > JUMP_DEGC
        new._hot, new._cold, new._now_ns = hot, cold, mono_ns
        new._jump, new._jump_ns = (step, mono_ns) if jumps else (self._jump, self._jump_ns)
        below = running and hot < cold - BELOW_COLD_DEGC
        new._cold_since_ns = _since(below, self._cold_since_ns, mono_ns)
        same = running and abs(hot - cold) <= SAME_DEGC
        new._same_since_ns = _since(same, self._same_since_ns, mono_ns)
        still = follows and hot == self._hot and cold == self._cold
        new._still_since_ns = self._still_since_ns if still else mono_ns
        new.trust = new._judge()
        new.degc = hot if new.trust[0] == GOOD else None
        return new

    def _without_a_reading(self) -> "Thermocouple":
        """All bits 0, both junctions: a line held low or a chip after a reset, no temperature."""
        new = Thermocouple(self._step_degc)
        for name in self.__slots__:
            setattr(new, name, getattr(self, name))
        new.trust, new.degc = (CHECK, ("all_zero", {})), None
        return new

    def _judge(self) -> "tuple[str, tuple[str, dict[str, Any]]]":
        if not COLD_DEGC[0] <= self._cold <= COLD_DEGC[1]:
            return OUT_OF_SPEC, ("cold_range", {"degc": round(self._cold, 1)})
        if self._now_ns - self._jump_ns < JUMP_HOLD_S * NS:
            return CHECK, ("jump", {"degc": round(self._jump)})
        if self._lasts(self._cold_since_ns, BELOW_COLD_S):
            facts = {"hot": round(self._hot, 1), "cold": round(self._cold, 1)}
            return CHECK, ("below_room", facts)
        if self._lasts(self._same_since_ns, SAME_S):
            return CHECK, ("same_as_room", {"minutes": round(SAME_S / 60)})
        still_s = frozen_s(self._step_degc)
        if self._lasts(self._still_since_ns, still_s):
            return CHECK, ("constant", {"degc": self._hot, "minutes": round(still_s / 60)})
        return GOOD, NO_REASON

    def _lasts(self, since_ns: "int | None", seconds: float) -> bool:
        return since_ns is not None and self._now_ns - since_ns >= seconds * NS


def _since(holds: bool, before_ns: "int | None", now_ns: int) -> "int | None":
    """Since when something holds; None when it does not."""
    if not holds:
        return None
    return now_ns if before_ns is None else before_ns
