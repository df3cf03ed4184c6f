"""Whether a machine runs, at which of its speeds, for how long. Stopped never alarms or teaches.

From vibration, and from temperature where vibration is too weak to tell: pure functions of what
one more window or stretch showed.
"""

import json

STOPPED = "stopped"
STARTING = "starting"
RUNNING = "running"
CHANGING = "changing"  # speeding up, slowing down, coasting: runs, but at no speed to compare
RUNS = (RUNNING, CHANGING)
NO_BAND = -1
REST = 8  # windows without motion in a row, 1.3 s, before what ran counts as stopped
GAP_NS = 120 * 1_000_000_000  # a longer silence is not counted as running: nobody saw it


class OperatingState:
    """`name`: stopped, starting (moving, not yet settled), changing or running. Unchanging.

    `steady`: False while the speed changes. `run_ns`, `starts`: counted; `at_ns`: of the window.
    `stood`: seen at rest since it last ran; without that, running is no start but the agent's own.
    `still`: windows without motion in a row: one that runs quietly is not stopped by one of them.
    `quiet`: a stretch showed that it runs, while windows heard nothing: they do not stop it then;
    False: a stretch showed that it does not; None: no stretch has shown either.
    """

    def __init__(
        self,
        name: str,
        moving: int,
        settle: int,
        below_mm_s: float,
        steady: bool = True,
        run_ns: int = 0,
        starts: int = 0,
        at_ns: int = 0,
        stood: bool = False,
        still: int = 0,
        quiet: "bool | None" = None,
    ) -> None:
        self.name = name
        self.moving = moving
        self.settle = settle
        self.below_mm_s = below_mm_s
        self.steady = steady
        self.run_ns = run_ns
        self.starts = starts
        self.at_ns = at_ns
        self.stood = stood
        self.still = still
        self.quiet = quiet

    @property
    def run_hours(self) -> float:
        return self.run_ns / 3.6e12

    def after(self, velocity_rms_mm_s: float, mono_ns: int = 0) -> "OperatingState":
        """The state after one more window of this velocity, which ended at `mono_ns`."""
        heard = velocity_rms_mm_s >= self.below_mm_s or self.quiet
        still = 0 if heard else self.still + 1
        if still and (self.name not in RUNS or still >= REST):
            return self._next(STOPPED, 0, mono_ns, still)
        if still:
            return self._next(self.name, self.moving, mono_ns, still)
        moving = min(self.moving + 1, self.settle)
        if moving < self.settle:
            return self._next(STARTING, moving, mono_ns, 0)
        return self._next(RUNNING if self.steady else CHANGING, moving, mono_ns, 0)

    def stretched(self, steady: bool) -> "OperatingState":
        """After a longer stretch showed whether the speed holds."""
        name = self.name
        if name in RUNS:
            name = RUNNING if steady else CHANGING
        return OperatingState(
            name,
            self.moving,
            self.settle,
            self.below_mm_s,
            steady,
            self.run_ns,
            self.starts,
            self.at_ns,
            self.stood,
            self.still,
            self.quiet,
        )

    def heard(self, quiet: bool) -> "OperatingState":
        """After a longer stretch showed that it turns, unheard by windows (`quiet`), or did not.

        A machine that turned in the first stretch already has not been seen at rest.
        """
        stood = self.stood and not (quiet and self.quiet is None)
        state = OperatingState(
            self.name,
            self.moving,
            self.settle,
            self.below_mm_s,
            self.steady,
            self.run_ns,
            self.starts,
            self.at_ns,
            stood,
            0 if quiet else self.still,
            quiet,
        )
        if not quiet or self.name in RUNS:
            return state
        return state._next(RUNNING, self.settle, self.at_ns, 0)

    def _next(self, name: str, moving: int, mono_ns: int, still: int) -> "OperatingState":
        """Running time counts from window to window while it runs, but not across a gap."""
        passed_ns = mono_ns - self.at_ns
        ran = self.name in RUNS and 0 < passed_ns < GAP_NS
        started = name in RUNS and self.stood
        return OperatingState(
            name,
            moving,
            self.settle,
            self.below_mm_s,
            self.steady or name == STOPPED,
            self.run_ns + (passed_ns if ran else 0),
            self.starts + (1 if started else 0),
            mono_ns,
            name == STOPPED or (self.stood and not started),
            still,
            self.quiet,
        )


def unseen_machine(settle: int, below_mm_s: float) -> "OperatingState":
    """Not yet seen moving: it counts as running after `settle` windows above `below_mm_s`."""
    return OperatingState(STOPPED, 0, settle, below_mm_s)


def usage_to_json(state: "OperatingState") -> str:
    """Run time and starts as text; `with_usage` gives them back."""
    return json.dumps({"schema": 1, "run_ns": state.run_ns, "starts": state.starts})


def with_usage(state: "OperatingState", text: str) -> "OperatingState":
    """`state` with what was counted before. ValueError when the text is not that."""
    try:
        held = json.loads(text)
        run_ns, starts = int(held["run_ns"]), int(held["starts"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"usage: not as it was kept ({error!r})")
    if run_ns < 0 or starts < 0:
        raise ValueError(f"usage: {run_ns} ns and {starts} starts (expected 0 or more)")
    return OperatingState(
        state.name,
        state.moving,
        state.settle,
        state.below_mm_s,
        state.steady,
        run_ns,
        starts,
        state.at_ns,
        state.stood,
        state.still,
        state.quiet,
    )


class SpeedBand:
    """Which of a machine's known running states a stretch belongs to. Unchanging.

    `current`: its place among the known ones, NO_BAND before any. A new one counts once `agree`
    stretches in a row show a speed that is none of the known ones.
    """

    def __init__(self, current: int, strange: int, agree: int) -> None:
        self.current = current
        self.strange = strange
        self.agree = agree

    def after(self, match: "int | None") -> "SpeedBand":
        """`match`: the place of the known state it matches, NO_BAND for none, None: cannot say."""
        if match is None:
            return self
        if match != NO_BAND:
            return SpeedBand(match, 0, self.agree)
        return SpeedBand(self.current, self.strange + 1, self.agree)

    def is_new(self) -> bool:
        """Whether a state that is not known yet has been seen often enough."""
        return self.strange >= self.agree

    def entered(self, place: int) -> "SpeedBand":
        """In the state at `place`, which is known from now on."""
        return SpeedBand(place, 0, self.agree)


def near_speed(hz: float, known_hz: "list[float | None]", tolerance: float) -> "int | None":
    """The place of the known speed nearest to `hz` within `tolerance`; NO_BAND when all are apart.

    None when a known one has no speed to compare with and none fits.
    """
    best, place = tolerance, NO_BAND
    blank = False
    for at, one in enumerate(known_hz):
        if one is None:
            blank = True
        elif abs(hz / one - 1.0) <= best:
            best, place = abs(hz / one - 1.0), at
    return None if place == NO_BAND and blank else place
