"""The window that changed a machine's state, and its spectrum, as .npz archives. Pure.

The recording is what `latido judge` reads: `acceleration_g`, shape (n, axes), and `rate_hz`. The
spectrum is apart: `hz`, shape (bins,), and `power_g2`, shape (axes, bins).
"""

import io

import numpy as np

from agent.analysis.spectra import power_spectrum

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    Floats = np.ndarray[Any, np.dtype[np.float64]]


def recording(acceleration_g: "Floats", rate_hz: float) -> bytes:
    """`acceleration_g`: shape (n, axes), in g."""
    return _archive(acceleration_g=acceleration_g.astype(np.float32), rate_hz=np.float64(rate_hz))


def spectrum(acceleration_g: "Floats", rate_hz: float) -> bytes:
    """Power spectrum of each axis. ValueError for fewer than 8 samples."""
    found = [power_spectrum(axis, rate_hz) for axis in acceleration_g.T]
    power = np.stack([one.power_g2 for one in found]).astype(np.float32)
    return _archive(hz=found[0].hz.astype(np.float32), power_g2=power)


def _archive(**arrays: "Any") -> bytes:
    made = io.BytesIO()
    np.savez_compressed(made, **arrays)
    return made.getvalue()
