"""Which element of a rolling bearing strikes, from its envelope; or none; or unknown.

A defect strikes at its element's order of shaft speed. Each axis is heard by itself: the spectrum
of the squared envelope (agent.analysis.whitening), levels over its own noise, and for each element
the comb of its first three multiples (agent.analysis.combs) at the best slip within 2 %. A sensor
up to 4 kHz is heard in its own band from 300 Hz; a wider one pre-whitened.

What is named, and when not, is in agent.analysis.naming; and no axis may name another element.
"""

import numpy as np

from agent.analysis.combs import HARMONICS, RESOLVED, SPEED_ERROR, levels, shaft_line, shows_shaft
from agent.analysis.naming import SLIP, Shaft, judge_axis, unknown
from agent.analysis.whitening import envelope_power, smooth_at_most, spectrum_lines, whitened

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from agent.analysis.bearings import BearingOrders, BearingVerdict

    Floats = NDArray[np.float64]

LOW_HZ = 300.0  # below it the shaft's and the mains' own lines are
BAND_SHARE = 0.95  # of the bandwidth, of Nyquist: a filter's edge is not flat
SLOW_HZ = 4000.0  # up to this bandwidth pre-whitening has too little band to hear in
SEES_HZ = 1000.0  # sensors below miss half of the recorded faults: their silence means nothing
SEEN_ENOUGH = 1.1  # level of the shaft's comb, or the envelope's: noise in 1 of 400 stretches
REVOLUTIONS_MIN = 20.0  # of the shaft in a stretch: fewer do not part the elements
SEGMENT_S = 8.0  # longer, and a speed that wanders smears the lines; then segments are averaged

REASONS = (  # why a verdict is `unknown`
    "no_bearing",
    "no_speed",
    "too_short",
    "bandwidth",
    "not_finite",
    "silent",
    "unclear",
    "ambiguous",
    "near_whole_order",
    "speed_unsure",
    "speed_unseen",
    "field_order",
    "axes_disagree",
)


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
        return unknown(method, reason)
    elements = _visible(orders, shaft_hz, band_hz)
    top_hz = HARMONICS * (1 + SPEED_ERROR) * (1 + SLIP) * max(order for _, order in elements)
    powers = _powers(acceleration_g, rate_hz, band_hz, top_hz * shaft_hz, method)
    shaft = _shaft(powers, shaft_hz)
    axes = [judge_axis(power, shaft, elements, orders, method) for power, _, _ in powers]
    verdict = _combined(axes, method)
    if verdict.verdict == "none" and not _sees_all(orders, shaft_hz, band_hz):
        return unknown(method, "bandwidth")
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
    direct = [levels(one, int(nominal / 2)) for _, one, _ in powers]
    line, level = max((shaft_line(one, nominal) for one in direct), key=lambda one: one[1])
    if level >= RESOLVED:
        return Shaft(line, True, spacing_hz, True)
    seen = (
        any(_shows_comb(one, nominal) for one, _, _ in powers)
        or any(_shows_comb(one, nominal) for _, one, _ in powers)
        or any(shows_shaft(one, nominal, spacing_hz) for one in direct)
    )
    return Shaft(nominal, False, spacing_hz, seen)


def _shows_comb(power: "Floats", nominal: float) -> bool:
    """Whether a comb of the shaft has its best place within 3 % of the nominal, not beyond it."""
    level = levels(power, int(nominal / 2))
    line, height = shaft_line(level, nominal, 2 * SPEED_ERROR)
    return height >= SEEN_ENOUGH and abs(line - nominal) <= SPEED_ERROR * nominal


def _combined(axes: "list[BearingVerdict]", method: str) -> "BearingVerdict":
    """The clearest axis that names an element, unless another names another."""
    named = [one for one in axes if one.verdict not in ("none", "unknown")]
    if len({one.verdict for one in named}) > 1:
        return unknown(method, "axes_disagree")
    if named:
        return max(named, key=lambda one: one.score or 0.0)
    for one in axes:
        if one.verdict == "unknown":
            return one
    return max(axes, key=lambda one: one.score or 0.0)
