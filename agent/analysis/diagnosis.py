"""Rules that turn evidence into named findings. Pure; silence is better than a wrong name.

With a baseline a rule asks what has grown. Without one only clear-cut patterns speak, at levels
that no machine keeps for long, and with less confidence. A line that cannot be told from the mains
or from its neighbour decides nothing.

Confidence is a product of factors between 0 and 1, each a reason to doubt:
  ceiling   what else looks like this to this kind of sensor (phase, say, is not measured)
  growth    0.5 where the rule begins to speak, 1 at twice that; 0.6 without a baseline
  pattern   0.6 where the pattern is just there, 1 where it is plain
  speed     the confidence in the shaft's speed, for all that is read in orders
Rivals explain the same lines: the strongest keeps its confidence, the others lose half of theirs.
"""

import math

import numpy as np

from agent.analysis.evidence import shaft_hz_of
from agent.analysis.healthy import comparable
from agent.analysis.lines import STANDS_OUT
from agent.analysis.orders import ORDERS, place_of

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any, NamedTuple

    from numpy.typing import NDArray

    from agent.analysis.evidence import Evidence, MachineFacts

    Floats = NDArray[np.float64]

    class Finding(NamedTuple):
        """`confidence`: 0 to 1. `evidence`: {facts}. `check`: key of what to look at next."""

        name: str
        confidence: float
        evidence: dict[str, Any]
        check: str
else:
    from collections import namedtuple

    Finding = namedtuple("Finding", ("name", "confidence", "evidence", "check"))

SIGNIFICANT_MM_S = 0.45  # 25 % of the B/C limit of class I (ISO 20816-1, criterion II)
CLEAR_MM_S = 4.5  # the C/D limit of class I, and of group 2 on a rigid support
CLEAR_FLEXIBLE_MM_S = 7.1  # of group 2 on a flexible support
GROWN = 1.8  # 5 dB
GROWN_FIRST = 2.25  # of the radial 1x: load and coupling alone were seen to make it 2.1
GROWN_MANY = 2.0  # of lines that have no level of their own when healthy
FIRST_SHARE = 0.7  # of the radial power of all orders: then 1x dominates
AXIAL_OF_RADIAL_MAX = 0.7  # unbalance pulls outwards, hardly along the shaft
AXIAL_OF_RADIAL_MIN = 0.8  # misalignment pushes along it
SECOND_OF_FIRST = 0.75
LINE_OF_FIRST = 0.1  # smaller harmonics belong to any machine
HALVES_MIN = 2
HARMONICS_MIN = 6  # of 3x to 10x
REST_OF_FIRST = 0.5
NOISE_GROWN = 3.0  # 10 dB, of which no sensor's own noise is capable
NOISE_RISE_G = 0.03
BURSTS_MAX = 5.0  # kurtosis: bubbles collapse by the thousand, a bearing's bursts stand apart
HOTTER_DEGC = 15.0
HOT_DEGC = 80.0  # makers of grease and housings begin to warn here
RISING_DEGC_MIN = 0.5  # weather changes a tenth of that
SHOWN = 0.3  # less is not worth a technician's walk
RIVALS = ("unbalance", "misalignment", "looseness")
ELEMENTS = ("inner", "outer", "rolling_element", "cage")
FINDINGS_MAX = 3
NO_BASELINE = 0.6
UNSUPPORTED = 0.6  # an element without the sidebands of what loads it


class Seen:
    """Evidence beside its baseline, as the rules ask for it. `healthy`: None without one."""

    def __init__(
        self, evidence: "Evidence", healthy: "Evidence | None", machine: "MachineFacts"
    ) -> None:
        self.now = evidence
        self.healthy = healthy if comparable(evidence, healthy) else None
        self.machine = machine
        axes = len(evidence.velocity_mm_s)
        self.axial = machine.axial if machine.axial is not None and machine.axial < axes else None
        self.radial = [axis for axis in range(axes) if axis != self.axial]
        self.level = np.where(evidence.order_above >= STANDS_OUT, evidence.order_mm_s, 0.0)
        self.clear_mm_s = CLEAR_FLEXIBLE_MM_S if machine.support == "flexible" else CLEAR_MM_S

    def radial_mm_s(self, order: float) -> float:
        return _rss(self.level[self.radial, place_of(order)])

    def axial_mm_s(self, order: float) -> float:
        return 0.0 if self.axial is None else float(self.level[self.axial, place_of(order)])

    def radial_before(self, order: float) -> "float | None":
        if self.healthy is None:
            return None
        return _rss(self.healthy.order_mm_s[self.radial, place_of(order)])

    def axial_before(self, order: float) -> "float | None":
        if self.healthy is None or self.axial is None:
            return None
        return float(self.healthy.order_mm_s[self.axial, place_of(order)])

    def clear(self, order: float) -> bool:
        return bool(self.now.order_clear[place_of(order)])

    def growth(self, mm_s: float, before: "float | None", grown: float = GROWN) -> float:
        """The factor of growth, 0 where the level says nothing (see the module's docstring)."""
        if before is None:
            return NO_BASELINE if mm_s >= self.clear_mm_s else 0.0
        if mm_s - before < SIGNIFICANT_MM_S or mm_s < grown * before:
            return 0.0
        return 0.5 + 0.5 * min(1.0, math.log2(mm_s / max(before, 1e-6) / grown))


def diagnose(
    evidence: "Evidence", healthy: "Evidence | None", machine: "MachineFacts", bearing: "Any"
) -> "tuple[Finding, ...]":
    """Findings, the most confident first, at most three. `bearing`: BearingVerdict."""
    seen = Seen(evidence, healthy, machine)
    found = [_bearing(bearing), _cavitation(seen, bearing), _overheating(seen)]
    if shaft_hz_of(evidence) is not None:
        found += [_unbalance(seen), _misalignment(seen), _looseness(seen), _electrical(seen)]
    return _ranked([one for one in found if one is not None])


def _ranked(found: "list[Finding]") -> "tuple[Finding, ...]":
    ordered = sorted(found, key=lambda one: -one.confidence)
    rivals = [one for one in ordered if one.name in RIVALS]
    weighed = [
        one._replace(confidence=round(one.confidence * (0.5 if one in rivals[1:] else 1.0), 2))
        for one in ordered
    ]
    shown = [one for one in weighed if one.confidence >= SHOWN]
    return tuple(sorted(shown, key=lambda one: -one.confidence)[:FINDINGS_MAX])


def _unbalance(seen: "Seen") -> "Finding | None":
    """1x radial dominant. Ceiling 0.9: without phase a bent shaft or a resonance looks the same."""
    first = seen.radial_mm_s(1.0)
    before = seen.radial_before(1.0)
    total = _rss(seen.level[seen.radial])
    if not seen.radial or not seen.clear(1.0) or first <= 0:
        return None
    share = (first / total) ** 2
    axial = math.hypot(seen.axial_mm_s(1.0), seen.axial_mm_s(2.0)) / first
    if share < FIRST_SHARE or axial > AXIAL_OF_RADIAL_MAX:
        return None
    plain = _between(share, FIRST_SHARE, 0.95) * (0.85 if seen.axial is None else 1.0)
    facts = _order_facts(seen, 1.0, first, before, "radial")
    facts["share"] = round(share, 2)
    growth = seen.growth(first, before, GROWN_FIRST)
    return _finding("unbalance", 0.9 * growth * plain, seen, facts, "balance")


def _misalignment(seen: "Seen") -> "Finding | None":
    """1x or 2x along the shaft (angular), or 2x radial (parallel). Ceiling 0.85: a bent shaft."""
    candidates = [_axial_misalignment(seen, order) for order in (1.0, 2.0)]
    candidates.append(_parallel_misalignment(seen))
    found = [one for one in candidates if one is not None]
    return max(found, key=lambda one: one.confidence) if found else None


def _axial_misalignment(seen: "Seen", order: float) -> "Finding | None":
    axial, before = seen.axial_mm_s(order), seen.axial_before(order)
    radial = max((float(seen.level[axis, place_of(1.0)]) for axis in seen.radial), default=0.0)
    if seen.axial is None or not seen.radial or not seen.clear(order):
        return None
    if axial < AXIAL_OF_RADIAL_MIN * radial:
        return None
    plain = _between(axial / max(radial, 1e-6), AXIAL_OF_RADIAL_MIN, 1.5)
    facts = _order_facts(seen, order, axial, before, "axial")
    return _finding(
        "misalignment", 0.85 * seen.growth(axial, before) * plain, seen, facts, "alignment"
    )


def _parallel_misalignment(seen: "Seen") -> "Finding | None":
    second, before = seen.radial_mm_s(2.0), seen.radial_before(2.0)
    first = seen.radial_mm_s(1.0)
    if not seen.radial or not seen.clear(2.0) or second < SECOND_OF_FIRST * first:
        return None
    plain = _between(second / max(first, 1e-6), SECOND_OF_FIRST, 1.5)
    plain *= 0.9 if seen.axial is None else 1.0
    facts = _order_facts(seen, 2.0, second, before, "radial")
    return _finding(
        "misalignment", 0.85 * seen.growth(second, before) * plain, seen, facts, "alignment"
    )


def _looseness(seen: "Seen") -> "Finding | None":
    """Radial half orders, or many harmonics, not below half of the strongest of 1x and 2x.

    Ceiling 0.8: a rub makes half orders as well.
    """
    levels = seen.level[seen.radial]
    strongest = max(_rss(levels[:, place_of(order)]) for order in (1.0, 2.0))
    before = None if seen.healthy is None else seen.healthy.order_mm_s[seen.radial]
    halves, harmonics = [], []
    for place, order in enumerate(ORDERS):
        level = _rss(levels[:, place])
        grown = before is None or level >= GROWN_MANY * _rss(before[:, place])
        if not seen.now.order_clear[place] or not grown or level < LINE_OF_FIRST * strongest:
            continue
        if order != round(order):
            halves.append(place)
        elif order >= 3:
            harmonics.append(place)
    stricter = 1 if seen.healthy is None else 0
    by_halves = len(halves) >= HALVES_MIN + stricter
    if not by_halves and len(harmonics) < HARMONICS_MIN + stricter:
        return None
    places = halves + harmonics
    rest = _rss(levels[:, places])
    if rest <= 0 or rest < REST_OF_FIRST * strongest:
        return None
    earlier = None if before is None else _rss(before[:, places])
    plain = _between(float(len(places)), HALVES_MIN, 2 * HARMONICS_MIN)
    facts = {
        "pattern": "halves" if by_halves else "harmonics",
        "orders": [ORDERS[place] for place in sorted(places)],
        **_level_facts(rest, earlier),
    }
    growth = seen.growth(rest, earlier, GROWN_MANY)
    return _finding("looseness", 0.8 * growth * plain, seen, facts, "fixings")


def _electrical(seen: "Seen") -> "Finding | None":
    """Twice the mains, apart from every order of the shaft. Ceiling 0.75: soft foot does it too."""
    now = seen.now
    level = _rss(np.where(now.mains_above[:, 1] >= STANDS_OUT, now.mains_mm_s[:, 1], 0.0))
    before = None if seen.healthy is None else _rss(seen.healthy.mains_mm_s[:, 1])
    strongest = max(_rss(seen.level[:, place_of(order)]) for order in (1.0, 2.0))
    if not now.mains_clear[1] or level < 0.5 * strongest:
        return None
    plain = _between(level / max(strongest, 1e-6), 0.5, 1.5)
    facts = {"pattern": "mains", "hz": 2 * seen.machine.mains_hz, **_level_facts(level, before)}
    growth = seen.growth(level, before, GROWN_MANY)
    return _finding("electrical", 0.75 * growth * plain, seen, facts, "motor_field")


def _cavitation(seen: "Seen", bearing: "Any") -> "Finding | None":
    """Noise that grows in all bands of a pump, without bursts. Never without a baseline.

    Ceiling 0.6: a dry bearing, air in the water or recirculation sound much the same.
    """
    if seen.machine.kind != "pump" or seen.healthy is None or bearing.verdict in ELEMENTS:
        return None
    now, before = seen.now.noise_g, seen.healthy.noise_g
    times = np.median(now / np.maximum(before, 1e-9), axis=0)
    rise_g = float(np.max(_rss_rows(now) - _rss_rows(before)))
    middle = float(np.median(times))
    even = float(np.median(seen.now.bursts)) <= BURSTS_MAX
    if not even or middle < NOISE_GROWN or rise_g < NOISE_RISE_G:
        return None
    if np.count_nonzero(times >= 0.5 * NOISE_GROWN) < len(times) - 1:
        return None
    growth = 0.6 + 0.4 * min(1.0, math.log2(middle / NOISE_GROWN))
    facts = {"pattern": "noise", "times": round(middle, 1), "rise_g": round(rise_g, 3)}
    return Finding("cavitation", 0.6 * growth, facts, "suction")


def _overheating(seen: "Seen") -> "Finding | None":
    """A housing that is hot and still getting hotter, shaking more or not. Ceiling 0.85."""
    degc, rate = seen.now.heat
    if degc is None or rate is None or rate < RISING_DEGC_MIN:
        return None
    usual = None if seen.healthy is None else seen.healthy.heat.degc
    limit = HOT_DEGC if usual is None else min(HOT_DEGC, usual + HOTTER_DEGC)
    if degc < limit:
        return None
    grown = seen.healthy is not None and float(seen.now.velocity_mm_s.max()) >= GROWN * float(
        seen.healthy.velocity_mm_s.max()
    )
    pattern = "unknown" if seen.healthy is None else "shaking" if grown else "quiet"
    facts = {"pattern": pattern, "degc": round(degc, 1), "rate_degc_min": round(rate, 2)}
    facts["usual_degc"] = None if usual is None else round(usual, 1)
    known = NO_BASELINE + 0.2 if usual is None else 1.0
    plain = _between(rate, RISING_DEGC_MIN, 4 * RISING_DEGC_MIN)
    return Finding("overheating", 0.85 * known * plain, facts, f"heat_{pattern}")


def _bearing(bearing: "Any") -> "Finding | None":
    """What judge_bearing named; its score is in decades above the noise. Ceiling 0.95 where it
    swells as that element does; else 0.6: what else knocks at its rate looks the same."""
    if bearing.verdict not in ELEMENTS:
        return None
    facts = {
        "pattern": "envelope",
        "hz": _rounded(bearing.measured_hz, 2),
        "order": _rounded(bearing.order, 3),
        "harmonics": bearing.harmonics,
        "score": _rounded(bearing.score, 2),
        "method": bearing.method,
        "supported": bearing.supported,
    }
    ceiling = 0.95 if bearing.supported else UNSUPPORTED
    confidence = min(ceiling, 0.5 + 0.2 * max(0.0, float(bearing.score or 0.0) - 1.0))
    return Finding(f"bearing_{bearing.verdict}", confidence, facts, "bearing")


def _finding(
    name: str, confidence: float, seen: "Seen", facts: "dict[str, Any]", check: str
) -> "Finding | None":
    """A finding read in orders: no surer than the shaft's speed. None where growth was 0."""
    sure = confidence * seen.now.speed.confidence
    return Finding(name, sure, facts, check) if sure > 0 else None


def _order_facts(
    seen: "Seen", order: float, mm_s: float, before: "float | None", pattern: str
) -> "dict[str, Any]":
    shaft_hz = shaft_hz_of(seen.now) or 0.0
    facts = {"pattern": pattern, "order": order, "hz": round(order * shaft_hz, 2)}
    return {**facts, **_level_facts(mm_s, before)}


def _level_facts(mm_s: float, before: "float | None") -> "dict[str, Any]":
    times = None if before is None else round(mm_s / max(before, 1e-3), 1)
    return {"mm_s": round(mm_s, 2), "before_mm_s": _rounded(before, 2), "times": times}


def _between(value: float, begins: float, plain: float) -> float:
    """0.6 where a pattern begins, 1 where it is plain."""
    return 0.6 + 0.4 * min(1.0, max(0.0, (value - begins) / (plain - begins)))


def _rss(values: "Floats") -> float:
    return float(np.sqrt((np.asarray(values) ** 2).sum()))


def _rss_rows(values: "Floats") -> "Floats":
    rows: Floats = np.sqrt((values**2).sum(axis=1))
    return rows


def _rounded(value: "float | None", digits: int) -> "float | None":
    return None if value is None else round(float(value), digits)
