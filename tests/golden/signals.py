"""Signals that a script elsewhere and a test here make alike: formulas, no random numbers."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def modulated(n: int = 2048) -> Floats:
    """Two carriers, modulated at 25 and at 25 and 40 periods in the window, and nothing else."""
    t = np.arange(n) / n
    slow = 1 + 0.6 * np.cos(2 * np.pi * 25 * t)
    both = 1 + 0.4 * np.cos(2 * np.pi * 25 * t + 0.7) + 0.3 * np.cos(2 * np.pi * 40 * t)
    found: Floats = slow * np.sin(2 * np.pi * 300 * t) + 0.5 * both * np.sin(2 * np.pi * 700 * t)
    return found


def rough(n: int = 500) -> Floats:
    """A signal whose spectrum has no empty line: sweeps over a decaying ring."""
    t = np.arange(n) / n
    found: Floats = np.sin(2 * np.pi * (3 * t + 170 * t**2)) + 3 * np.cos(2 * np.pi * 60.5 * t)
    found += 2 * np.exp(-30 * t) * np.sin(2 * np.pi * 130 * t + 1.0)
    centred: Floats = found - found.mean()
    return centred
