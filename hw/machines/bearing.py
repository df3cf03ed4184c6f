"""A rolling-element bearing's outer-race defect: bursts of a resonance, with slip and load.

Each rolling element that passes the defect rings the housing. The bursts come at the outer-race
frequency, each a little early or late (rolling elements slip by one or two percent), and the load
zone makes them louder once a turn. After McFadden and Smith 1984 and Randall and Antoni 2011.
"""

import numpy as np

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

OUTER_RACE_ORDER = 3.585  # a 6205: 9 balls of 7.94 mm on 39.04 mm
SLIP = 0.015  # standard deviation of a burst's time, as a share of the time between two
DECAY_S = 0.0016
RESONANCES_HZ = ((1130.0, 1.0), (2870.0, 0.8))  # housing modes and their shares
BURSTS_HEARD = 2  # the burst before the last still rings a little


class OuterRaceDefect:
    """Acceleration of a defect of depth 1, in units of its peak."""

    def __init__(self, seed: int, shaft_hz: float) -> None:
        chance = np.random.default_rng(seed)
        self._shaft_hz = shaft_hz
        self._passes_hz = OUTER_RACE_ORDER * shaft_hz
        self._jitter = np.clip(chance.normal(0.0, SLIP, 4096), -0.2, 0.2)
        self._strength = 1.0 + 0.15 * chance.normal(size=4096)

    def at(self, t_s: "Floats") -> "Floats":
        """Values at times `t_s`, shape (n,)."""
        last = np.floor(t_s * self._passes_hz).astype(np.int64)
        total: Floats = np.zeros_like(t_s)
        for back in range(BURSTS_HEARD + 1):
            burst = last + (1 - back)  # the one just ahead may have come early
            began_s: Floats = (burst + self._jitter[burst % 4096]) / self._passes_hz
            total += self._strength[burst % 4096] * _ring(t_s - began_s)
        load = 1.0 + 0.4 * np.cos(2 * np.pi * self._shaft_hz * t_s)
        found: Floats = total * load
        return found


def _ring(since_s: "Floats") -> "Floats":
    decay = np.where(since_s >= 0, np.exp(-np.maximum(since_s, 0.0) / DECAY_S), 0.0)
    waves: Floats = np.zeros_like(since_s)
    for hz, share in RESONANCES_HZ:
        waves += share * _mode(since_s, hz)
    rung: Floats = waves * decay
    return rung


def _mode(since_s: "Floats", hz: float) -> "Floats":
    """Begun in the phase that leaves no push behind: a housing does not move away."""
    omega = 2 * np.pi * hz
    wave: Floats = np.sin(omega * since_s - np.arctan(omega * DECAY_S))
    return wave
