"""`python -m tests.bench.bearing_cost`: CPU of the bearing verdict, beside a plain one with scipy.

JSON lines {"name", "value", "unit", "reference"}, as `make bench` prints them. The plain one
computes the same spectrum the usual way: filter or whiten by a full transform, scipy's Hilbert
envelope, a full transform of its square. Its lines are compared with ours before it is timed.
"""

import json
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.fft import fft, ifft
from scipy.signal import hilbert
from scipy.signal.windows import hann

from agent.analysis.bearings import bearing_for
from agent.analysis.envelope import judge_bearing
from agent.analysis.whitening import envelope_power, spectrum_lines, whitened

Floats = NDArray[np.float64]

SECONDS = 4.0
SHAFT_HZ = 29.5
TOP_HZ = 500.0
LOW_HZ = 300.0
SENSORS = (("iis3dwb", 26667.0, 6300.0, 15.0), ("adxl345", 3200.0, 1600.0, 3.0))  # last: goal, ms
ROUNDS = 9


def cpu_ms(work: Callable[[], object]) -> float:
    """Median CPU for one second of signal."""
    taken = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return 1000.0 * float(np.median(taken)) / SECONDS


def plain(values: Floats, low: int, high: int, top: int, white: bool) -> Floats:
    """Envelope lines of one axis by full transforms."""
    lines = fft(values - values.mean())
    if white:
        lines = lines / np.abs(lines).clip(1e-12)
    place = np.rint(np.abs(np.fft.fftfreq(len(values), 1 / len(values))))
    lines[(place < low) | (place > high)] = 0.0
    squared = np.abs(hilbert(ifft(lines).real)) ** 2
    seen = fft((squared - squared.mean()) * hann(len(values), sym=False))[: top + 1]
    power: Floats = np.abs(seen) ** 2
    return power


def ours(values: Floats, low: int, high: int, top: int, white: bool) -> Floats:
    band = spectrum_lines(values)[low : high + 1]
    return envelope_power(whitened(band) if white else band, top)


def measure(name: str, rate_hz: float, bandwidth_hz: float, goal_ms: float) -> None:
    orders = bearing_for("6205-2RS").orders
    axes = np.random.default_rng(1).normal(size=(int(SECONDS * rate_hz), 3))
    verdict_ms = cpu_ms(lambda: judge_bearing(axes, rate_hz, SHAFT_HZ, orders, bandwidth_hz))
    tell(f"bearing verdict, {name}, three axes, a second", verdict_ms, "ms", goal_ms)
    low, high, top = (round(hz * SECONDS) for hz in (LOW_HZ, 0.95 * bandwidth_hz, TOP_HZ))
    white = bandwidth_hz > 4000.0
    one, other = (way(axes[:, 0], low, high, top, white)[20:] for way in (ours, plain))
    assert np.allclose(one / one.mean(), other / other.mean(), rtol=1e-6), name
    ours_ms = cpu_ms(lambda: [ours(axis, low, high, top, white) for axis in axes.T])
    plain_ms = cpu_ms(lambda: [plain(axis, low, high, top, white) for axis in axes.T])
    tell(f"envelope lines, {name}", plain_ms / ours_ms, "ratio", "scipy, full transforms")


def main() -> None:
    for sensor in SENSORS:
        measure(*sensor)


def tell(name: str, value: float, unit: str, reference: object) -> None:
    line = {"name": name, "value": round(value, 3), "unit": unit, "reference": reference}
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
