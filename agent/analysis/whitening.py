"""Squared-envelope spectrum of a stretch of acceleration, band-limited or pre-whitened.

An impact in a bearing rings the structure; what repeats with the bearing is the strength of that
ringing, not its tone. So: cut out the band that rings, take the squared magnitude of its analytic
signal (Hilbert envelope), and look at the slow frequencies of that.

Cepstral pre-whitening (Borghesani et al. 2013) sets every line of the spectrum to the same
magnitude and keeps the phases: tones of shaft, gears and electricity, however strong, then weigh no
more than any other line, and what is left is what is impulsive. It needs a wide band to hear in.
"""

import numpy as np

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

TINY = 1e-12  # a line this far below the strongest has no phase worth keeping


def spectrum_lines(axis_g: "Floats") -> "NDArray[Any]":
    """Complex spectrum of a stretch of shape (n,), its mean removed; n best `smooth_at_most`."""
    return np.fft.rfft(axis_g - axis_g.mean())


def whitened(lines: "NDArray[Any]") -> "NDArray[Any]":
    """Every line at magnitude 1 with its own phase; lines that are nothing stay nothing."""
    size = np.abs(lines)
    floor = TINY * size.max(initial=0.0)
    safe = np.where(size > floor, size, 1.0)
    return np.where(size > floor, lines / safe, 0.0)


def envelope_power(band: "NDArray[Any]", top: int) -> "Floats":
    """Power of lines 0..`top` of the squared envelope of a band of spectrum lines, Hann-windowed.

    `band`: the lines of the one-sided spectrum that are kept, in order. The line spacing stays that
    of the spectrum. The inverse transform is as short as the band allows: its length exceeds the
    band by `top`, so no difference of two lines folds onto the lines that are asked for.
    """
    length = smooth_at_least(len(band) + top + 1)
    analytic = np.fft.ifft(band, length)
    squared = analytic.real**2 + analytic.imag**2
    seen = np.fft.rfft((squared - squared.mean()) * hann(length))[: top + 1]
    power: Floats = seen.real**2 + seen.imag**2
    return power


_hann_kept: "dict[int, Floats]" = {}
KEPT_MAX = 8  # lengths: a run has one or two per sensor


def hann(length: int) -> "Floats":
    """Periodic Hann window, kept per length."""
    if length not in _hann_kept:
        if len(_hann_kept) >= KEPT_MAX:
            _hann_kept.clear()
        _hann_kept[length] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    return _hann_kept[length]


def smooth_at_most(n: int) -> int:
    """The largest number up to `n` that is made of 2, 3 and 5 only: quick to transform."""
    while n > 1 and not _is_smooth(n):
        n -= 1
    return n


def smooth_at_least(n: int) -> int:
    """The smallest number from `n` on that is made of 2, 3 and 5 only."""
    while not _is_smooth(n):
        n += 1
    return n


def _is_smooth(n: int) -> bool:
    for prime in (2, 3, 5):
        while n % prime == 0:
            n //= prime
    return n == 1
