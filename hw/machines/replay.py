"""Recordings as machines: what was recorded, at any instant, below a sensor's cut-off."""

import numpy as np

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

POINTS_A_PERIOD = 16  # of the highest frequency left, so that straight lines between them do


class EndOfRecording(Exception):
    """There is nothing recorded at that time."""


class Recording:
    """`acceleration_g`: shape (n, axes) in g at `rate_hz`; up to three axes, the others feel 0."""

    def __init__(self, acceleration_g: "Floats", rate_hz: float) -> None:
        self._recorded = np.asarray(acceleration_g, dtype=np.float64)
        self._recorded_hz = rate_hz
        self._cut_hz = 0.0
        self._fine = self._recorded
        self._fine_hz = rate_hz
        self.seconds = len(self._recorded) / rate_hz

    def below(self, t_s: "Floats", cut_hz: float) -> "Floats":
        """What lies below `cut_hz`, at times `t_s`, shape (n, 3); EndOfRecording past the end."""
        if t_s[-1] >= self.seconds - 1.0 / self._recorded_hz:
            raise EndOfRecording(f"{t_s[-1]:.3f} s of {self.seconds:.3f} s")
        if cut_hz != self._cut_hz:
            self._limit(cut_hz)
        place = np.clip(t_s * self._fine_hz, 0.0, len(self._fine) - 2.0)
        low = place.astype(np.int64)
        part = (place - low)[:, None]
        values = self._fine[low] * (1 - part) + self._fine[low + 1] * part
        out = np.zeros((len(t_s), 3))
        out[:, : values.shape[1]] = values
        return out

    def _limit(self, cut_hz: float) -> None:
        """Keeps the spectrum below `cut_hz`, on a grid fine enough to draw lines between."""
        n = len(self._recorded)
        spectrum = np.fft.rfft(self._recorded, axis=0)
        hz = np.fft.rfftfreq(n, 1 / self._recorded_hz)
        spectrum *= _soft_edge(hz, cut_hz)[:, None]
        finer = max(1, int(np.ceil(POINTS_A_PERIOD * cut_hz / self._recorded_hz)))
        self._fine = np.fft.irfft(spectrum, n * finer, axis=0) * finer
        self._fine_hz = self._recorded_hz * finer
        self._cut_hz = cut_hz


def _soft_edge(hz: "Floats", cut_hz: float) -> "Floats":
    """1 below, 0 above, a raised cosine over the last tenth."""
    part = np.clip((hz - 0.9 * cut_hz) / (0.1 * cut_hz), 0.0, 1.0)
    edge: Floats = 0.5 + 0.5 * np.cos(np.pi * part)
    return edge
