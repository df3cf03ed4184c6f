"""Names the element that strikes on one axis, from the levels of its envelope; or none; or unknown.

For each element the comb of its first three multiples at the best slip within 2 %. A wrong element
named is worse than silence. An element is named only when
  * its score is above a threshold (noise alone reached 1.12 at most in 5 000 simulated stretches),
  * its first and one more multiple stand out by themselves,
  * it is clearly ahead of every other element (a sideband of it does not count as another), also
    where the speed is off by 3 % more than it seems,
  * nothing else that repeats explains the envelope better,
  * it lies off the multiples of the shaft and of the mains, by more than their skirts are wide,
  * it lies off the orders at which a motor's field swells (below),
  * and the shaft's own lines were seen at the speed used: with 10 % of error in it an element's
    order is another's.
The field of a motor with p poles swells p / (1 - slip) times in a turn of its shaft, fed by an
inverter too, and the noise of the magnets with it: no bearing is told from that there.
Something else that strikes at an element's very order cannot be told from it: see
tests.bench.bearings.
"""

from collections import namedtuple

import numpy as np

from agent.analysis.bearings import BearingVerdict
from agent.analysis.combs import (
    BLANK_LINES,
    HARMONICS,
    MAINS_HZ,
    SPEED_ERROR,
    STEP,
    best_of,
    comb,
    levels,
    without_multiples,
)

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from numpy.typing import NDArray

    from agent.analysis.bearings import BearingOrders

    Floats = NDArray[np.float64]

SLIP = 0.02
SLIP_UNSURE = 0.05  # of slip and speed together: who strikes here is not overlooked
FIELD_POLES = (2, 4, 6, 8)
FIELD_ORDERS = (-0.01, 0.06)  # shares of `poles`: slip to 5 %, and the errors of the two lines
NAMED = {"whitened": 1.7, "band": 1.8}  # score from which an element is named
NEAR_WHOLE = 0.06  # an order this near to a whole one: lines of the shaft wander this far,
NEAR_WHOLE_MORE = 0.4  # so it takes this much more to be named
QUIET = {"whitened": 1.1, "band": 1.2}  # score up to which nothing stands out
SEEN = 1.0  # level from which one multiple stands out
AHEAD = 0.4  # of the score over the other elements'
CAGE_ALONE = 1.5  # level of another element's line from which the cage is taken to modulate it
EXPLAINED = 0.2  # how much better something else that repeats may fit
SIDEBANDS_MIN = 2  # of four: noise has two in one of 20 000 stretches, at 0.3 % a place
SIDEBANDS = (-2, -1, 1, 2)  # of shaft speed, around an element's lines
RANK = ("inner", "outer", "rolling_element", "cage")  # whose sidebands are the stronger
ORDERS_SEARCHED = (0.3, 8.5)  # where else something may repeat

# `line`: its place among the lines. `score`: mean of `parts`, the levels of its multiples there.
Heard = namedtuple("Heard", ("name", "order", "line", "score", "parts"))
# `line`: the shaft's place among the lines, exact where `resolved`; `spacing_hz` of the lines.
# `seen`: something of the shaft's own shows at that speed, if not enough to measure it by.
Shaft = namedtuple("Shaft", ("line", "resolved", "spacing_hz", "seen"))


def unknown(method: str, reason: str) -> "BearingVerdict":
    """Nothing can be said; why, as a code."""
    return BearingVerdict("unknown", None, None, None, 0, None, method, reason)


def judge_axis(
    power: "Floats",
    shaft: "Shaft",
    elements: "list[tuple[str, float]]",
    orders: "BearingOrders",
    method: str,
) -> "BearingVerdict":
    """`power`: of the envelope's lines. `elements`: (name, order of impacts) that are visible."""
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
        return unknown(method, "unclear")
    if (
        not _is_ahead(best, heard, shaft)
        or _overlooked(level, shaft, elements, best)
        or _like_inner_sideband(best, orders)
        or _other_repeats(level, best, shaft, orders)
    ):
        return unknown(method, "ambiguous")
    if not shaft.seen:
        return unknown(method, "speed_unseen")
    if _at_the_field(best.line / shaft.line):
        return unknown(method, "field_order")
    return BearingVerdict(
        best.name,
        best.order,
        best.line * shaft.spacing_hz,
        best.line / (best.order * shaft.line) - 1,
        int((best.parts >= SEEN).sum()),
        best.score,
        method,
        "",
        _swells(level, best, shaft, orders),
    )


def _swells(level: "Floats", best: "Heard", shaft: "Shaft", orders: "BearingOrders") -> bool:
    """Do its first two multiples have the sidebands of what loads it, two of the four?

    An inner race passes the load with the shaft, a ball with the cage; an outer race stands still
    and a cage carries no load.
    """
    apart = {"inner": 1.0, "rolling_element": orders.ftf}.get(best.name)
    if apart is None:
        return False
    places = [k * best.line + side * apart * shaft.line for k in (1, 2) for side in (-1, 1)]
    return int((comb(level, np.array(places), 1) >= SEEN).sum()) >= SIDEBANDS_MIN


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
        return unknown(method, "near_whole_order")
    if not shaft.resolved:
        wide = [_heard(level, shaft, name, order, SLIP_UNSURE) for name, order in elements]
        if max(one.score for one in wide) > QUIET[method]:
            return unknown(method, "speed_unsure")
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


def _at_the_field(order: float) -> bool:
    """Does the field of a motor, and the noise it makes, swell at this order?"""
    low, high = FIELD_ORDERS
    return any(poles * (1 + low) <= order <= poles * (1 + high) for poles in FIELD_POLES)


def _needed(order: float, method: str) -> float:
    """The score from which an element of this order is named."""
    return NAMED[method] + (NEAR_WHOLE_MORE if _from_whole(order) < NEAR_WHOLE else 0.0)


def _stands_out(best: "Heard") -> bool:
    """First and another multiple do; of the cage, whose order other shafts may have, all three."""
    more = best.parts[1:] >= SEEN
    return bool(best.parts[0] >= SEEN and (more.all() if best.name == "cage" else more.any()))


def _is_ahead(best: "Heard", heard: "list[Heard]", shaft: "Shaft") -> bool:
    """Ahead of every other element; what may be a sideband of another is not ahead of it."""
    return not any(_contests(other, best, shaft) for other in heard if other is not best)


def _contests(other: "Heard", best: "Heard", shaft: "Shaft") -> bool:
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
            return True  # a race's or a ball's line, which the cage only modulates
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
