"""Where a recording was cut off: the level at which an axis stays, as a clipped signal does. Pure.

A clipped signal is at its limit far more often than just within it; of any other signal far more
lies just within its largest value than at it. Each side of each axis by itself: an offset brings
one side to the converter's end before the other.
"""

import numpy as np

from agent.core.block import GOOD, NO_REASON, OUT_OF_SPEC

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Rails = tuple[Floats, Floats]  # (lowest, highest) of each axis, infinite where not cut off

NEAR = 0.03  # of the swing, and at least NEAR_STEPS of the converter: there a sine spends more time
NEAR_STEPS = 3  # than at its top, whether it is 10 counts high or 10000
TIMES = 2.0
TOP = 0.6  # where the converter's steps are looked for
SHARE = 0.002
FRAMES_MAX = 2  # of one window at a rail: single full-scale samples are knocks
SAME = 1e-6  # of the swing: what a change of scale leaves of equal numbers
RESAMPLED = 0.002  # of the swing: what a change of rate leaves of a flat top


def rails_of(values: "Floats") -> "Rails":
    """Where each axis of a recording, shape (n, axes), is cut off."""
    middle = np.median(values, axis=0)
    swing = values - middle
    high = np.array([_rail(axis) for axis in swing.T])
    low = np.array([_rail(-axis) for axis in swing.T])
    return middle - low, middle + high


def rails_trust(window: "Floats", rails: "Rails") -> "tuple[str, tuple[str, dict[str, Any]]]":
    """(status, reason) of a window, shape (n, axes): clipped when it stays at a rail."""
    low, high = rails
    slack = RESAMPLED * np.where(np.isfinite(high - low), high - low, 1.0)
    there = (window >= high - slack) | (window <= low + slack)
    clipped = int(there.any(axis=1).sum())
    if clipped <= FRAMES_MAX:
        return GOOD, NO_REASON
    axis = int(np.argmax(there.sum(axis=0)))
    limit = high[axis] if np.isfinite(high[axis]) else low[axis]
    return OUT_OF_SPEC, ("clipped", {"range_g": round(float(abs(limit)), 3), "frames": clipped})


def _rail(swing: "Floats") -> float:
    """The upper rail of one axis about its middle, or infinity."""
    limit = float(swing.max())
    if limit <= 0:
        return np.inf
    at_limit = np.count_nonzero(swing >= (1 - SAME) * limit)
    step = _step(swing[swing >= TOP * limit])
    near = np.count_nonzero(swing >= limit - max(NEAR * limit, (NEAR_STEPS + 0.5) * step))
    near -= at_limit
    cut = at_limit > SHARE * len(swing) and at_limit > TIMES * near
    return limit if cut else np.inf


def _step(values: "Floats") -> float:
    """The smallest distance between two values that differ; 0 for fewer than two."""
    apart = np.diff(np.unique(values))
    apart = apart[apart > SAME * values.max()]
    return float(apart.min()) if len(apart) else 0.0
