"""Shaft speed from the lines in a spectrum, with a confidence; and the lines at its multiples.

A speed that was given is refined within the slip of an induction motor. One that was not is looked
for as a family of harmonics, and believed only where the mains turns an induction motor: the
defect of a bearing makes families just as clear, mostly elsewhere. Behind an inverter or a belt the
speed must be given: wrong is worse than unknown. The mains and its multiples (also where they fold
at half the rate) are never the shaft.
"""

import numpy as np

from agent.analysis.lines import (
    LOBE,
    STANDS_OUT,
    line_near,
    mains_lines_hz,
    peak_hz,
    separation_hz,
)

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import NamedTuple

    from numpy.typing import NDArray

    from agent.analysis.lines import Lines

    Floats = NDArray[np.float64]

    class Speed(NamedTuple):
        """`hz`: None when unknown. `source`: given, ridge or unknown.

        `elsewhere_hz`: where a motor's family of lines is, when it does not fit what was given.
        """

        hz: float | None
        confidence: float
        source: str
        elsewhere_hz: float | None = None

    class OrderLines(NamedTuple):
        """Lines at ORDERS. `mm_s`, `g`, `above`: shape (axes, 20). `clear`: (20,), see below."""

        mm_s: Floats
        g: Floats
        above: Floats
        clear: NDArray[np.bool_]
else:
    from collections import namedtuple

    Speed = namedtuple("Speed", ("hz", "confidence", "source", "elsewhere_hz"), defaults=(None,))
    OrderLines = namedtuple("OrderLines", ("mm_s", "g", "above", "clear"))

UNKNOWN_SPEED = Speed(None, 0.0, "unknown")
ORDERS = tuple(0.5 * k for k in range(1, 21))
SLIP_MAX = 0.03  # a nameplate's speed is at full load: the true one lies within 3 % of it
SLIP_FAMILY = 0.07  # small motors slip this much below their synchronous speed
POLES = (2, 4, 6, 8)
SEARCH_HZ = (8.0, 65.0)  # eight poles with slip at 50 Hz up to two poles at 60 Hz
HARMONICS = 6
DECADES_MAX = 3.0  # of power above the noise that count: one strong line is no family
FAMILY_MIN = 3  # of the first six
RIVAL_OF_BEST = 0.8  # another family this good means: not known
GIVEN_UNSEEN = 0.5  # confidence in a speed that was given and shows no line
GIVEN_ONE_LINE = 0.8
GIVEN_SEEN = 0.95
USABLE = 0.5  # a speed of less confidence is not used
BELOW_MAX = 0.5  # a shaft's own line is the strongest in velocity of all up to it
PEAKS_MAX = 30


def find_speed(lines: "Lines", given_hz: "float | None", mains_hz: float) -> "Speed":
    """The shaft's speed; `given_hz` is what is known of it, or None.

    Confidence: 0.95 for a given speed with two or more lines found within 3 %, 0.8 with one, 0.5
    with none. Without one: 0.74 with three of the first six harmonics to 0.9 with five.
    """
    decades = _decades(lines, mains_hz)
    if given_hz is not None:
        refined = _refined(lines, decades, given_hz)
        if refined.confidence > GIVEN_UNSEEN:
            return refined
        return refined._replace(elsewhere_hz=_found(lines, decades, mains_hz).hz)
    return _found(lines, decades, mains_hz)


def order_lines(lines: "Lines", shaft_hz: float, mains_hz: float) -> "OrderLines":
    """The lines at half and whole orders to 10x.

    `clear`: seen by the sensor, apart from its neighbours and from the lines of the mains.
    """
    apart_hz = separation_hz(lines)
    mains = mains_lines_hz(mains_hz, lines.rate_hz)
    axes = len(lines.power_g2)
    mm_s, g, above = (np.zeros((axes, len(ORDERS))) for _ in range(3))
    clear = np.zeros(len(ORDERS), dtype=bool)
    for place, order in enumerate(ORDERS):
        hz = order * shaft_hz
        line = line_near(lines, hz, _reach_hz(lines, order, shaft_hz))
        if line is None:
            continue
        mm_s[:, place], g[:, place], above[:, place] = line.mm_s, line.g, line.above
        clear[place] = 0.5 * shaft_hz >= apart_hz and all(
            abs(hz - one) >= apart_hz for one in mains
        )
    return OrderLines(mm_s, g, above, clear)


def place_of(order: float) -> int:
    """Where an order stands among ORDERS."""
    return round(2 * order) - 1


def _reach_hz(lines: "Lines", order: float, shaft_hz: float) -> float:
    """Half a bin, and what the speed's own error and wander come to at that order."""
    return min(lines.step_hz * (0.5 + 0.25 * order), 0.2 * shaft_hz)


def _decades(lines: "Lines", mains_hz: float) -> "Floats":
    """How far the strongest axis stands above its noise in each bin, in decades of power, 0 to 3.

    Only as far as harmonics are looked for; the mains is blanked.
    """
    last = int(min(lines.top_hz, HARMONICS * 2 * SEARCH_HZ[1]) / lines.step_hz)
    above = (lines.power_g2[:, : last + 1] / lines.floor_g2[:, : last + 1]).max(axis=0)
    decades: Floats = np.clip(np.log10(np.maximum(above, 1.0)), 0.0, DECADES_MAX)
    for hz in mains_lines_hz(mains_hz, lines.rate_hz):
        place = round(hz / lines.step_hz)
        decades[max(0, place - LOBE) : place + LOBE + 1] = 0.0
    decades[: LOBE + 1] = 0.0
    return decades


def _family(lines: "Lines", decades: "Floats", shaft_hz: "Floats") -> "Floats":
    """Decades at the first harmonics of each candidate, shape (candidates, HARMONICS)."""
    places = np.outer(shaft_hz, np.arange(1, HARMONICS + 1)) / lines.step_hz
    nearest = np.floor(places + 0.5).astype(np.int64)
    seen = nearest < len(decades)
    family: Floats = np.where(seen, decades[np.minimum(nearest, len(decades) - 1)], 0.0)
    return family


def _refined(lines: "Lines", decades: "Floats", given_hz: float) -> "Speed":
    reach = max(SLIP_MAX * given_hz, lines.step_hz)
    step = lines.step_hz / (2 * HARMONICS)
    grid = np.arange(given_hz - reach, given_hz + reach + step, step)
    grid = grid[grid > LOBE * lines.step_hz]
    if not len(grid):
        return Speed(given_hz, GIVEN_UNSEEN, "given")
    family = _family(lines, decades, grid)
    # Of equally good ones the nearest to what was given.
    score = family.sum(axis=1) - 1e-3 * np.abs(grid - given_hz) / reach
    best = int(np.argmax(score))
    counted = int((family[best] >= np.log10(STANDS_OUT)).sum())
    if not counted:
        return Speed(given_hz, GIVEN_UNSEEN, "given")
    confidence = GIVEN_SEEN if counted > 1 else GIVEN_ONE_LINE
    return Speed(_sharpened(lines, family[best], float(grid[best])), confidence, "ridge")


def _sharpened(lines: "Lines", family: "Floats", shaft_hz: float) -> float:
    """From the highest harmonic among the first three that stands out: it divides the error."""
    for order in (3, 2, 1):
        line = line_near(lines, order * shaft_hz, lines.step_hz)
        if line is not None and family[order - 1] >= np.log10(STANDS_OUT):
            return line.hz / order
    return shaft_hz


def _found(lines: "Lines", decades: "Floats", mains_hz: float) -> "Speed":
    candidates = _candidates(lines, decades)
    if not len(candidates):
        return UNKNOWN_SPEED
    family = _family(lines, decades, candidates)
    counted = (family >= np.log10(STANDS_OUT)).sum(axis=1)
    score = family.sum(axis=1) * (family[:, 0] >= np.log10(STANDS_OUT))
    best = int(np.argmax(score))
    shaft_hz = float(candidates[best])
    apart = np.abs(candidates - shaft_hz) > lines.step_hz
    rival = bool((score[apart] > RIVAL_OF_BEST * score[best]).any())
    if rival or counted[best] < FAMILY_MIN or not _is_motor_speed(shaft_hz, mains_hz):
        return UNKNOWN_SPEED
    if _stronger_below(lines, decades, shaft_hz):
        return UNKNOWN_SPEED
    confidence = min(0.9, 0.5 + 0.08 * float(counted[best]))
    return Speed(_sharpened(lines, family[best], shaft_hz), confidence, "ridge")


def _stronger_below(lines: "Lines", decades: "Floats", shaft_hz: float) -> bool:
    """Whether a line below moves the machine more: then this one is a bearing's or a multiple."""
    first = line_near(lines, shaft_hz, lines.step_hz)
    last = int((shaft_hz - separation_hz(lines)) / lines.step_hz)
    lowest = max(LOBE + 1, int(0.5 * SEARCH_HZ[0] / lines.step_hz))
    for place in np.flatnonzero(decades[:last] >= np.log10(STANDS_OUT)):
        below = line_near(lines, float(place) * lines.step_hz, 0.0) if place >= lowest else None
        if first is None or (below is not None and below.mm_s.max() > BELOW_MAX * first.mm_s.max()):
            return True
    return False


def _candidates(lines: "Lines", decades: "Floats") -> "Floats":
    """Lines that stand out, and their halves and thirds, within the speeds looked for."""
    inner = decades[1:-1]
    tops = np.flatnonzero(
        (inner >= np.log10(STANDS_OUT)) & (inner >= decades[:-2]) & (inner >= decades[2:])
    )
    tops = tops[np.argsort(-inner[tops], kind="stable")][:PEAKS_MAX] + 1
    hz = np.array([peak_hz(lines, int(top)) / k for top in tops for k in (1, 2, 3)])
    low_hz = max(SEARCH_HZ[0], (2 * LOBE + 1) * lines.step_hz)
    return hz[(hz >= low_hz) & (hz <= SEARCH_HZ[1])] if len(hz) else hz


def _is_motor_speed(shaft_hz: float, mains_hz: float) -> bool:
    for poles in POLES:
        synchronous_hz = 2 * mains_hz / poles
        if (1 - SLIP_FAMILY) * synchronous_hz <= shaft_hz <= 1.002 * synchronous_hz:
            return True
    return False
