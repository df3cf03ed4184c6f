"""Which element of a rolling bearing strikes, from its envelope; or none; or unknown.

A defect strikes at its element's order of shaft speed. Each axis is heard by itself: the spectrum
of the squared envelope (agent.analysis.whitening), levels over its own noise, and for each element
the comb of its first three multiples (agent.analysis.combs) at the best slip within 2 %. A sensor
up to 4 kHz is heard in its own band from 300 Hz; a wider one pre-whitened.

A wrong element named is worse than silence. An element is named only when
  * its score is above a threshold that no healthy recording and no simulated disturbance reached,
  * its first and one more multiple stand out by themselves,
  * it is clearly ahead of every other element (a sideband of it does not count as another),
  * nothing else that repeats explains the envelope better,
  * it lies off the multiples of the shaft and of the mains, by more than their skirts are wide,
  * no other axis names another element.
"""

from collections import namedtuple

import numpy as np

from agent.analysis.bearings import BearingVerdict
from agent.analysis.combs import (
    BLANK_LINES,
    HARMONICS,
    RESOLVED,
    SPEED_ERROR,
    STEP,
    best_of,
    comb,
    levels,
    shaft_line,
    without_multiples,
)
from agent.analysis.whitening import envelope_power, smooth_at_most, spectrum_lines, whitened

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from agent.analysis.bearings import BearingOrders

    Floats = NDArray[np.float64]

LOW_HZ = 300.0  # below it the shaft's and the mains' own lines are
BAND_SHARE = 0.95  # of the bandwidth, of Nyquist: a filter's edge is not flat
SLOW_HZ = 4000.0  # up to this bandwidth pre-whitening has too little band to hear in
SEES_HZ = 1000.0  # sensors below miss half of the recorded faults: their silence means nothing
SLIP = 0.02
SLIP_UNSURE = 0.05  # of slip and speed together: who strikes here is not overlooked
REVOLUTIONS_MIN = 20.0  # of the shaft in a stretch: fewer do not part the elements
SEGMENT_S = 8.0  # longer, and a speed that wanders smears the lines; then segments are averaged
MAINS_HZ = (50.0, 60.0)
NAMED = {"whitened": 1.7, "band": 1.8}  # score from which an element is named
NEAR_WHOLE = 0.06  # an order this near to a whole one: lines of the shaft wander this far,
NEAR_WHOLE_MORE = 0.4  # so it takes this much more to be named
QUIET = {"whitened": 1.1, "band": 1.2}  # score up to which nothing stands out
SEEN = 1.0  # level from which one multiple stands out
AHEAD = 0.4  # of the score over the other elements'
CAGE_ALONE = 1.5  # level of another element's line from which the cage is taken to modulate it
EXPLAINED = 0.2  # how much better something else that repeats may fit
SIDEBANDS = (-2, -1, 1, 2)  # of shaft speed, around an element's lines
RANK = ("inner", "outer", "rolling_element", "cage")  # whose sidebands are the stronger
ORDERS_SEARCHED = (0.3, 8.5)  # where else something may repeat

# `places`: of the multiples among the lines. `score`, `parts`: of the best slip.
Heard = namedtuple("Heard", ("name", "order", "line", "score", "parts"))
# `line`: the shaft's place among the lines; `spacing_hz` of the lines.
Shaft = namedtuple("Shaft", ("line", "resolved", "spacing_hz"))


def judge_bearing(
    acceleration_g: "Floats",
    rate_hz: float,
    shaft_hz: "float | None",
    orders: "BearingOrders | None",
    bandwidth_hz: "float | None" = None,
) -> "BearingVerdict":
    """The verdict on a gapless stretch of some seconds, shape (n, axes), in g.

    `shaft_hz` may be off by 3 %, as a nominal speed is. `bandwidth_hz` of the sensor; None: 0.95 of
    Nyquist. Never raises for what a sensor or a user can give; `unknown` carries the reason.
    """
    band_hz = _band_hz(rate_hz, bandwidth_hz)
    method = "band" if band_hz[1] <= BAND_SHARE * SLOW_HZ else "whitened"
    reason = _why_not(acceleration_g, rate_hz, shaft_hz, orders, band_hz)
    if reason or shaft_hz is None or orders is None:
        return _unknown(method, reason)
    elements = _visible(orders, shaft_hz, band_hz)
    top_hz = HARMONICS * (1 + SPEED_ERROR) * (1 + SLIP) * max(order for _, order in elements)
    powers = _powers(acceleration_g, rate_hz, band_hz, top_hz * shaft_hz, method)
    shaft = _shaft(powers, shaft_hz)
    axes = [_judge_axis(power, shaft, elements, orders, method) for power, _, _ in powers]
    verdict = _combined(axes, method)
    if verdict.verdict == "none" and not _sees_all(orders, shaft_hz, band_hz):
        return _unknown(method, "bandwidth")
    return verdict


def bearing_visibility(
    bandwidth_hz: "float | None",
    rate_hz: float,
    shaft_hz: "float | None",
    orders: "BearingOrders | None",
) -> "tuple[str, ...]":
    """Codes of what a sensor cannot see of a bearing: `bearing_unknown` (not said which it is),
    `bearing_no_speed`, else bearing_outer, bearing_inner, bearing_rolling_element, bearing_cage
    (element out of sight), `bearing_quiet` (its silence means nothing), `bearing_early` (only
    grown faults show: no resonance of the housing lies within the sensor's band).
    """
    if orders is None:
        return ("bearing_unknown",)
    if not shaft_hz or not shaft_hz > 0:
        return ("bearing_no_speed",)
    band_hz = _band_hz(rate_hz, bandwidth_hz)
    seen = {name for name, _ in _visible(orders, shaft_hz, band_hz)}
    codes = [f"bearing_{name}" for name, _ in _elements(orders) if name not in seen]
    if not _sees_all(orders, shaft_hz, band_hz):
        codes.append("bearing_quiet")
    if band_hz[1] <= BAND_SHARE * SLOW_HZ:
        codes.append("bearing_early")
    return tuple(codes)


def _elements(orders: "BearingOrders") -> "tuple[tuple[str, float], ...]":
    """(name, order of its impacts): a defect on a ball strikes twice in a turn of the ball."""
    return (
        ("outer", orders.bpfo),
        ("inner", orders.bpfi),
        ("rolling_element", 2 * orders.bsf),
        ("cage", orders.ftf),
    )


def _band_hz(rate_hz: float, bandwidth_hz: "float | None") -> "tuple[float, float]":
    nyquist_hz = rate_hz / 2
    if bandwidth_hz is None:
        bandwidth_hz = BAND_SHARE * nyquist_hz
    return LOW_HZ, BAND_SHARE * min(bandwidth_hz, nyquist_hz)


def _visible(
    orders: "BearingOrders", shaft_hz: float, band_hz: "tuple[float, float]"
) -> "list[tuple[str, float]]":
    """Elements whose first two multiples fit: no envelope is faster than its band is wide."""
    width = band_hz[1] - band_hz[0]
    return [(name, order) for name, order in _elements(orders) if 2 * order * shaft_hz <= width]


def _sees_all(orders: "BearingOrders", shaft_hz: float, band_hz: "tuple[float, float]") -> bool:
    width = band_hz[1] - band_hz[0]
    fastest = max(order for _, order in _elements(orders))
    return band_hz[1] >= BAND_SHARE * SEES_HZ and HARMONICS * fastest * shaft_hz <= width


def _why_not(
    acceleration_g: "Floats",
    rate_hz: float,
    shaft_hz: "float | None",
    orders: "BearingOrders | None",
    band_hz: "tuple[float, float]",
) -> str:
    """Why nothing can be said, as a code, or ""."""
    if orders is None:
        return "no_bearing"
    if shaft_hz is None or not 0 < shaft_hz < np.inf:
        return "no_speed"
    if len(acceleration_g) * shaft_hz < REVOLUTIONS_MIN * rate_hz:
        return "too_short"
    if not _visible(orders, shaft_hz, band_hz):
        return "bandwidth"
    if acceleration_g.shape[1] == 0 or not np.isfinite(acceleration_g).all():
        return "not_finite"
    if not (np.ptp(acceleration_g, axis=0) > 0).any():
        return "silent"
    return ""


def _unknown(method: str, reason: str) -> "BearingVerdict":
    return BearingVerdict("unknown", None, None, None, 0, None, method, reason)


def _powers(
    acceleration_g: "Floats",
    rate_hz: float,
    band_hz: "tuple[float, float]",
    top_hz: float,
    method: str,
) -> "list[tuple[Floats, Floats, float]]":
    """(power of the envelope's lines, of the acceleration's lines, their spacing) of each axis that
    moves; averaged over equal segments of at most eight seconds."""
    count = int(np.ceil(len(acceleration_g) / (SEGMENT_S * rate_hz)))
    length = smooth_at_most(len(acceleration_g) // count)
    spacing_hz = rate_hz / length
    first, last = (round(hz / spacing_hz) for hz in band_hz)
    top = min(int(top_hz / spacing_hz) + 2, last - first)
    found = []
    for axis in acceleration_g.T:
        if np.ptp(axis) == 0:
            continue
        envelope, direct = np.zeros(top + 1), np.zeros(top + 1)
        for part in range(count):
            lines = spectrum_lines(axis[part * length : (part + 1) * length])
            band = lines[first : last + 1]
            envelope += envelope_power(whitened(band) if method == "whitened" else band, top)
            direct += _hann_power(lines, top)
        found.append((envelope, direct, spacing_hz))
    return found


def _hann_power(lines: "NDArray[Any]", top: int) -> "Floats":
    """Power of lines 0..`top` as a Hann window would have left them (a convolution of lines)."""
    near = lines[: top + 2]
    power = np.zeros(top + 1)
    smooth = near[1:-1] - 0.5 * (near[:-2] + near[2:])
    power[1 : len(smooth) + 1] = smooth.real**2 + smooth.imag**2
    return power


def _shaft(powers: "list[tuple[Floats, Floats, float]]", shaft_hz: float) -> "Shaft":
    """Its place, from the axis that shows its multiples best; else where it is said to be."""
    spacing_hz = powers[0][2]
    nominal = shaft_hz / spacing_hz
    found = [shaft_line(levels(direct, int(nominal / 2)), nominal) for _, direct, _ in powers]
    line, level = max(found, key=lambda one: one[1])
    if level >= RESOLVED:
        return Shaft(line, True, spacing_hz)
    return Shaft(nominal, False, spacing_hz)


def _judge_axis(
    power: "Floats",
    shaft: "Shaft",
    elements: "list[tuple[str, float]]",
    orders: "BearingOrders",
    method: str,
) -> "BearingVerdict":
    level = without_multiples(levels(power, int(shaft.line / 2)), shaft.line)
    for hz in MAINS_HZ:
        twice = np.array([2 * hz / shaft.spacing_hz])
        if comb(level, twice, 1)[0, 0] >= SEEN:
            level = without_multiples(level, hz / shaft.spacing_hz)
    heard = [_heard(level, shaft, name, order, SLIP) for name, order in elements]
    best = max(heard, key=lambda one: one.score)
    if best.score <= QUIET[method]:
        return _quiet(level, shaft, elements, best, method)
    if best.score < _needed(best.order, method) or not _stands_out(best):
        return _unknown(method, "unclear")
    if (
        not _is_ahead(best, heard, shaft)
        or _overlooked(level, shaft, elements, best)
        or _like_inner_sideband(best, orders)
        or _other_repeats(level, best, shaft, orders)
    ):
        return _unknown(method, "ambiguous")
    return BearingVerdict(
        best.name,
        best.order,
        best.line * shaft.spacing_hz,
        best.line / (best.order * shaft.line) - 1,
        int((best.parts >= SEEN).sum()),
        best.score,
        method,
        "",
    )


def _quiet(
    level: "Floats",
    shaft: "Shaft",
    elements: "list[tuple[str, float]]",
    best: "Heard",
    method: str,
) -> "BearingVerdict":
    """`none`, unless an element may have been missed."""
    blank = BLANK_LINES / shaft.line
    if any(_hidden(order, shaft) or _from_whole(order) <= blank for _, order in elements):
        return _unknown(method, "near_whole_order")
    if not shaft.resolved:
        wide = [_heard(level, shaft, name, order, SLIP_UNSURE) for name, order in elements]
        if max(one.score for one in wide) > QUIET[method]:
            return _unknown(method, "speed_unsure")
    return BearingVerdict("none", None, None, None, 0, best.score, method, "")


def _heard(level: "Floats", shaft: "Shaft", name: str, order: float, reach: float) -> "Heard":
    """The element's comb at its best slip up to `reach`, on its side of the nearest whole order."""
    if _hidden(order, shaft):
        return Heard(name, order, order * shaft.line, 0.0, np.zeros(HARMONICS))
    low, high = order * (1 - reach), order * (1 + reach)
    whole = round(order)
    if whole and low < whole < high:
        low, high = (whole, high) if order > whole else (low, whole)
    line = np.arange(low * shaft.line, high * shaft.line + STEP, STEP)
    parts = comb(level, line)
    best = best_of(parts.mean(axis=0))
    return Heard(name, order, float(line[best]), float(parts[:, best].mean()), parts[:, best])


def _from_whole(order: float) -> float:
    """How far an order lies from the nearest multiple of the shaft."""
    whole = round(order)
    return abs(order - whole) if whole else order


def _hidden(order: float, shaft: "Shaft") -> bool:
    """Too near a whole order for a speed that is not sure: it may as well be the shaft's line."""
    return not shaft.resolved and _from_whole(order) <= (SLIP + SPEED_ERROR) * order


def _needed(order: float, method: str) -> float:
    """The score from which an element of this order is named."""
    return NAMED[method] + (NEAR_WHOLE_MORE if _from_whole(order) < NEAR_WHOLE else 0.0)


def _stands_out(best: "Heard") -> bool:
    return bool(best.parts[0] >= SEEN and (best.parts[1:] >= SEEN).any())


def _is_ahead(best: "Heard", heard: "list[Heard]", shaft: "Shaft") -> bool:
    """Ahead of every other element; what may be a sideband of another is not ahead of it."""
    return not any(_contests(other, best, shaft) for other in heard if other is not best)


def _contests(other: "Heard", best: "Heard", shaft: "Shaft") -> bool:
    if best.name == "cage" and other.parts[0] >= CAGE_ALONE:
        return True  # a race's or a ball's line, which the cage only modulates
    if not _is_sideband(other, best, shaft):
        return bool(other.score > best.score - AHEAD)
    return RANK.index(other.name) < RANK.index(best.name) and other.score >= SEEN


def _overlooked(
    level: "Floats", shaft: "Shaft", elements: "list[tuple[str, float]]", best: "Heard"
) -> bool:
    """Would another element, or the same elsewhere, lead if the speed were off by 3 % more?"""
    for name, order in elements:
        wide = _heard(level, shaft, name, order, SLIP_UNSURE)
        if abs(wide.line - best.line) <= max(2.5, 0.006 * best.line):
            continue
        if wide.score > best.score + (EXPLAINED if name == best.name else -AHEAD):
            # Of two lines that are sidebands of each other the larger is the one that strikes.
            if not _is_sideband(wide, best, shaft) or wide.parts[0] >= best.parts[0]:
                return True
        elif best.name == "cage" and wide.parts[0] >= CAGE_ALONE:
            return True
    return False


def _is_sideband(one: "Heard", other: "Heard", shaft: "Shaft") -> bool:
    return any(abs(one.line - other.line - k * shaft.line) <= 2 for k in SIDEBANDS)


def _like_inner_sideband(best: "Heard", orders: "BearingOrders") -> bool:
    """Some bearings' other orders lie on a sideband of the inner race: those are not told apart."""
    apart = [abs(best.order - orders.bpfi - k) for k in SIDEBANDS]
    return bool(best.name != "inner" and min(apart) <= SLIP * best.order)


def _other_repeats(level: "Floats", best: "Heard", shaft: "Shaft", orders: "BearingOrders") -> bool:
    """Does something that is no relative of the element repeat more clearly than it?"""
    low, high = (order * shaft.line for order in ORDERS_SEARCHED)
    line = np.arange(low, min(high, len(level) - 1.0), 2 * STEP)
    scores = comb(level, line).mean(axis=0)
    own = [k * best.line for k in range(1, HARMONICS + 1)]
    own += [best.line + k * shaft.line for k in SIDEBANDS]
    own += [k * orders.ftf * shaft.line for k in range(1, round(orders.bpfo / orders.ftf) + 1)]
    for place in own:
        scores[np.abs(line - place) <= max(2.5, 0.006 * place)] = 0.0
    return bool(scores.max(initial=0.0) > best.score + EXPLAINED)


def _combined(axes: "list[BearingVerdict]", method: str) -> "BearingVerdict":
    """The clearest axis that names an element, unless another names another."""
    named = [one for one in axes if one.verdict not in ("none", "unknown")]
    if len({one.verdict for one in named}) > 1:
        return _unknown(method, "axes_disagree")
    if named:
        return max(named, key=lambda one: one.score or 0.0)
    for one in axes:
        if one.verdict == "unknown":
            return one
    return max(axes, key=lambda one: one.score or 0.0)
