"""The running states of one machine: which one it is in, and what is normal in each.

States are told apart by the shaft's speed where it is known well enough, else by the pattern of
lines, which shifts as a whole when the speed changes. A fault shifts nothing, so it is never taken
for another state. Each state is learned by itself; no two mountings are pooled.
"""

from agent.analysis.known import KnownState
from agent.analysis.signature import same_speed, shift_between
from agent.core.operating_state import NO_BAND, SpeedBand, near_speed
from agent.limits import SPEED_AGREE, SPEED_BAND, SPEED_STATES_MAX, SPEED_TRUSTED
from agent.stages.learn import Learner

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from agent.analysis.orders import Speed

SLOWEST = 0.05  # of a mean that follows: the last twenty stretches count


class RunningState:
    """One speed: `normal` (a KnownState) once it is learned, until then `learner`."""

    def __init__(self, learner: "Learner", normal: "KnownState | None" = None) -> None:
        self.learner = learner
        self.normal = normal
        self.pattern: "Any" = None if normal is None else normal.pattern
        self.speed_hz: "float | None" = None if normal is None else normal.speed_hz
        self._stretches = 0

    def seen(self, pattern: "Any", speed_hz: "float | None") -> None:
        """What it is recognised by: the mean pattern of all that was seen while it was learned."""
        if self.normal is not None:
            return
        if self.pattern is None or len(self.pattern) != len(pattern):
            self.pattern, self._stretches = pattern, 0
        self._stretches += 1
        share = max(1.0 / self._stretches, SLOWEST)
        self.pattern = self.pattern + share * (pattern - self.pattern)
        self.speed_hz = speed_hz if speed_hz is not None else self.speed_hz


class RunningStates:
    """`version` grows with everything that is to be kept. `crowded`: more speeds than are kept.

    `placed`: False while the last stretch fits no known pattern at any speed.
    """

    def __init__(self, learn_minutes: float, known: "list[KnownState] | None" = None) -> None:
        self._learn_minutes = learn_minutes
        self.states = [RunningState(Learner(learn_minutes), one) for one in known or ()]
        self._band = SpeedBand(0 if self.states else NO_BAND, 0, SPEED_AGREE)
        self.version = 0
        self.crowded = False
        self.placed = True

    @property
    def current(self) -> "RunningState":
        """The state the machine is in; the first one before anything else is known."""
        if not self.states:
            self.states.append(RunningState(Learner(self._learn_minutes)))
            self._band = self._band.entered(0)
        return self.states[max(self._band.current, 0)]

    @property
    def sure(self) -> bool:
        """False while the speed looks like none of the known ones, and is not yet one itself."""
        return self._band.strange == 0 and not self.crowded

    def known(self) -> "list[KnownState]":
        return [state.normal for state in self.states if state.normal is not None]

    def learned(self, state: "RunningState", normal: "KnownState") -> None:
        state.normal = normal
        self.version += 1

    def forget(self) -> None:
        """Everything is learned anew: the sensor was moved, or the machine rebuilt."""
        self.states = []
        self._band = SpeedBand(NO_BAND, 0, SPEED_AGREE)
        self.crowded = False
        self.version += 1

    def stretch(self, pattern: "Any", speed: "Speed") -> bool:
        """One steady stretch; whether it put the machine into another state."""
        before = self.current
        trusted_hz = speed.hz if speed.confidence >= SPEED_TRUSTED else None
        match = self._match(pattern, trusted_hz)
        self.placed = match is not None
        self._band = self._band.after(match)
        if self._band.strange == 0:
            self.crowded = False
        if self._band.is_new():
            self._enter_new()
        if self.sure:
            self.current.seen(pattern, trusted_hz)
        return self.current is not before

    def _match(self, pattern: "Any", hz: "float | None") -> "int | None":
        """The known state of a stretch; NO_BAND: another speed than all; None: cannot be said.

        The pattern decides where it can: a speed that was found may be a multiple of the true one.
        """
        best, place, blank = 0.0, NO_BAND, False
        for at, state in enumerate(self.states):
            if state.pattern is None:
                return max(self._band.current, 0)
            shift = shift_between(pattern, state.pattern)
            same = same_speed(shift)
            blank = blank or same is None
            if same and shift.here > best:
                best, place = shift.here, at
        if place != NO_BAND or not blank:
            return place
        known = [state.speed_hz for state in self.states]
        found = None if hz is None else near_speed(hz, known, SPEED_BAND)
        return None if found == NO_BAND else found

    def _enter_new(self) -> None:
        if len(self.states) >= SPEED_STATES_MAX:
            self.crowded = True
            return
        self.states.append(RunningState(Learner(self._learn_minutes)))
        self._band = self._band.entered(len(self.states) - 1)
