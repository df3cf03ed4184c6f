"""The evidence of a machine's healthy state: made of several stretches, kept, compared. Pure."""

import numpy as np

from agent.analysis.evidence import NOISE_BANDS, Evidence, Heat, shaft_hz_of
from agent.analysis.orders import ORDERS, Speed

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

SAME_SPEED = 0.05  # beyond it resonances make orders another matter
NUMBERS = ("rate_hz", "seconds", "top_hz")
FLAGS = ("order_clear", "mains_clear")
ARRAYS = tuple(name for name in Evidence._fields if name not in (*NUMBERS, "speed", "heat"))


def comparable(evidence: "Evidence", healthy: "Evidence | None") -> bool:
    """Whether this baseline speaks for this stretch: the same axes and rate, the same speed."""
    if healthy is None or healthy.order_mm_s.shape != evidence.order_mm_s.shape:
        return False
    for now, then in (
        (evidence.rate_hz, healthy.rate_hz),
        (evidence.top_hz, healthy.top_hz),
    ):
        if abs(now / then - 1) > SAME_SPEED:
            return False
    speed, usual = shaft_hz_of(evidence), shaft_hz_of(healthy)
    if speed is None or usual is None:
        return speed is usual
    return abs(speed / usual - 1) <= SAME_SPEED


def typical(seen: "list[Evidence]") -> "Evidence":
    """What a healthy machine shows: the middle of several stretches of it, of equal axes and rate.

    ValueError for none. A line counts as clear when it was in most of them.
    """
    if not seen:
        raise ValueError("evidence: none to take the middle of (expected one or more)")
    held = [one for one in seen if one.order_mm_s.shape == seen[-1].order_mm_s.shape]
    known = [one for one in held if shaft_hz_of(one) is not None]
    held = known or held
    ordered = sorted(held, key=lambda one: one.speed.hz or 0.0)
    middle = ordered[len(ordered) // 2]
    arrays = {name: _middle(name, held) for name in ARRAYS}
    return middle._replace(**arrays)


def to_facts(evidence: "Evidence") -> "dict[str, Any]":
    """As JSON keeps it; `from_facts` reads it back. Not-a-number becomes null."""
    facts: "dict[str, Any]" = {name: _listed(getattr(evidence, name)) for name in ARRAYS}
    facts["speed"], facts["heat"] = list(evidence.speed), list(evidence.heat)
    for name in NUMBERS:
        facts[name] = float(getattr(evidence, name))
    return facts


def from_facts(facts: "Any") -> "Evidence":
    """Evidence as it was kept; ValueError for anything that is not that."""
    try:
        held: "dict[str, Any]" = {
            name: np.array(facts[name], dtype=bool if name in FLAGS else np.float64)
            for name in ARRAYS
        }
        held.update({name: float(facts[name]) for name in NUMBERS})
        found = Evidence(speed=Speed(*facts["speed"]), heat=Heat(*facts["heat"]), **held)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"evidence: not as it was kept ({error!r})")
    axes = len(found.velocity_mm_s) if found.velocity_mm_s.ndim == 1 else 0
    shapes = [found.order_mm_s.shape, found.noise_g.shape, found.mains_mm_s.shape]
    if shapes != [(axes, len(ORDERS)), (axes, NOISE_BANDS), (axes, 2)]:
        raise ValueError(f"evidence: not as it was kept (shapes {shapes})")
    return found


def _middle(name: str, held: "list[Evidence]") -> "Any":
    values = np.stack([getattr(one, name) for one in held]).astype(np.float64)
    middle = np.median(values, axis=0)
    return middle >= 0.5 if name in FLAGS else middle


def _listed(values: "Any") -> "Any":
    if values.dtype != np.float64:
        return values.tolist()
    return [_listed(row) for row in values] if values.ndim > 1 else _or_null(values)


def _or_null(values: "Any") -> "list[float | None]":
    return [None if np.isnan(value) else float(value) for value in values]
