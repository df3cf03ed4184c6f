"""Whether a machine turns as fast as before: its lines on a logarithmic frequency axis. Pure.

At another speed every line of the shaft moves by the same factor, so the whole pattern shifts. A
fault adds lines or noise to the pattern and shifts nothing. No speed need be known for that. The
mains do not shift and do not count.
"""

import numpy as np

from agent.analysis.spectra import power_spectrum

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import NamedTuple

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

    class Shift(NamedTuple):
        """`ratio`: of speeds, where the patterns fit best. `here`, `there`: fit at 1 and at it."""

        ratio: float
        here: float
        there: float
else:
    from collections import namedtuple

    Shift = namedtuple("Shift", ("ratio", "here", "there"))

LOWEST_HZ = 8.0
HIGHEST_HZ = 600.0  # the first orders of common machines lie below
ENOUGH_HZ = 2400.0  # a rate of which every multiple is first averaged down to it
STEP = 0.01  # of the frequency: finer than the 2 % that part two speed bands
SAME = 0.025  # a shift up to this is the same speed: load moves an induction motor less
OTHER_MAX = float(np.log(2.2))
FLOOR_STEPS = 40  # on either side: a pattern is what stands above its surroundings
DECIBEL_MAX = 30.0  # one strong line is no pattern
MAINS_HZ = (60.0, 120.0, 180.0, 240.0)
MAINS_REACH_HZ = 0.7
FITS = 0.45  # of patterns that are the same; unlike ones stay below 0.3 (measured, see tests)
BETTER = 0.2  # how much better another speed must fit


def signature(acceleration_g: "Floats", rate_hz: float) -> "Floats":
    """The pattern of a gapless stretch, shape (n, axes) in g: levels in dB above surroundings."""
    fold = max(1, int(rate_hz // ENOUGH_HZ))
    n = len(acceleration_g) // fold
    coarse = acceleration_g[: n * fold].reshape(n, fold, -1).mean(axis=1)
    rate_hz /= fold
    places = np.exp(np.arange(np.log(LOWEST_HZ), np.log(_top_hz(rate_hz)), STEP))
    spectra = [power_spectrum(axis, rate_hz) for axis in coarse.T]
    power: Floats = np.sum([one.power_g2 for one in spectra], axis=0)
    hz = spectra[0].hz
    for mains_hz in MAINS_HZ:
        near = np.abs(hz - mains_hz) < MAINS_REACH_HZ
        if near.any():
            power[near] = power[max(0, int(near.argmax()) - 1)]
    edges = np.searchsorted(hz, np.append(places, places[-1] * (1 + STEP)) * (1 - STEP / 2))
    edges = np.minimum(edges, len(power) - 1)
    level = 10 * np.log10(np.maximum(np.maximum.reduceat(power, edges[:-1]), 1e-18))
    pattern: Floats = np.clip(level - _surroundings(level), 0.0, DECIBEL_MAX)
    return pattern


def _top_hz(rate_hz: float) -> float:
    return min(HIGHEST_HZ, 0.45 * rate_hz)


def _surroundings(level: "Floats") -> "Floats":
    """The median over the places around each."""
    padded = np.pad(level, FLOOR_STEPS, mode="reflect")
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * FLOOR_STEPS + 1)
    middle: Floats = np.median(around, axis=1) + 3.0
    return middle


def shift_between(found: "Floats", known: "Floats") -> "Shift":
    """How far the pattern `found` lies from `known`; they begin at the same frequency.

    ValueError when one is less than half of the other: they are of different sensors.
    """
    n = min(len(found), len(known))
    if 2 * n < max(len(found), len(known)):
        raise ValueError(f"signature: {len(found)} places, expected about {len(known)}")
    found, known = found[:n], known[:n]
    reach = min(int(OTHER_MAX / STEP), len(known) // 2)
    same = max(1, round(SAME / STEP))
    fits = np.array([_fit(found, known, lag) for lag in range(-reach, reach + 1)])
    here = float(fits[reach - same : reach + same + 1].max())
    best = int(fits.argmax())
    return Shift(float(np.exp((best - reach) * STEP)), here, float(fits[best]))


def _fit(found: "Floats", known: "Floats", lag: int) -> float:
    """Correlation of `found` with `known` moved up by `lag` places."""
    n = len(known)
    a = found[max(lag, 0) : n + min(lag, 0)]
    b = known[max(-lag, 0) : n + min(-lag, 0)]
    scale = float(np.sqrt((found @ found) * (known @ known)))
    return float(a @ b) / scale if scale > 0 else 0.0


def same_speed(shift: "Shift") -> "bool | None":
    """True or False when the patterns say so; None when they do not fit anywhere."""
    if shift.there >= FITS and shift.there - shift.here > BETTER:
        return False
    return True if shift.here >= FITS else None


def changing(first: "Floats", second: "Floats") -> bool:
    """Whether the speed changed between two stretches that follow one another."""
    return same_speed(shift_between(second, first)) is False
