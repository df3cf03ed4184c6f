"""A sensor's own noise against its datasheet. Pure; meant for a machine at rest."""

import numpy as np

from agent.core.block import GOOD, MAINTENANCE, NO_REASON

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

TIMES_MAX = 4.0  # parts differ by half, supplies and temperature add as much again
SEGMENT = 256
BAND = (0.05, 0.2)  # of the rate: above shafts and hum, below every chip's own filter
QUIET_PERCENTILE = 25.0  # of the band's lines: a tone of the machine is not the sensor's noise


def noise_density_ug(values: "Floats", rate_hz: float) -> "tuple[float, ...] | None":
    """Noise density of each axis in ug/rtHz; None when there is too little to tell.

    `values`: (n, axes) in g.
    """
    segments = len(values) // SEGMENT
    if not segments:
        return None
    cut = values[: segments * SEGMENT].reshape(segments, SEGMENT, -1)
    taper = np.hanning(SEGMENT)[None, :, None]
    lines = np.abs(np.fft.rfft((cut - cut.mean(axis=1, keepdims=True)) * taper, axis=1)) ** 2
    power = 2 * lines.mean(axis=0) / (rate_hz * float((taper**2).sum()))
    low, high = (int(share * SEGMENT) for share in BAND)
    quiet = np.percentile(power[low:high], QUIET_PERCENTILE, axis=0)
    return tuple(float(one) for one in 1e6 * np.sqrt(quiet))


def density_trust(
    found_ug: "tuple[float, ...] | None", typical_ug: "tuple[float, ...]"
) -> "tuple[str, tuple[str, dict[str, Any]]]":
    """(NE 107 status, reason): more noise than the datasheet explains asks for a look.

    `typical_ug`: the datasheet's density of each axis in ug/rtHz.
    """
    if found_ug is None:
        return GOOD, NO_REASON
    times = [found / typical for found, typical in zip(found_ug, typical_ug)]
    axis = times.index(max(times))
    if times[axis] <= TIMES_MAX:
        return GOOD, NO_REASON
    facts = {"axis": axis, "ug": round(found_ug[axis]), "typical_ug": round(typical_ug[axis], 1)}
    return MAINTENANCE, ("noisy", facts)
