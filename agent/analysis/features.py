"""The feature vector of one axis and one window: named, ordered, versioned.

One implementation, for training and for running. Levels are natural logarithms, so that a healthy
machine's scatter is near normal and a factor is a factor at every level. Temperature is not in
here: one value among many drowns, so it has its own limit and trend.
"""

import numpy as np

from agent.analysis.spectra import (
    ISO_BAND_HZ,
    MIN_PERIODS,
    band_powers_g2,
    envelope,
    power_spectrum,
    velocity_rms_mm_s,
)

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from numpy.typing import NDArray

    from agent.analysis.spectra import Spectrum

    Floats = NDArray[np.float64]

FEATURE_VERSION = 1
BANDS = 16
LOWEST_HZ = 10.0
_STEPS = np.linspace(0.0, 1.0, BANDS + 1)
BAND_OFFSET_HZ = 60.0  # bands are even below it and logarithmic above: each holds several bins
USABLE_OF_NYQUIST = 0.95  # above it the part's own filter decides, not the machine
ENVELOPE_FROM_HZ = 300.0  # shaft orders stay below; a slow sensor still sees bursts above
FLOOR_G = 1e-6  # far below any part's noise: keeps the logarithm of a dead line finite

FEATURE_NAMES = (
    "rms",
    "peak",
    "crest",
    "kurtosis",
    "velocity_rms",
    *(f"band_{i:02d}" for i in range(BANDS)),
    "envelope_rms",
    "envelope_crest",
    "spectral_centre",
)


def band_edges_hz(rate_hz: float) -> "Floats":
    """The 17 edges of the bands that a sample rate allows, in Hz: near even, then logarithmic."""
    top_hz = USABLE_OF_NYQUIST * rate_hz / 2
    lowest_hz = LOWEST_HZ + BAND_OFFSET_HZ
    edges: Floats = lowest_hz * ((top_hz + BAND_OFFSET_HZ) / lowest_hz) ** _STEPS - BAND_OFFSET_HZ
    return edges


def band_of(name: str, rate_hz: float) -> "tuple[float, float] | None":
    """(low, high) in Hz of a band feature at a rate; None for a feature that is not a band."""
    if not name.startswith("band_"):
        return None
    edges = band_edges_hz(rate_hz)
    index = int(name[5:])
    return float(edges[index]), float(edges[index + 1])


def shortest_window(rate_hz: float, lowest_hz: float = LOWEST_HZ) -> int:
    """The smallest power of two of samples that holds three periods of the lowest frequency."""
    needed = MIN_PERIODS * rate_hz / lowest_hz
    return int(2 ** np.ceil(np.log2(needed)))


def features(
    acceleration_g: "Floats", rate_hz: float, spectrum: "Spectrum | None" = None
) -> "Floats":
    """Features of one gapless window, shape (n,) in g, in the order of FEATURE_NAMES; shape (24,).

    `spectrum`: of the same window, where it is known already.
    ValueError when the window holds less than three periods of 10 Hz or a value that is not finite.
    """
    if spectrum is None:
        spectrum = power_spectrum(acceleration_g, rate_hz)
    swing = acceleration_g - acceleration_g.mean()
    squares = swing * swing
    rms = float(np.sqrt(squares.mean()))
    peak = float(np.abs(swing).max())
    bands = band_powers_g2(spectrum, band_edges_hz(rate_hz))
    burst = envelope(swing, rate_hz, *_envelope_band_hz(rate_hz))
    burst_rms = float(np.sqrt(burst @ burst / len(burst)))
    centre_hz = float((spectrum.hz * spectrum.power_g2).sum()) / max(
        float(spectrum.power_g2.sum()), FLOOR_G**2
    )
    values = (
        rms,
        peak,
        peak / max(rms, FLOOR_G),
        _kurtosis(squares, rms),
        velocity_rms_mm_s(spectrum, ISO_BAND_HZ),
        *np.sqrt(bands),
        burst_rms,
        float(np.max(burst)) / max(burst_rms, FLOOR_G),
        centre_hz,
    )
    levels: Floats = np.log(np.maximum(values, FLOOR_G))
    return levels


def _kurtosis(squares: "Floats", rms: float) -> float:
    """Pearson's kurtosis (3 for a normal distribution), of squared deviations from the mean."""
    return float(squares @ squares) / len(squares) / max(rms, FLOOR_G) ** 4


def _envelope_band_hz(rate_hz: float) -> "tuple[float, float]":
    """Above the shaft orders where the rate allows, else the upper half of what there is."""
    top_hz = USABLE_OF_NYQUIST * rate_hz / 2
    return min(ENVELOPE_FROM_HZ, top_hz / 2), top_hz
