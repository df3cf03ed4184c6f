"""Is a fitted accelerometer still what it was? Its noise at rest, its zero, the way it points.

Slow things, seen over many windows: a sensor that ages or that somebody moved. None of it forbids
a judgement of the window at hand; all of it asks for a person (NE 107: maintenance). Pure.
"""

import json

import numpy as np

from agent.core.block import GOOD, MAINTENANCE, NO_REASON

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LEARN_WINDOWS = 50  # some 8 s: the mean of a running machine's windows settles to a few mg
FORGET = 1.0 / 50  # of what is now: a knock or one bad window moves nothing
FLOOR_TIMES = 2.0
KNOCK_TIMES = 4.0  # a window louder than this is a knock, and counts no more than this
DRIFT_G = 0.1  # an ADXL345's zero moves 50 mg over 40 degC (Table 1): twice that is no weather
MOVED_DEG = 10.0  # what a temperature's drift can feign is 3; a re-mounted sensor turns by more
NO_STEP_G = 0.016  # of an axis that did not move at all: the coarsest of our chips
WHITE = 6.0**0.5  # the second difference of white noise has this many times its deviation


class Fitted:
    """What was learned of one sensor, and what it is now.

    `gravity`, `floor`: what was learned before a restart, shape (axes,) in g, or None.
    """

    __slots__ = ("_floor", "_gravity", "_now_floor", "_now_gravity", "_rest", "_seen", "known")

    def __init__(self, gravity: "Floats | None" = None, floor: "Floats | None" = None) -> None:
        self.known = (gravity, floor)
        self._seen = 0
        self._rest = 0
        self._gravity: "Floats | None" = gravity
        self._now_gravity: "Floats | None" = None
        self._floor: "Floats | None" = floor
        self._now_floor: "Floats | None" = None

    def after(self, values: "Floats", at_rest: bool) -> "Fitted":
        """The state after one trusted window, (n, axes) in g, of a machine at rest or not."""
        new = Fitted(*self.known)
        gravity, floor_known = self.known
        new._seen, new._rest = self._seen + 1, self._rest + at_rest
        felt = values.mean(axis=0)
        new._now_gravity = _slow(self._now_gravity, felt, new._seen)
        learns = gravity is None and new._seen <= LEARN_WINDOWS
        new._gravity = new._now_gravity if learns else self._gravity
        new._floor, new._now_floor = self._floor, self._now_floor
        if at_rest:
            floor = noise_floor_g(values)
            if self._now_floor is not None:
                floor = np.minimum(floor, KNOCK_TIMES * self._now_floor)
            new._now_floor = _slow(self._now_floor, floor, new._rest)
            learns = floor_known is None and new._rest <= LEARN_WINDOWS
            new._floor = new._now_floor if learns else self._floor
        return new

    @property
    def learned(self) -> "tuple[Floats | None, Floats | None]":
        """(gravity, floor) as far as they are learned, before a restart or since."""
        gravity, floor = self.known
        if gravity is None and self._seen >= LEARN_WINDOWS:
            gravity = self._gravity
        if floor is None and self._rest >= LEARN_WINDOWS:
            floor = self._floor
        return gravity, floor

    @property
    def trust(self) -> "tuple[str, tuple[str, dict[str, Any]]]":
        """(NE 107 status, reason)."""
        drift_g, turned_deg, louder = self.drift_g, self.turned_deg, self._louder()
        if abs(drift_g) > DRIFT_G:
            return MAINTENANCE, ("drift", {"drift_g": round(drift_g, 2)})
        if turned_deg > MOVED_DEG:
            return MAINTENANCE, ("moved", {"degrees": round(turned_deg)})
        if louder > FLOOR_TIMES:
            return MAINTENANCE, ("noise_floor", {"times": round(louder, 1)})
        return GOOD, NO_REASON

    @property
    def drift_g(self) -> float:
        """How much longer the vector of gravity has become: no turn of the sensor does that."""
        if self._gravity is None or self._now_gravity is None or self._seen < LEARN_WINDOWS:
            return 0.0
        return float(np.linalg.norm(self._now_gravity) - np.linalg.norm(self._gravity))

    @property
    def turned_deg(self) -> float:
        """The angle between gravity as it was learned and as it is felt now."""
        if self._gravity is None or self._now_gravity is None or self._seen < LEARN_WINDOWS:
            return 0.0
        if len(self._gravity) != 3:
            return 0.0
        lengths = np.linalg.norm(self._gravity) * np.linalg.norm(self._now_gravity)
        if not lengths:
            return 0.0
        cosine = float(self._gravity @ self._now_gravity) / float(lengths)
        return float(np.degrees(np.arccos(min(1.0, max(-1.0, cosine)))))

    def _louder(self) -> float:
        """Its noise at rest now, in times of what it was."""
        if self._floor is None or self._now_floor is None or self._rest < LEARN_WINDOWS:
            return 0.0
        return float(np.max(self._now_floor / self._floor))


def to_json(fitted: "Fitted") -> str:
    """What was learned, as text; "" while nothing is. `from_json` gives it back."""
    gravity, floor = (None if one is None else one.tolist() for one in fitted.learned)
    if gravity is None and floor is None:
        return ""
    return json.dumps({"schema": 1, "gravity_g": gravity, "floor_g": floor})


def from_json(text: str) -> "Fitted":
    """ValueError when the text is not that."""
    try:
        held = json.loads(text)
        gravity, floor = (_three(held[key]) for key in ("gravity_g", "floor_g"))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"fitted: not as it was kept ({error!r})") from error
    if floor is not None and not (floor > 0).all():
        raise ValueError(f"fitted: floor_g {floor.tolist()} (expected more than 0)")
    return Fitted(gravity, floor)


def _three(values: "Any") -> "Floats | None":
    if values is None:
        return None
    held = np.asarray(values, dtype=np.float64)
    if held.shape != (3,) or not np.isfinite(held).all():
        raise ValueError(f"{values} is not three numbers")
    return held


def noise_floor_g(values: "Floats") -> "Floats":
    """White noise of each axis in g RMS, shape (axes,), below whatever moves slowly.

    Never less than a step of the chip makes by itself: on a coarse chip that is all there is.
    """
    steps = np.abs(np.diff(values, axis=0))
    step_g = np.where(steps > 0, steps, np.inf).min(axis=0)
    least = np.where(np.isfinite(step_g), step_g, NO_STEP_G) / 12**0.5
    floor: "Floats" = np.maximum(np.diff(values, n=2, axis=0).std(axis=0) / WHITE, least)
    return floor


def _slow(before: "Floats | None", now: "Floats", count: int) -> "Floats":
    """The mean of the first windows, then a slow mean of the latest ones."""
    if before is None:
        return now
    return before + max(FORGET, 1.0 / count) * (now - before)
