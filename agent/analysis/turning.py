"""Whether a shaft turns, from a stretch of some seconds: for machines that a window does not hear.

In a window of half a second the lines of a quiet machine drown in a noisy sensor's own noise; in a
stretch they stand out of it, as noise shares its power among eight times as many bins. A line
counts when it stands out in both halves of the stretch, at the same place: a knock rings in one.
"""

import numpy as np

from agent.analysis.lines import LOBE, STANDS_OUT, lines_of, mains_lines_hz
from agent.analysis.orders import SLIP_MAX
from agent.analysis.spectra import MIN_PERIODS, STANDARD_GRAVITY_MM_S2, iso_band_hz

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from numpy.typing import NDArray

    from agent.analysis.evidence import MachineFacts
    from agent.analysis.lines import Lines

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

SHAFT_ORDERS = (1, 2, 3)  # unbalance, misalignment; more would be anybody's
STILL_STANDS_OUT = STANDS_OUT / 2  # 9 dB, of what was heard before: at its edge it comes and goes
ANYWHERE = 4.0  # 6 dB more where no speed is known: floors and tables have weak lines of their own


def turning_mm_s(
    acceleration_g: "Floats", rate_hz: float, machine: "MachineFacts", above: float = STANDS_OUT
) -> float:
    """RMS velocity of the lines that stand out, in mm/s, of the axis that has most; 0 for none.

    `acceleration_g`: a gapless stretch in g, shape (n, axes). Where the machine's speed is known,
    its orders alone count, so that a neighbour of another speed does not; else any line in the ISO
    band. The mains and its multiples never count: a cable hums beside a machine that is off.
    `above`: how far over the noise a line must stand, in power, where the speed is known.
    """
    above *= ANYWHERE if machine.rpm is None else 1.0
    half = len(acceleration_g) // 2
    parts = [lines_of(part, rate_hz) for part in (acceleration_g[:half], acceleration_g[-half:])]
    stands = np.logical_and(*(_beside(_stands_out(part, above), 1) for part in parts))
    stands &= _places(parts[0], machine)
    whole = _beside(stands & _stands_out(parts[0], above), LOBE)
    return min(_velocity_mm_s(part, whole) for part in parts)


def _stands_out(lines: "Lines", above: float) -> "Flags":
    found: "Flags" = lines.power_g2 >= above * lines.floor_g2
    return found


def _beside(flags: "Flags", bins: int) -> "Flags":
    """True also up to `bins` beside each True one, along the last axis."""
    wide = flags.copy()
    for by in range(1, bins + 1):
        wide[..., by:] |= flags[..., :-by]
        wide[..., :-by] |= flags[..., by:]
    return wide


def _places(lines: "Lines", machine: "MachineFacts") -> "Flags":
    """The bins where this machine's lines may be, shape (bins,)."""
    hz = lines.step_hz * np.arange(lines.power_g2.shape[1])
    low_hz, high_hz = iso_band_hz(machine.rpm)
    low_hz = max(low_hz, MIN_PERIODS * lines.step_hz)
    places: "Flags" = (hz >= low_hz) & (hz <= min(high_hz, lines.top_hz))
    if machine.rpm is not None:
        shaft_hz = machine.rpm / 60.0
        orders = SHAFT_ORDERS if machine.vanes is None else (*SHAFT_ORDERS, machine.vanes)
        reach = [max(SLIP_MAX * order * shaft_hz, lines.step_hz) for order in orders]
        near = [abs(hz - order * shaft_hz) <= by for order, by in zip(orders, reach)]
        places &= np.any(near, axis=0)
    for mains_hz in mains_lines_hz(machine.mains_hz, lines.rate_hz):
        places &= abs(hz - mains_hz) > LOBE * lines.step_hz
    return places


def _velocity_mm_s(lines: "Lines", flags: "Flags") -> float:
    """Of the bins that `flags` marks, less the noise beneath them; the largest of the axes."""
    omega = 2 * np.pi * lines.step_hz * np.maximum(1, np.arange(lines.power_g2.shape[1]))
    power = np.where(flags, np.maximum(lines.power_g2 - lines.floor_g2, 0.0), 0.0)
    squares = (power / omega**2).sum(axis=1)
    return float(np.sqrt(squares.max())) * STANDARD_GRAVITY_MM_S2
