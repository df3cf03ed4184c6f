"""Whether two recordings hold a run of the same samples, wherever it lies in each. Pure.

A rolling hash modulo 2^64 (Karp and Rabin, 1987), all places at once; what it finds is compared.
"""

import numpy as np

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Words = NDArray[np.uint64]

RUN_FRAMES = 256  # noise of half a bit never repeats so long
MOVES_OF_RUN = 4  # one frame in so many must differ from the last: a dropout is no signature
BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2^64


def shares_run(one: "Floats", other: "Floats") -> bool:
    """Whether a run of samples is in both; shapes (n, axes) and (m, axes), axes alike.

    A run of twice RUN_FRAMES is always found; of recordings too short for it, half of the shorter.
    """
    if one.shape[1:] != other.shape[1:]:
        return False
    run = min(RUN_FRAMES, min(len(one), len(other)) // 2)
    if run < 1:
        return False
    places = np.arange(0, len(one) - run + 1, run)
    moves = (np.diff(one, axis=0) != 0).any(axis=1)
    places = np.array([at for at in places if moves[at : at + run].sum() * MOVES_OF_RUN >= run])
    if not len(places):
        return False
    wanted, found = _hashes(one, run)[places], _hashes(other, run)
    for at in np.flatnonzero(np.isin(found, wanted)):
        for place in places[wanted == found[at]]:
            if np.array_equal(one[place : place + run], other[at : at + run]):
                return True
    return False


def _hashes(values: "Floats", run: int) -> "Words":
    """The hash of every run of that many frames, shape (n - run + 1,)."""
    bits = np.ascontiguousarray(values + 0.0).view(np.uint64)  # + 0.0: the two zeros are one
    mixes = _powers(pow(3, 41), bits.shape[1])
    frames = (bits * mixes).sum(axis=1, dtype=np.uint64)
    sums = np.zeros(len(frames) + 1, dtype=np.uint64)
    np.cumsum(frames * _powers(BASE, len(frames)), out=sums[1:])
    back = _powers(pow(BASE, -1, 2**64), len(frames) - run + 1)
    hashes: "Words" = (sums[run:] - sums[:-run]) * back
    return hashes


def _powers(base: int, count: int) -> "Words":
    """base**0, base**1 ... modulo 2^64."""
    steps = np.full(count, base % 2**64, dtype=np.uint64)
    steps[:1] = 1
    powers: "Words" = np.cumprod(steps)
    return powers
