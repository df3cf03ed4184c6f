"""Lines in the spectra of one stretch: how strong, how far above the noise, which are apart.

A line is the main lobe that a Hann window makes of a tone: five bins, whose power is the tone's to
0.05 % wherever between two bins it lies, less the noise beneath them. The lobe is four bins wide at
its foot: of a tone 3.75 bins away 0.4 % of the power is counted in, of one three bins away a
quarter. So two tones are two lines from 3.75 / seconds on. At 59 Hz twice the speed of a two-pole
motor and twice a 60 Hz mains are 2 Hz apart: 1.9 s. Twice the 29.5 Hz of a four-pole motor and the
mains are 1 Hz apart: 3.8 s.
"""

import numpy as np

from agent.analysis.spectra import STANDARD_GRAVITY_MM_S2, power_spectrum

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import NamedTuple

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

    class Lines(NamedTuple):
        """`power_g2`, `floor_g2`: shape (axes, bins), mean square in each bin and the noise's.

        `step_hz`: between two bins. `top_hz`: the highest frequency that the sensor passes.
        """

        power_g2: Floats
        floor_g2: Floats
        step_hz: float
        top_hz: float
        rate_hz: float

    class Line(NamedTuple):
        """One line: RMS `mm_s` and `g`, and `above` (peak over noise, in power), each (axes,)."""

        hz: float
        mm_s: Floats
        g: Floats
        above: Floats
else:
    from collections import namedtuple

    Lines = namedtuple("Lines", ("power_g2", "floor_g2", "step_hz", "top_hz", "rate_hz"))
    Line = namedtuple("Line", ("hz", "mm_s", "g", "above"))

LOBE = 2  # bins on either side of a peak that belong to it
APART_BINS = 3.75
FLOOR_BINS = 32  # a median over these passes over the lines among them
MEDIAN_OF_MEAN = float(np.log(2.0))  # of the power in a bin of noise, which is exponential
STANDS_OUT = 16.0  # 12 dB: noise reaches it in one bin of 65000
USABLE_OF_NYQUIST = 0.95
FLOOR_G2 = 1e-18  # far below any part's noise: a dead line divides nothing by zero
MAINS_HARMONICS = (1, 2, 4, 6)  # the field's pull at twice the mains, a rectifier's ripple
TWICE = 2


def lines_of(
    acceleration_g: "Floats", rate_hz: float, bandwidth_hz: "float | None" = None
) -> "Lines":
    """The spectra of a gapless stretch, shape (n, axes), in g. ValueError as `power_spectrum`."""
    n = fast_length(len(acceleration_g))
    power = np.stack([power_spectrum(axis[:n], rate_hz).power_g2 for axis in acceleration_g.T])
    top_hz = USABLE_OF_NYQUIST * rate_hz / 2
    if bandwidth_hz is not None:
        top_hz = min(top_hz, bandwidth_hz)
    return Lines(power, _floor(power), rate_hz / n, top_hz, rate_hz)


def fast_length(n: int) -> int:
    """The largest number up to n whose factors are 2, 3 and 5: a transform of it is quick."""
    best = 1
    power_of_5 = 1
    while power_of_5 <= n:
        power_of_3 = power_of_5
        while power_of_3 <= n:
            best = max(best, power_of_3 << (n // power_of_3).bit_length() - 1)
            power_of_3 *= 3
        power_of_5 *= 5
    return best


def separation_hz(lines: "Lines") -> float:
    """Two tones closer than this are one line."""
    return APART_BINS * lines.step_hz


def line_near(lines: "Lines", hz: float, reach_hz: float) -> "Line | None":
    """The strongest line within `reach_hz` of `hz`; None where the sensor does not see.

    Where nothing stands out it is the noise there: amplitudes near 0 and `above` near 1.
    """
    low = max(LOBE, int(np.floor((hz - reach_hz) / lines.step_hz + 0.5)))
    high = max(low, int(np.floor((hz + reach_hz) / lines.step_hz + 0.5)))
    if hz > lines.top_hz or high + LOBE >= lines.power_g2.shape[1]:
        return None
    above = lines.power_g2[:, low : high + 1] / lines.floor_g2[:, low : high + 1]
    peak = _climbed(lines, low + int(np.argmax(above.max(axis=0))))
    above_there = lines.power_g2[:, peak] / lines.floor_g2[:, peak]
    g = _lobe_g(lines, peak)
    at_hz = peak_hz(lines, peak)
    stands = above_there if _climbed(lines, peak) == peak else np.minimum(above_there, 1.0)
    return Line(at_hz, g * STANDARD_GRAVITY_MM_S2 / (2 * np.pi * at_hz), g, stands)


def peak_hz(lines: "Lines", peak: int) -> float:
    """Where between the bins the tone lies: the two largest amplitudes of a Hann lobe tell."""
    axis = int(np.argmax(lines.power_g2[:, peak] / lines.floor_g2[:, peak]))
    left, middle, right = np.sqrt(lines.power_g2[axis, peak - 1 : peak + 2])
    side = 1.0 if right >= left else -1.0
    ratio = max(left, right) / max(middle, FLOOR_G2)
    offset = (2 * ratio - 1) / (ratio + 1)
    return float((peak + side * min(max(offset, 0.0), 0.5)) * lines.step_hz)


def _climbed(lines: "Lines", peak: int) -> int:
    """One bin up towards the top of the line; a line whose top lies further is another's skirt."""
    axis = int(np.argmax(lines.power_g2[:, peak] / lines.floor_g2[:, peak]))
    return peak - 1 + int(np.argmax(lines.power_g2[axis, peak - 1 : peak + 2]))


def mains_lines_hz(mains_hz: float, rate_hz: float) -> "tuple[float, ...]":
    """Where the mains and its multiples show, folded at half the rate where they lie above it."""
    return tuple(
        abs(k * mains_hz - rate_hz * round(k * mains_hz / rate_hz)) for k in MAINS_HARMONICS
    )


def _lobe_g(lines: "Lines", peak: int) -> "Floats":
    around = slice(peak - LOBE, peak + LOBE + 1)
    power = lines.power_g2[:, around].sum(axis=1) - lines.floor_g2[:, around].sum(axis=1)
    level: Floats = np.sqrt(np.maximum(power, 0.0))
    return level


def _floor(power_g2: "Floats") -> "Floats":
    """Mean power of the noise in each bin, from medians of neighbouring bins."""
    axes, bins = power_g2.shape
    blocks = bins // FLOOR_BINS
    if blocks < 2:
        middle = np.median(power_g2, axis=1, keepdims=True) / MEDIAN_OF_MEAN
        return np.maximum(np.broadcast_to(middle, power_g2.shape), FLOOR_G2)
    cut = power_g2[:, : blocks * FLOOR_BINS].reshape(axes, blocks, FLOOR_BINS)
    medians = np.median(cut, axis=2) / MEDIAN_OF_MEAN
    centres = (np.arange(blocks) + 0.5) * FLOOR_BINS
    places = np.arange(bins)
    return np.stack([np.maximum(np.interp(places, centres, row), FLOOR_G2) for row in medians])
