"""May this window be judged? Clipped, frozen or broken frames are the sensor's fault."""

import numpy as np

from agent.analysis.decode import broken_frames
from agent.core.block import FAILURE, GOOD, OUT_OF_SPEC

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CLIP_OF_RANGE = 0.998  # the last code below full scale of a 10-bit part is at 0.998
FLAT_TOP_BAND = 0.9  # a sine is twice as often in its upper tenth as at its last count in 100
FLAT_TOP_TIMES = 2.0
FLAT_TOP_SHARE = 0.002
CLIPPED_FRAMES = 3  # of one window: single full-scale samples are knocks


def flat_top_g(values: "Floats") -> "float | None":
    """Where a recording's peaks are cut off, in g; None when they are not. `values`: (n, axes).

    A clipped signal stays at its largest value; of any other far more lies just below the largest
    than at it.
    """
    for axis in (values - np.median(values, axis=0)).T:
        limit = np.abs(axis).max()
        at_limit = np.count_nonzero(np.abs(axis) >= (1 - 1e-6) * limit)
        below = np.count_nonzero(np.abs(axis) >= FLAT_TOP_BAND * limit) - at_limit
        if at_limit > FLAT_TOP_SHARE * len(axis) and at_limit > FLAT_TOP_TIMES * below:
            return float(np.abs(values).max())
    return None


def frames_trust(raw: bytes, layout: "Any") -> "tuple[str, str]":
    """(NE 107 status, reason) from the bits of the frames that must not change."""
    broken = broken_frames(raw, layout)
    if not broken:
        return GOOD, ""
    status, reason, count = broken[0]
    return status, f"{reason} ({count} frames)"


def values_trust(values: "Floats", range_g: "float | None") -> "tuple[str, str]":
    """(NE 107 status, reason) of one window of acceleration, shape (n, axes), in g."""
    if not np.isfinite(values).all():
        return FAILURE, "a value is not a number"
    frozen = np.flatnonzero(np.ptp(values, axis=0) == 0)
    if len(frozen):
        return FAILURE, f"axis {frozen[0]} is frozen at {values[0, frozen[0]]:.3f} g"
    if range_g is not None:
        clipped = int((np.abs(values) >= CLIP_OF_RANGE * range_g).any(axis=1).sum())
        if clipped >= CLIPPED_FRAMES:
            return OUT_OF_SPEC, f"clipped at {range_g:g} g ({clipped} frames)"
    return GOOD, ""
