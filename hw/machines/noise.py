"""Noise as a function of time: the same instant always gives the same value."""

import numpy as np

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LENGTH = 1 << 17  # at 8192 Hz it repeats after 16 s
RATE_HZ = 8192.0


class Rustle:
    """Coloured noise of unit RMS between `low_hz` and `high_hz`, from a table, by interpolation."""

    def __init__(self, seed: int, low_hz: float, high_hz: float) -> None:
        chance = np.random.default_rng(seed)
        hz = np.fft.rfftfreq(LENGTH, 1 / RATE_HZ)
        shape = np.where((hz >= low_hz) & (hz <= high_hz), 1.0, 0.0)
        shape[1:] /= np.sqrt(1.0 + (hz[1:] / (low_hz + 300.0)) ** 2)
        spectrum = np.fft.rfft(chance.normal(size=LENGTH)) * shape
        table = np.fft.irfft(spectrum, LENGTH)
        self._table = (table / table.std()).astype(np.float32)

    def at(self, t_s: "Floats", shift_s: float = 0.0) -> "Floats":
        """Values at times `t_s`, shape (n,); `shift_s` gives another axis its own noise."""
        place = (t_s + shift_s) * RATE_HZ
        below = np.floor(place).astype(np.int64)
        part = place - below
        low = self._table[below % LENGTH]
        high = self._table[(below + 1) % LENGTH]
        found: Floats = np.asarray(low + part * (high - low), dtype=np.float64)
        return found


class Grain:
    """White noise of unit RMS, one value for each whole number and axis."""

    def __init__(self, seed: int, axes: int) -> None:
        self._table = np.random.default_rng(seed).normal(size=(1 << 16, axes)).astype(np.float32)

    def at(self, first: int, count: int) -> "Floats":
        """Rows `first` to `first + count`, shape (count, axes)."""
        place = (first + np.arange(count)) % len(self._table)
        rows: Floats = self._table[place].astype(np.float64)
        return rows
