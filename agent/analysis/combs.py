"""How much of a spectrum stands out at a frequency and its multiples; where the shaft's lines are.

A level is log10(power of a line / median of its neighbourhood): 0 for noise, 1 for ten times the
noise. A comb's score is the mean level over the fundamental and its multiples.
"""

import numpy as np

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

HARMONICS = 3
MAINS_HZ = (50.0, 60.0)
NEIGHBOURS_MIN = 16  # lines in a median: fewer and a comb of sidebands lifts its own floor
LEVEL_MIN = -3.0
STEP = 1 / 6  # of a line: half a line at the third harmonic
SKIRT_LINES = 5  # a line wanders and leaks this far: what lies nearer to a larger one is its skirt
BLANK_LINES = 2  # half the width of a Hann window's main lobe
RESOLVED = 1.2  # level of the shaft's own comb from which its speed counts as found
SPEED_ERROR = 0.03  # a nominal speed is off by this much at the most
SHAFT_HARMONICS = 6
LEVEL_CAP = 2.0  # per harmonic of the shaft: mains has only every second one and stays at 1.0


def levels(power: "Floats", neighbours: int) -> "Floats":
    """log10 of each line over the median of its neighbourhood of about `neighbours` lines."""
    size = min(max(neighbours, NEIGHBOURS_MIN), len(power))
    count = len(power) // size
    medians = np.median(power[: count * size].reshape(count, size), axis=1)
    tiny = np.finfo(np.float64).tiny + 1e-12 * power.max(initial=0.0)
    middles = (np.arange(count) + 0.5) * size
    floor = np.interp(np.arange(len(power)), middles, np.log10(medians + tiny))
    found: Floats = np.maximum(np.log10(power + tiny) - floor, LEVEL_MIN)
    return found


def without_multiples(level: "Floats", line: float) -> "Floats":
    """`level` with 0 at every multiple of `line` (a place among the lines, > 0) and on its skirt.

    Two lines to each side go in any case; up to five only where they are smaller than the multiple.
    """
    found = level.copy()
    centre = np.rint(np.arange(1, int((len(level) - 1) / line) + 1) * line).astype(np.int64)
    centre = centre[centre < len(level)]
    height = _largest_within(level, 1)[centre]
    for offset in range(-SKIRT_LINES, SKIRT_LINES + 1):
        place = np.clip(centre + offset, 0, len(level) - 1)
        skirt = (level[place] < height) | (abs(offset) <= BLANK_LINES)
        found[place] = np.where(skirt, np.minimum(found[place], 0.0), found[place])
    return found


def comb(level: "Floats", line: "Floats", harmonics: int = HARMONICS) -> "Floats":
    """Levels at multiples of each place in `line`, shape (harmonics, len(line)).

    The neighbouring line counts too; what lies beyond the end counts 0.
    """
    near = _largest_within(level, 1)
    place = np.rint(np.outer(np.arange(1, harmonics + 1), line)).astype(np.int64)
    beyond = place >= len(level)
    found: Floats = np.where(beyond, 0.0, near[np.minimum(place, len(level) - 1)])
    return found


def best_of(scores: "Floats") -> int:
    """The middle of the places that share the largest score."""
    places = np.flatnonzero(scores >= scores.max() - 1e-9)
    first = places[: 1 + int(np.argmax(np.diff(places, append=places[-1] + 2) > 1))]
    return int(first[len(first) // 2])


def shaft_line(
    level: "Floats", nominal: float, error: float = SPEED_ERROR
) -> "tuple[float, float]":
    """(place of the shaft's line, mean level of its comb) within `error` of the nominal place.

    From the spectrum of the acceleration itself. Six multiples, each capped, so that the lines of
    the mains, which come at every second one, do not pass for the shaft.
    """
    reach = SHAFT_HARMONICS * nominal
    line = np.arange(nominal * (1 - error), nominal * (1 + error), nominal / reach / 2)
    found = np.clip(comb(level, line, SHAFT_HARMONICS), 0.0, LEVEL_CAP).mean(axis=0)
    best = best_of(found)
    return float(line[best]), float(found[best])


def shows_shaft(level: "Floats", nominal: float, spacing_hz: float) -> bool:
    """Whether the first multiple of the shaft stands out within 3 % of its nominal place, as the
    top of what is there, not the skirt of a line beside it.

    `level`: of the acceleration itself; the mains is not the shaft. Noise alone reaches `RESOLVED`
    on one line in 60 000, and only some ten lie within 3 %.
    """
    first, last = (int(nominal * (1 + side * SPEED_ERROR) + 0.5) for side in (-1, 1))
    place = np.arange(max(0, first - BLANK_LINES), min(last + BLANK_LINES + 1, len(level)))
    for hz in MAINS_HZ:
        place = place[np.abs(place - hz / spacing_hz) > BLANK_LINES]
    if not len(place):
        return False
    top = place[np.argmax(level[place])]
    return bool(level[top] >= RESOLVED and first <= top <= last)


def _largest_within(level: "Floats", reach: int) -> "Floats":
    """The largest of the lines up to `reach` away, itself included."""
    padded = np.pad(level, reach, constant_values=-np.inf)
    largest = level
    for offset in range(2 * reach + 1):
        largest = np.maximum(largest, padded[offset : offset + len(level)])
    return largest
