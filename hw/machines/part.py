"""Between a machine and a chip's sampler: the part's own filter, its noise, its mounting.

`felt_by(part, machine, seed)` gives the source that a simulated accelerometer samples.
"""

from collections import namedtuple
from pathlib import Path

import numpy as np

import hw.sim
from hw.machines.ahead import Ready, many_at_once
from hw.machines.noise import Grain
from hw.machines.replay import Recording

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Source = Callable[[float, float, int], Any]

# `noise_g`: RMS of each axis at `noise_rate_hz`; it grows with the root of the rate. The filter
# cuts at `bandwidth` of the output rate.
Part = namedtuple("Part", ("measures", "noise_g", "noise_rate_hz", "bandwidth"))


def _parts() -> "dict[str, Part]":
    """Every accelerometer by name: what its simulated chip's file says of its noise and filter."""
    found = {}
    for path in sorted(Path(hw.sim.__file__).parent.glob("*.py")):
        chip = __import__(f"hw.sim.{path.stem}", None, None, ("*",))
        if hasattr(chip, "FELT"):
            for name in (path.stem, *getattr(chip, "VARIANTS", ())):
                found[name] = Part("vibration", *chip.FELT)
    return found


PARTS = _parts()
FINER = 4  # a machine is sampled this much faster than the chip, then filtered
TAPS = 63


def felt_by(part: "Part", machine: "Any", seed: int, live: bool = False) -> "Source":
    """`source(t0_s, period_s, count)`: x, y, z, x, ... in g, `count` frames, or EndOfRecording.

    `live`: a thread has a machine's frames ready, for a chip that is read in real time.
    """
    if isinstance(machine, Recording):
        return _noisy(part, seed, _of_recording(part, machine))
    source = _noisy(part, seed, _of_machine(part, machine))
    return Ready(source) if live else many_at_once(source)


def _of_recording(part: "Part", recording: "Recording") -> "Source":
    def feel(t0_s: float, period_s: float, count: int) -> "Floats":
        t_s: Floats = t0_s + period_s * np.arange(count, dtype=np.float64)
        return recording.below(t_s, part.bandwidth / period_s)

    return feel


def _of_machine(part: "Part", machine: "Any") -> "Source":
    taps = _low_pass(part.bandwidth / FINER)

    def feel(t0_s: float, period_s: float, count: int) -> "Floats":
        places = np.arange(count * FINER + TAPS - 1) - (TAPS - 1) / 2
        fine = machine.acceleration_g(t0_s + places * period_s / FINER)
        held = [np.convolve(axis, taps, mode="valid")[::FINER] for axis in fine.T]
        return np.stack(held, axis=1)

    return feel


def _low_pass(cut: float) -> "Floats":
    """Windowed-sinc taps with gain 1 at 0 Hz; `cut` as a share of the sample rate."""
    n = np.arange(TAPS) - (TAPS - 1) / 2
    taps = np.sinc(2 * 0.9 * cut * n) * np.hamming(TAPS)
    unit: Floats = taps / taps.sum()
    return unit


def _noisy(part: "Part", seed: int, source: "Source") -> "Source":
    grain = Grain(seed, 3)

    def feel(t0_s: float, period_s: float, count: int) -> "Floats":
        level = np.asarray(part.noise_g) / np.sqrt(period_s * part.noise_rate_hz)
        noise = level * grain.at(round(t0_s / period_s), count)
        values: Floats = source(t0_s, period_s, count) + noise
        flat: Floats = values.reshape(-1)
        return flat

    return feel
