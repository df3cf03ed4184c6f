"""A rolling-element bearing's defect: bursts of a resonance, with slip and load.

Each rolling element that passes the defect rings the housing. The bursts come at the frequency of
the defective element, each a little early or late (rolling elements slip by one or two percent),
and louder in the load zone: a defect of the inner race goes through it once a turn of the shaft,
one on a ball once a turn of the cage. After McFadden and Smith 1984 and Randall and Antoni 2011.
"""

from collections import namedtuple

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


# `strikes`: bursts in a turn of the shaft; `load_turns`, `load_depth`: how often in a turn of the
# shaft the defect goes through the load zone and by how much it is louder there; `slip`: standard
# deviation of a burst's time, as a share of the time between two.
Striking = namedtuple("Striking", ("strikes", "load_turns", "load_depth", "slip"))


def striking(element: str, bpfo: float, bpfi: float, bsf: float, ftf: float) -> "Striking":
    """How an element's defect strikes, of the bearing's four orders (`bsf`: turns of a ball)."""
    return {
        "outer": Striking(bpfo, 1.0, 0.1, SLIP),
        "inner": Striking(bpfi, 1.0, 0.7, SLIP),
        "rolling_element": Striking(2 * bsf, ftf, 0.7, SLIP),
        "cage": Striking(ftf, 1.0, 0.1, 3 * SLIP),
    }[element]


class Defect:
    """Acceleration of a defect of depth 1, in units of its peak."""

    def __init__(
        self,
        seed: int,
        shaft_hz: float,
        how: "Striking",
        resonances_hz: "tuple[tuple[float, float], ...]" = RESONANCES_HZ,
    ) -> None:
        chance = np.random.default_rng(seed)
        self._resonances_hz = resonances_hz
        self._load_hz = how.load_turns * shaft_hz
        self._load_depth = how.load_depth
        self._passes_hz = how.strikes * shaft_hz
        self._jitter = np.clip(chance.normal(0.0, how.slip, 4096), -0.2, 0.2)
        self._strength = 1.0 + 0.15 * chance.normal(size=4096)

    def at(self, t_s: "Floats") -> "Floats":
        """Values at times `t_s`, shape (n,)."""
        last = np.floor(t_s * self._passes_hz).astype(np.int64)
        total: Floats = np.zeros_like(t_s)
        for back in range(BURSTS_HEARD + 1):
            burst = last + (1 - back)  # the one just ahead may have come early
            began_s: Floats = (burst + self._jitter[burst % 4096]) / self._passes_hz
            total += self._strength[burst % 4096] * _ring(t_s - began_s, self._resonances_hz)
        load = 1.0 + self._load_depth * np.cos(2 * np.pi * self._load_hz * t_s)
        found: Floats = total * load
        return found


class OuterRaceDefect(Defect):
    """Of the 6205 that the simulated pump has."""

    def __init__(self, seed: int, shaft_hz: float) -> None:
        super().__init__(seed, shaft_hz, Striking(OUTER_RACE_ORDER, 1.0, 0.4, SLIP))


def _ring(since_s: "Floats", resonances_hz: "tuple[tuple[float, float], ...]") -> "Floats":
    decay = np.where(since_s >= 0, np.exp(-np.maximum(since_s, 0.0) / DECAY_S), 0.0)
    waves: Floats = np.zeros_like(since_s)
    for hz, share in resonances_hz:
        waves += share * _mode(since_s, hz)
    rung: Floats = waves * decay
    return rung


def _mode(since_s: "Floats", hz: float) -> "Floats":
    """Begun in the phase that leaves no push behind: a housing does not move away."""
    omega = 2 * np.pi * hz
    wave: Floats = np.sin(omega * since_s - np.arctan(omega * DECAY_S))
    return wave
