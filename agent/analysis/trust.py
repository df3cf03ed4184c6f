"""May this window be judged? Clipped, frozen or broken frames are the sensor's fault.

Every answer is (NE 107 status, reason), a reason being (code, facts). Pure: one window at a time;
what takes longer to see is in `agent.core.thermocouple` and `agent.analysis.fitted`.
"""

import numpy as np

from agent.analysis.decode import broken_frames, decode
from agent.core.block import CHECK, FAILURE, GOOD, NO_REASON, OUT_OF_SPEC

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Trust = tuple[str, tuple[str, dict[str, Any]]]

CLIP_OF_RANGE = 0.998  # the last code below full scale of a 10-bit part is at 0.998
FLAT_TOP_BAND = 0.9  # a sine is twice as often in its upper tenth as at its last count in 100
FLAT_TOP_TIMES = 2.0
FLAT_TOP_SHARE = 0.002
DUPLICATES_MAX = 0.1
REPLAY_FRAMES = 32  # so many frames never come twice alike by chance, at a bit of noise in each
GRAVITY_TOLERANCE_G = 0.35  # an ADXL345's own offsets add up to 0.3 (Table 1)
CLIPPED_FRAMES = 3  # of one window: single full-scale samples are knocks
SOUND: "Trust" = (GOOD, NO_REASON)


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


def frames_trust(raw: bytes, layout: "Any") -> "Trust":
    """From the bits of the frames that must not change. `said`: the driver's own words of it."""
    broken = broken_frames(raw, layout)
    if not broken:
        return SOUND
    status, said, count = broken[0]
    return status, ("frames", {"said": said, "frames": count})


def window_trust(raw: bytes, layout: "Any", range_g: "float | None") -> "tuple[Trust, Floats]":
    """One window of a fitted accelerometer: (its trust, its values in g, shape (n, axes))."""
    values = decode(raw, layout)
    for trust in (frames_trust(raw, layout), values_trust(values, range_g)):
        if trust != SOUND:
            return trust, values
    for judge in (duplicates_trust, replay_trust, gravity_trust):
        trust = judge(values)
        if trust != SOUND:
            return trust, values
    return SOUND, values


def duplicates_trust(values: "Floats") -> "Trust":
    """Frames that repeat the one before, more often than the axes' own repetitions explain."""
    same = values[1:] == values[:-1]
    repeated = float(same.all(axis=1).mean())
    by_chance = float(np.prod(same.mean(axis=0)))
    if repeated - by_chance > DUPLICATES_MAX:
        return CHECK, ("repeats", {"percent": round(100 * repeated)})
    return SOUND


def replay_trust(values: "Floats") -> "Trust":
    """A chip whose memory is stuck gives the same frames again and again, each time it is read."""
    if len(values) <= REPLAY_FRAMES:
        return SOUND
    stream = np.ascontiguousarray(values).tobytes()
    frame_bytes = values.shape[1] * values.itemsize
    last = stream[-REPLAY_FRAMES * frame_bytes :]
    at = stream.find(last)
    while 0 <= at < len(stream) - len(last):
        if at % frame_bytes == 0:
            return FAILURE, ("replay", {})
        at = stream.find(last, at + 1)
    return SOUND


def gravity_trust(values: "Floats") -> "Trust":
    """A fitted sensor feels 1 g besides all else; a dead axis or a falling sensor does not."""
    if values.shape[1] != 3:
        return SOUND
    felt_g = float(np.linalg.norm(values.mean(axis=0)))
    if abs(felt_g - 1.0) > GRAVITY_TOLERANCE_G:
        return CHECK, ("gravity", {"felt_g": round(felt_g, 2)})
    return SOUND


def values_trust(values: "Floats", range_g: "float | None") -> "Trust":
    """One window of acceleration, shape (n, axes), in g, fitted or not."""
    if not np.isfinite(values).all():
        return FAILURE, ("not_a_number", {})
    frozen = np.flatnonzero(np.ptp(values, axis=0) == 0)
    if len(frozen):
        axis, at_g = int(frozen[0]), round(float(values[0, frozen[0]]), 3)
        return FAILURE, ("frozen", {"axis": axis, "at_g": at_g})
    if range_g is not None:
        clipped = int((np.abs(values) >= CLIP_OF_RANGE * range_g).any(axis=1).sum())
        if clipped >= CLIPPED_FRAMES:
            return OUT_OF_SPEC, ("clipped", {"range_g": range_g, "frames": clipped})
    return SOUND
