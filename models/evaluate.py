"""Simulated machines to judge a scorer by, and the comparison that every card reports.

A scorer is only ever as good as its threshold: each machine's comes from held-out healthy windows
by the agent's own calibration, and the false-alarm rate is counted on windows after those.
"""

from collections import namedtuple
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from agent.analysis.anomaly import StatisticsModel, calibrate, compare, standardise
from agent.analysis.features import features, shortest_window
from hw.machines.condition import HEALTHY, Condition
from hw.machines.part import PARTS, felt_by
from hw.machines.pump import Pump
from models.tflite_writer import Layer

Floats = NDArray[np.float64]
Score = Callable[[NDArray[np.float32]], tuple[float, tuple[float, ...]]]

RATE_HZ = 3200.0
WINDOWS = 80
Machine = namedtuple("Machine", ("seed", "rpm"))
SPEEDS_RPM = (1180.0, 1485.0, 1770.0, 2950.0, 3550.0)
MACHINES = tuple(Machine(seed, SPEEDS_RPM[seed % 5]) for seed in range(100, 115))
HELD_OUT = tuple(Machine(seed, SPEEDS_RPM[seed % 5]) for seed in range(200, 205))
FAULTS = {
    "bearing 0.15": Condition(0.15, 0.0, 0.0, 0.0, 0.0),
    "bearing 0.3": Condition(0.3, 0.0, 0.0, 0.0, 0.0),
    "unbalance 0.2": Condition(0.0, 0.2, 0.0, 0.0, 0.0),
    "misalignment 0.2": Condition(0.0, 0.0, 0.2, 0.0, 0.0),
    "cavitation 0.1": Condition(0.0, 0.0, 0.0, 0.1, 0.0),
}


def windows_of(machine: Machine, condition: Condition, count: int, begin_s: float) -> Floats:
    """Feature vectors of `count` windows, half overlapping: shape (count, axes, features)."""
    frames = shortest_window(RATE_HZ)
    feel = felt_by(PARTS["adxl345"], Pump(machine.seed, machine.rpm, condition), machine.seed)
    total = frames + (count - 1) * frames // 2
    g = np.asarray(feel(begin_s, 1 / RATE_HZ, total)).reshape(-1, 3)
    starts = range(0, total - frames + 1, frames // 2)
    return np.stack([np.stack([features(x, RATE_HZ) for x in g[s : s + frames].T]) for s in starts])


def standardised(machine: Machine) -> Floats:
    """One healthy machine's windows of all axes, each by its own mean and spread."""
    vectors = windows_of(machine, HEALTHY, WINDOWS, 5.0)
    z = standardise(vectors, vectors.mean(axis=0), np.maximum(vectors.std(axis=0, ddof=1), 0.03))
    return z.reshape(-1, z.shape[-1]).astype(np.float64)


def network_score(layers: list[Layer], z: Floats) -> tuple[float, tuple[float, ...]]:
    """What the written graph computes, in float64."""
    held = z
    for place, (weights, bias) in enumerate(layers):
        held = weights.astype(np.float64) @ held + bias.astype(np.float64)
        held = np.tanh(held) if place < len(layers) - 1 else held
    parts = (z - held) ** 2 / len(z)
    return float(parts.sum()), tuple(float(part) for part in parts)


def compare_scorers(layers: list[Layer]) -> dict[str, dict[str, object]]:
    """False-alarm and miss rates of the network beside the Mahalanobis scorer's, per fault."""
    scorers: dict[str, Score] = {
        "autoencoder": lambda z: network_score(layers, z.astype(np.float64)),
        "mahalanobis": StatisticsModel().score,
    }
    return {name: _rates(score) for name, score in scorers.items()}


def _rates(score: Score) -> dict[str, object]:
    false: list[bool] = []
    missed: dict[str, list[bool]] = {fault: [] for fault in FAULTS}
    for machine in HELD_OUT:
        vectors = windows_of(machine, HEALTHY, WINDOWS, 5.0)
        velocity = np.zeros(len(vectors))
        baseline = calibrate(vectors, velocity, RATE_HZ, "", score, len(vectors) / 2)
        later = windows_of(machine, HEALTHY, WINDOWS, 60.0)
        false += [compare(one, baseline, score).ratio > 1 for one in later]
        for fault, condition in FAULTS.items():
            worn = windows_of(machine, condition, WINDOWS // 4, 60.0)
            missed[fault] += [compare(one, baseline, score).ratio <= 1 for one in worn]
    return {
        "false_alarm_rate": round(float(np.mean(false)), 4),
        "miss_rate": {fault: round(float(np.mean(found)), 4) for fault, found in missed.items()},
    }
