"""`python -m tests.bench.bearings`: how often a bearing's element is named, and how often wrongly.

    python -m tests.bench.bearings [--trials 40] [--seed 1] [--sensor adxl345]

JSON lines. First machines with a healthy bearing and one disturbance each: none may be named, and
`score 99 %` shows how near the disturbance came to the threshold. What strikes at an element's own
order (`coincident`) cannot be told from it and is shown, not counted. Then the defects of four
elements at growing depth. All by seed; table rows, speeds, resonances and nominal speeds that are
off by up to 3 % are drawn at random. Every signal goes through the sensor's filter and noise.
"""

import argparse
import json
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.analysis.bearings import TABLE, Bearing, bearing_for
from agent.analysis.envelope import judge_bearing
from hw.machines.bearing import Defect, striking
from hw.machines.part import PARTS, felt_by
from hw.machines.replay import Recording

Floats = NDArray[np.float64]

FINE_HZ = 51200.0
SECONDS = 4.0
NOMINAL_OFF = 0.03
GAINS = (1.0, 0.6, 0.25)
ELEMENTS = ("outer", "inner", "rolling_element", "cage")
DEPTHS_G = (0.05, 0.2, 0.8)
SENSORS = {  # sensor: rate in Hz
    "adxl345": 3200.0,
    "adxl355": 4000.0,
    "lis3dh": 1344.0,
    "lis2dw12": 1600.0,
    "iis3dwb": 26667.0,
}
with open(TABLE) as file:
    NAMES = tuple(row["names"][0] for row in json.load(file)["rows"])


class Machine(NamedTuple):
    """`turns`: of the shaft since the start, at each instant; `bearing`: of this machine."""

    chance: np.random.Generator
    t_s: Floats
    shaft_hz: float
    turns: Floats
    bearing: Bearing


Disturbance = Callable[[Machine], tuple[Floats, Floats]]  # (force, tones in g), shape (n,) each


def machine(chance: np.random.Generator) -> Machine:
    """A shaft at 10 to 50 Hz whose speed wanders by up to 0.2 %, on a bearing of the table."""
    t_s = np.arange(int(SECONDS * FINE_HZ)) / FINE_HZ
    shaft_hz = float(chance.uniform(10.0, 50.0))
    wander = chance.uniform(0.0, 0.002) * np.sin(
        2 * np.pi * chance.uniform(0.1, 0.6) * t_s + chance.uniform(0, 6)
    )
    turns = np.cumsum(shaft_hz * (1 + wander)) / FINE_HZ
    return Machine(chance, t_s, shaft_hz, turns, bearing_for(str(chance.choice(NAMES))))


def noise(m: Machine) -> tuple[Floats, Floats]:
    return m.chance.normal(size=len(m.t_s)), np.zeros_like(m.t_s)


def shaft(m: Machine) -> tuple[Floats, Floats]:
    """Unbalance, and noise that swells with the shaft's turns."""
    force, tones = noise(m)
    swell = np.ones_like(force)
    for k in range(1, 6):
        swell += m.chance.uniform(0, 0.8) / k * _cos(m, k)
        tones = tones + m.chance.uniform(0, 1.0) / k * _cos(m, k)
    return force * swell, tones


def looseness(m: Machine) -> tuple[Floats, Floats]:
    """Knocks once or twice in a turn or once in two."""
    order = float(m.chance.choice([0.5, 1.0, 2.0]))
    force, tones = shaft(m)
    return force + _knocks(m, m.turns * order, 0.02), tones


def mains(m: Machine) -> tuple[Floats, Floats]:
    """Hum at twice the mains, noise that swells with it, and sidebands of the slip."""
    hz = 2 * float(m.chance.choice([50.0, 60.0]))
    force, tones = noise(m)
    slip_hz = m.chance.uniform(0.5, 4.0)
    beat = 1 + 0.5 * np.cos(2 * np.pi * slip_hz * m.t_s)
    hum = np.zeros_like(force)
    for k in (1, 2, 3):
        hum += m.chance.uniform(0.2, 1.0) * beat * np.cos(2 * np.pi * k * hz * m.t_s)
    return force * (1 + m.chance.uniform(0, 0.8) * hum), tones + 0.5 * hum


def gear(m: Machine) -> tuple[Floats, Floats]:
    """A mesh with sidebands of both shafts; the second turns at the ratio of the teeth."""
    teeth = int(m.chance.integers(13, 60))
    second = _foreign_order(m, 0.25, 4.0)
    force, tones = shaft(m)
    swell = 1 + 0.6 * _cos(m, 1) + 0.6 * _cos(m, second)
    for k in (1, 2, 3):
        tones = tones + m.chance.uniform(0, 1.0) / k * swell * _cos(m, k * float(teeth))
    return force * (1 + 0.3 * _cos(m, second)), tones


def vanes(m: Machine) -> tuple[Floats, Floats]:
    """Flow noise that swells as each vane passes."""
    count = int(m.chance.integers(3, 9))
    force, tones = shaft(m)
    swell = 1 + 0.7 * _cos(m, count) + 0.3 * _cos(m, 2 * count)
    return force * np.maximum(swell, 0.0), tones + 0.5 * _cos(m, count)


def belt(m: Machine) -> tuple[Floats, Floats]:
    """A belt's seam and the driven shaft, at orders that are no whole ones."""
    force, tones = shaft(m)
    belt_order, driven = _foreign_order(m, 0.15, 0.95), _foreign_order(m, 0.3, 2.5)
    swell = 1 + 0.5 * _cos(m, driven) + 0.3 * _cos(m, 2 * driven)
    knocks = m.chance.uniform(0.2, 1.0) * _knocks(m, m.turns * belt_order, 0.03)
    return force * np.maximum(swell, 0.0) + knocks, tones + 0.3 * _cos(m, driven)


def shocks(m: Machine) -> tuple[Floats, Floats]:
    """Knocks at random times."""
    force, tones = noise(m)
    places = m.chance.integers(0, len(force), int(m.chance.integers(2, 200)))
    force[places] += m.chance.normal(0, 300.0, len(places))
    return force, tones


def inverter(m: Machine) -> tuple[Floats, Floats]:
    """Carriers of a frequency inverter, with sidebands of its output."""
    force, tones = shaft(m)
    out_hz = 2 * m.shaft_hz * m.chance.uniform(1.0, 1.05)
    for carrier_hz in m.chance.choice([1000.0, 2000.0, 4000.0, 8000.0], 2):
        swell = 1 + 0.8 * np.cos(2 * np.pi * out_hz * m.t_s)
        swell += 0.5 * np.cos(2 * np.pi * 3 * out_hz * m.t_s)
        tones = tones + 0.5 * swell * np.cos(2 * np.pi * carrier_hz * m.t_s)
    return force, tones


def foreign(m: Machine) -> tuple[Floats, Floats]:
    """Knocks at an order of something else."""
    force, tones = noise(m)
    return force + _knocks(m, m.turns * _foreign_order(m, 0.3, 8.0), 0.015), tones


def coincident(m: Machine) -> tuple[Floats, Floats]:
    """Knocks of something else at an element's very order: no envelope can tell them apart."""
    order = float(m.chance.choice(list(_orders(m.bearing).values())))
    force, tones = noise(m)
    return force + _knocks(m, m.turns * order * m.chance.uniform(0.98, 1.02), 0.015), tones


DISTURBANCES: tuple[Disturbance, ...] = (
    noise,
    shaft,
    looseness,
    mains,
    gear,
    vanes,
    belt,
    shocks,
    inverter,
    foreign,
)


def _foreign_order(m: Machine, low: float, high: float) -> float:
    """An order none of whose relations comes within 6 % of an element's order."""
    elements = _orders(m.bearing).values()
    while True:
        order = float(m.chance.uniform(low, high))
        related = [order * k / j for k in range(1, 4) for j in range(1, 4)]
        if all(abs(one / element - 1) > 0.06 for one in related for element in elements):
            return order


def _cos(m: Machine, order: float) -> Floats:
    wave: Floats = np.cos(2 * np.pi * order * m.turns + m.chance.uniform(0, 6.28))
    return wave


def _knocks(m: Machine, turns: Floats, jitter: float) -> Floats:
    """Unit-free knocks each time `turns` passes a whole number, a little early or late."""
    force = np.zeros_like(turns)
    places = np.flatnonzero(np.diff(np.floor(turns)) > 0)
    between = float(np.diff(places).mean())
    places = places + np.rint(m.chance.normal(0, jitter * between, len(places))).astype(np.int64)
    force[np.clip(places, 0, len(force) - 1)] = 10 ** m.chance.uniform(0.5, 2.5)
    return force


def _structure(m: Machine, force: Floats) -> Floats:
    """The force through three modes of a housing: acceleration of unit RMS."""
    hz = np.fft.rfftfreq(len(force), 1 / FINE_HZ)
    response = np.full(len(hz), 0.05 + 0j)
    for mode_hz in 10 ** m.chance.uniform(2.7, 4.0, 3):
        damping = m.chance.uniform(0.01, 0.06)
        response += (hz / mode_hz) ** 2 / (1 - (hz / mode_hz) ** 2 + 2j * damping * hz / mode_hz)
    felt = np.fft.irfft(np.fft.rfft(force) * response, len(force))
    unit: Floats = felt / felt.std()
    return unit


def _orders(bearing: Bearing) -> dict[str, float]:
    orders = bearing.orders
    return dict(zip(ELEMENTS, (orders.bpfo, orders.bpfi, 2 * orders.bsf, orders.ftf)))


def verdict(m: Machine, acceleration_g: Floats, sensor: str, seed: int) -> tuple[str, float]:
    """(verdict, score or 0) of what the sensor makes of it, at a nominal speed that is off."""
    part, rate_hz = PARTS[sensor], SENSORS[sensor]
    recording = Recording(np.outer(acceleration_g, GAINS), FINE_HZ)
    count = int((SECONDS - 0.01) * rate_hz)
    felt = np.reshape(felt_by(part, recording, seed)(0.0, 1 / rate_hz, count), (-1, 3))
    nominal_hz = m.shaft_hz * (1 + m.chance.uniform(-NOMINAL_OFF, NOMINAL_OFF))
    found = judge_bearing(felt, rate_hz, nominal_hz, m.bearing.orders, part.bandwidth * rate_hz)
    return found.verdict, found.score or 0.0


def healthy(disturbance: Disturbance, sensor: str, trials: int, seed: int) -> dict[str, object]:
    """How often a healthy bearing's element was named under the disturbance."""
    verdicts: Counter[str] = Counter()
    scores = []
    for trial in range(trials):
        m = machine(np.random.default_rng([seed, trial]))
        force, tones = disturbance(m)
        level_g = 10 ** m.chance.uniform(-2.3, 0.0)
        found, score = verdict(m, level_g * (_structure(m, force) + tones), sensor, trial)
        verdicts[found if found in ("none", "unknown") else "wrong"] += 1
        scores.append(score)
    return {
        "disturbance": disturbance.__name__,
        "sensor": sensor,
        "trials": trials,
        **{key: verdicts[key] for key in ("none", "unknown", "wrong")},
        "score 99 %": round(float(np.quantile(scores, 0.99)), 2),
    }


def faulty(element: str, depth_g: float, sensor: str, trials: int, seed: int) -> dict[str, object]:
    """How often a defect was named, under one of the harmless disturbances at 20 mg."""
    verdicts: Counter[str] = Counter()
    for trial in range(trials):
        m = machine(np.random.default_rng([seed, trial]))
        how = striking(element, *m.bearing.orders)
        slip = m.chance.uniform(-0.015, 0.015)
        modes = tuple((float(hz), 1.0) for hz in 10 ** m.chance.uniform(2.8, 3.8, 3))
        defect = Defect(trial, m.shaft_hz * (1 + slip), how, modes)
        force, tones = (noise, shaft, vanes)[trial % 3](m)
        background = 0.02 * (_structure(m, force) + tones)
        found, _ = verdict(m, background + depth_g * defect.at(m.t_s), sensor, trial)
        named = found not in ("none", "unknown")
        verdicts[found if not named else "named" if found == element else "wrong"] += 1
    return {
        "element": element,
        "depth_g": depth_g,
        "sensor": sensor,
        "trials": trials,
        **{key: verdicts[key] for key in ("named", "none", "unknown", "wrong")},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="How often an element is named, and wrongly.")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sensor", choices=SENSORS, action="append")
    options = parser.parse_args()
    total: Counter[str] = Counter()
    for sensor in options.sensor or SENSORS:
        for disturbance in DISTURBANCES:
            line = healthy(disturbance, sensor, options.trials, options.seed)
            print(json.dumps(line), flush=True)
            total.update({"healthy": options.trials, "wrong": int(str(line["wrong"]))})
        print(json.dumps(healthy(coincident, sensor, options.trials, options.seed)), flush=True)
        for element in ELEMENTS:
            for depth_g in DEPTHS_G:
                line = faulty(element, depth_g, sensor, options.trials, options.seed)
                print(json.dumps(line), flush=True)
                total.update({"faulty": options.trials, "wrong": int(str(line["wrong"]))})
    print(json.dumps({"name": "bearings", **total}), flush=True)


if __name__ == "__main__":
    main()
