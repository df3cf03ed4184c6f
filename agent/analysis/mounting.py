"""Whether the sensor still sits where the machine was learned: gravity and the way of sound. Pure.

A fault turns no gravity and takes nothing away from the high frequencies. A sensor that was turned
or moved does the one, one that came loose or was set on paint the other.
"""

import numpy as np

from agent.analysis.features import BANDS, FEATURE_NAMES

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from agent.analysis.anomaly import Baseline

    Floats = NDArray[np.float64]

GRAVITY_G = (0.65, 1.35)  # as agent.analysis.trust: a part's own offsets add up to 0.3 g
TURNED_DEG = 10.0  # an ADXL345's offsets drift by 2 degrees over 40 degC (0.8 mg/degC)
TILTED_DEG = 4.0  # enough, when the level stepped in all bands at once
STEP = float(np.log(1.5))  # of a band's level, up or down
STEPPED_SHARE = 0.8  # of the bands
FADED = float(np.log(2.5))  # of the upper bands' level: a load that sinks takes less
FADED_SPREADS = 4.0
_BAND_FIRST = FEATURE_NAMES.index("band_00")


def gravity_of(values: "Floats") -> "tuple[float, ...] | None":
    """The direction of gravity in a window, shape (n, 3) in g, as a unit vector.

    None for other than three axes, or when what is felt is not gravity (a recording without it).
    """
    if values.shape[1] != 3:
        return None
    felt = values.mean(axis=0)
    size = float(np.linalg.norm(felt))
    if not GRAVITY_G[0] <= size <= GRAVITY_G[1]:
        return None
    return tuple(float(part) for part in felt / size)


def mean_direction(directions: "Any") -> "tuple[float, ...] | None":
    """The mean of unit vectors as a unit vector; None of none."""
    if not len(directions):
        return None
    total = np.asarray(directions, dtype=np.float64).sum(axis=0)
    return tuple(float(part) for part in total / np.linalg.norm(total))


def turned_deg(found: "tuple[float, ...]", known: "tuple[float, ...]") -> float:
    """The angle between two unit vectors, in degrees."""
    cosine = float(np.clip(np.dot(found, known), -1.0, 1.0))
    return float(np.degrees(np.arccos(cosine)))


def stepped(vectors: "Floats", baseline: "Baseline") -> bool:
    """Whether nearly all bands of all axes lie at another level, up or down; (axes, features)."""
    change = np.abs(_bands(vectors) - _bands(baseline.mean))
    far = (change > STEP) & (change > FADED_SPREADS * _bands(baseline.spread))
    return bool(far.mean() >= STEPPED_SHARE)


def faded(vectors: "Floats", baseline: "Baseline") -> bool:
    """Whether the upper bands of every axis have sunk together: the way of sound is another."""
    drop = _bands(baseline.mean) - _bands(vectors)
    upper = slice(BANDS // 2, None)
    gone = (drop > FADED) & (drop > FADED_SPREADS * _bands(baseline.spread))
    return bool((gone[:, upper].mean(axis=1) >= STEPPED_SHARE).all())


def _bands(table: "Floats") -> "Floats":
    return table[:, _BAND_FIRST : _BAND_FIRST + BANDS]
