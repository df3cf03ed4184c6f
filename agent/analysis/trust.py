"""May this window be judged? Clipped, frozen or broken frames are the sensor's fault."""

import numpy as np

from agent.analysis.decode import broken_frames
from agent.core.block import CHECK, FAILURE, GOOD, OUT_OF_SPEC

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CLIP_OF_RANGE = 0.998  # the last code below full scale of a 10-bit part is at 0.998
FLAT_TOP_BAND = 0.9  # a sine is twice as often in its upper tenth as at its last count in 100
FLAT_TOP_TIMES = 2.0
FLAT_TOP_SHARE = 0.002
DUPLICATES_MAX = 0.1
GRAVITY_TOLERANCE_G = 0.35  # an ADXL345's own offsets add up to 0.3 (Table 1)
COLD_DEGC = (-30.0, 85.0)  # where a cabinet's electronics still live
JUMP_DEGC = 15.0  # between two readings: a bearing takes minutes
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


def window_trust(values: "Floats", range_g: "float | None") -> "tuple[str, str]":
    """(NE 107 status, reason) of one window from a fitted accelerometer, shape (n, 3), in g."""
    for trust in (values_trust(values, range_g), duplicates_trust(values), gravity_trust(values)):
        if trust[0] != GOOD:
            return trust
    return GOOD, ""


def duplicates_trust(values: "Floats") -> "tuple[str, str]":
    """Frames that repeat the one before, more often than the axes' own repetitions explain."""
    same = values[1:] == values[:-1]
    repeated = float(same.all(axis=1).mean())
    by_chance = float(np.prod(same.mean(axis=0)))
    if repeated - by_chance > DUPLICATES_MAX:
        return CHECK, f"{100 * repeated:.0f} % of the frames repeat the one before"
    return GOOD, ""


def gravity_trust(values: "Floats") -> "tuple[str, str]":
    """A fitted sensor feels 1 g besides all else; a dead axis or a falling sensor does not."""
    if values.shape[1] != 3:
        return GOOD, ""
    felt_g = float(np.linalg.norm(values.mean(axis=0)))
    if abs(felt_g - 1.0) > GRAVITY_TOLERANCE_G:
        return CHECK, f"gravity reads {felt_g:.2f} g: an axis is dead, or it is not fitted"
    return GOOD, ""


def temperature_trust(
    degc: "tuple[float, float]", before: "tuple[float, float] | None"
) -> "tuple[str, str]":
    """(NE 107 status, reason) of a reading (hot, cold) after the one `before`, a batch earlier."""
    hot, cold = degc
    if not COLD_DEGC[0] <= cold <= COLD_DEGC[1]:
        return CHECK, f"the chip itself reads {cold:.1f} degC"
    if before is not None and abs(hot - before[0]) > JUMP_DEGC:
        return CHECK, f"a jump of {hot - before[0]:+.0f} degC: interference or a loose wire"
    return GOOD, ""


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
