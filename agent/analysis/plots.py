"""Spectra as a picture shows them: the largest level of each pixel's bins. Pure."""

import numpy as np

from agent.analysis.spectra import STANDARD_GRAVITY_MM_S2, envelope, power_spectrum

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Traces = tuple[list[float], list[list[float]]]  # hz, one row of levels an axis

ENVELOPE_FROM_HZ, ENVELOPE_TO_HZ = 2000.0, 5500.0  # of a wide sensor; a slow one from 300 Hz
SLOW_FROM_HZ = 300.0
VELOCITY_FROM_HZ = 3.0  # below it the integral of any sensor's noise towers over all lines
USABLE = 0.95


def velocity_trace(
    acceleration_g: "Floats", rate_hz: float, top_hz: float, points: int
) -> "Traces":
    """Velocity in mm/s RMS of each bin from 3 Hz to `top_hz`, thinned to at most `points`."""
    rows = []
    hz = np.zeros(1)
    for axis in acceleration_g.T:
        spectrum = power_spectrum(axis, rate_hz)
        first = max(1, int(np.searchsorted(spectrum.hz, VELOCITY_FROM_HZ)))
        hz = spectrum.hz[first:]
        level_g = np.sqrt(spectrum.power_g2[first:])
        rows.append(level_g * STANDARD_GRAVITY_MM_S2 / (2 * np.pi * hz))
    return _thinned(hz, rows, top_hz, points)


def envelope_trace(
    acceleration_g: "Floats", rate_hz: float, top_hz: float, points: int
) -> "Traces":
    """Level in g RMS of each bin of the envelope of the band where bearings ring."""
    low_hz, high_hz = envelope_band_hz(rate_hz)
    rows = []
    hz = np.zeros(1)
    for axis in acceleration_g.T:
        spectrum = power_spectrum(envelope(axis - axis.mean(), rate_hz, low_hz, high_hz), rate_hz)
        hz = spectrum.hz[1:]
        rows.append(np.sqrt(spectrum.power_g2[1:]))
    return _thinned(hz, rows, top_hz, points)


def envelope_band_hz(rate_hz: float) -> "tuple[float, float]":
    """2 to 5.5 kHz where the rate allows, else from 300 Hz, or the upper half of what there is."""
    top_hz = USABLE * rate_hz / 2
    if top_hz >= ENVELOPE_TO_HZ:
        return ENVELOPE_FROM_HZ, ENVELOPE_TO_HZ
    return min(SLOW_FROM_HZ, top_hz / 2), top_hz


def _thinned(hz: "Floats", rows: "list[Floats]", top_hz: float, points: int) -> "Traces":
    count = max(1, int(np.searchsorted(hz, top_hz, side="right")))
    group = max(1, -(-count // points))
    whole = count // group * group
    shown = hz[:whole].reshape(-1, group).mean(axis=1)
    levels = [row[:whole].reshape(-1, group).max(axis=1) for row in rows]
    return shown.tolist(), [level.tolist() for level in levels]
