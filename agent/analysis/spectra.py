"""Spectra of one gapless window: power spectrum, velocity by integration, band levels, envelope.

All levels are RMS. Windows are Hann; power is corrected for the window's loss, so that the sum over
all bins equals the mean square of the signal whatever its content.
"""

import numpy as np

from agent.analysis.whitening import hann

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import NamedTuple

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

    class Spectrum(NamedTuple):
        """One-sided power spectrum: `power_g2[k]` is the mean square in bin k at `hz[k]`."""

        hz: Floats
        power_g2: Floats
        rate_hz: float
else:
    from collections import namedtuple

    Spectrum = namedtuple("Spectrum", ("hz", "power_g2", "rate_hz"))

STANDARD_GRAVITY_MM_S2 = 9806.65  # ISO 80000-3
ISO_BAND_HZ = (10.0, 1000.0)  # ISO 20816-1, broad-band vibration
ISO_BAND_SLOW_HZ = (2.0, 1000.0)  # below 600 r/min
SLOW_RPM = 600.0
HANN_MEAN_SQUARE = 0.375  # of the periodic window, exactly, from three samples on
MIN_PERIODS = 3  # of the lower band edge in a window: fewer make an RMS of that edge meaningless
LINE_BINS = 2  # to either side of a line, in a Hann window: its main lobe


def power_spectrum(acceleration_g: "Floats", rate_hz: float) -> "Spectrum":
    """One-sided power spectrum of a window of shape (n,), its mean removed.

    ValueError for fewer than 8 samples, a rate that is not positive, or a value that is not finite.
    """
    n = len(acceleration_g)
    if n < 8:
        raise ValueError(f"window: {n} samples are too few for a spectrum (expected 8 or more)")
    if not rate_hz > 0:
        raise ValueError(f"rate_hz: {rate_hz} is not a sample rate (expected more than 0)")
    if not np.isfinite(acceleration_g).all():
        raise ValueError("window: holds a value that is not finite")
    lines = np.fft.rfft((acceleration_g - acceleration_g.mean()) * hann(n))
    power = (lines.real**2 + lines.imag**2) * (2.0 / (n * n * HANN_MEAN_SQUARE))
    power[0] *= 0.5
    if n % 2 == 0:
        power[-1] *= 0.5
    return Spectrum(np.fft.rfftfreq(n, 1.0 / rate_hz), power, rate_hz)


def band_powers_g2(spectrum: "Spectrum", edges_hz: "Floats") -> "Floats":
    """Mean square, g², of the bins from each edge up to, not with, the next; edges rise."""
    places = np.searchsorted(spectrum.hz, edges_hz)
    sums = np.add.reduceat(np.append(spectrum.power_g2[: places[-1]], 0.0), places)[:-1]
    powers: Floats = np.where(places[1:] > places[:-1], sums, 0.0)
    return powers


def velocity_rms_mm_s(spectrum: "Spectrum", band_hz: "tuple[float, float]" = ISO_BAND_HZ) -> float:
    """RMS velocity in mm/s over `band_hz`, by integration in the frequency domain.

    The upper edge is cut at the Nyquist frequency: the sensor sees no further.
    ValueError if the window is shorter than three periods of the lower edge.
    """
    _checked_step_hz(spectrum, band_hz)
    first = int(np.searchsorted(spectrum.hz, band_hz[0]))
    last = int(np.searchsorted(spectrum.hz, band_hz[1], side="right"))
    omega = 2 * np.pi * spectrum.hz[first:last]
    return float(np.sqrt((spectrum.power_g2[first:last] / omega**2).sum())) * STANDARD_GRAVITY_MM_S2


def whole_line_levels(
    spectrum: "Spectrum", band_hz: "tuple[float, float]"
) -> "tuple[float, float]":
    """RMS velocity in mm/s and displacement in um of the lines in `band_hz`, each line whole.

    A Hann window spreads a line over two bins to either side, so the band is taken that much wider:
    a line on the edge counts in full, and one less than four bins outside it in part. The mean of
    1/f^2 and 1/f^4 over what is spread (its variance is a third of a bin's square) exceeds that of
    the line: by 1 + (df/f)^2 and 1 + 10/3 (df/f)^2, which is divided out. Errors as for velocity.
    """
    step_hz = _checked_step_hz(spectrum, band_hz)
    first = int(np.searchsorted(spectrum.hz, band_hz[0] - LINE_BINS * step_hz))
    last = int(np.searchsorted(spectrum.hz, band_hz[1] + LINE_BINS * step_hz, side="right"))
    square = (2 * np.pi * spectrum.hz[first:last]) ** 2
    spread = (2 * np.pi * step_hz) ** 2
    velocities = spectrum.power_g2[first:last] / (square + spread)
    displacements = spectrum.power_g2[first:last] / (square * (square + 10 / 3 * spread))
    velocity = float(np.sqrt(velocities.sum())) * STANDARD_GRAVITY_MM_S2
    return velocity, float(np.sqrt(displacements.sum())) * STANDARD_GRAVITY_MM_S2 * 1e3


def _checked_step_hz(spectrum: "Spectrum", band_hz: "tuple[float, float]") -> float:
    """From bin to bin; ValueError if the window holds too few periods of the lower edge."""
    step_hz = float(spectrum.hz[1])
    if band_hz[0] < MIN_PERIODS * step_hz:
        raise ValueError(
            f"window: {1 / step_hz:.3f} s is shorter than {MIN_PERIODS} periods of {band_hz[0]} Hz"
        )
    return step_hz


def iso_band_hz(rpm: "float | None") -> "tuple[float, float]":
    """The band of broad-band severity: from 2 Hz for shafts below 600 r/min, else from 10 Hz."""
    return ISO_BAND_SLOW_HZ if rpm is not None and rpm < SLOW_RPM else ISO_BAND_HZ


def envelope(acceleration_g: "Floats", rate_hz: float, low_hz: float, high_hz: float) -> "Floats":
    """Magnitude of the analytic signal of the band `low_hz`..`high_hz`, same shape as the input."""
    n = len(acceleration_g)
    hz = np.fft.rfftfreq(n, 1.0 / rate_hz)
    first, last = np.searchsorted(hz, low_hz), np.searchsorted(hz, high_hz, side="right")
    lines = np.zeros(n, dtype=np.complex128)
    lines[first:last] = 2.0 * np.fft.rfft(acceleration_g)[first:last]
    return np.abs(np.fft.ifft(lines))
