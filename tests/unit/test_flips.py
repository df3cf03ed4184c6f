"""Flipped bits are told from knocks: a worn bearing is never called a broken cable."""

from typing import Any

import numpy as np
import pytest

from agent.analysis.trust import flips_trust
from agent.core.block import GOOD
from hw.machines.condition import Condition
from hw.machines.pump import Pump

RATE_HZ = 3200.0
STEP_G = 0.0039
FRAMES = 1024


def counts(bearing: float, seed: int, seconds: float = 20.0) -> Any:
    """Whole steps, shape (n, 3), of a pump as an ADXL345 feels it; `bearing`: depth of defect."""
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    felt = Pump(seed, 1770.0, condition=Condition(bearing, 0, 0, 0, 0)).acceleration_g(t)
    noise = np.random.default_rng(seed).normal(0, 0.004, felt.shape)
    return np.round((felt + noise) / STEP_G).astype(np.int64)


def said(window: Any) -> Any:
    return flips_trust(window * STEP_G, (STEP_G,) * 3)


@pytest.mark.parametrize("bearing", [0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0])
def test_a_bearing_of_any_depth_flips_no_bit(bearing: float) -> None:
    blamed = []
    for seed in range(2):
        felt = counts(bearing, seed)
        for begin in range(0, len(felt) - FRAMES, FRAMES // 2):
            status, reason = said(felt[begin : begin + FRAMES])
            if status != GOOD:
                blamed.append((seed, begin, reason))
    assert blamed == []


@pytest.mark.parametrize("every", [4, 16, 41, 200])
@pytest.mark.parametrize(("axis", "bit"), [(0, 10), (1, 9), (2, 8)])
def test_a_bit_that_flips_is_named_with_its_axis(axis: int, bit: int, every: int) -> None:
    window = counts(0.0, 3, 2.0)[:FRAMES]
    window[5::every, axis] ^= 1 << bit
    status, (code, facts) = said(window)
    assert (status, code) != (GOOD, "") and code == "flips"
    assert (facts["axis"], facts["bit"]) == (axis, bit)
    assert facts["frames"] >= 0.8 * len(range(5, FRAMES, every)) - 1


def test_equal_spikes_in_a_direction_that_no_bit_explains_are_no_flips() -> None:
    window = counts(0.0, 3, 2.0)[:FRAMES]
    at = np.arange(5, FRAMES, 41)
    window[at, 0] = np.where(window[at, 0] >> 9 & 1, window[at, 0] + 512, window[at, 0] - 512)
    assert said(window)[0] == GOOD


def test_a_knock_that_rings_on_is_no_flip() -> None:
    window = counts(0.0, 4, 2.0)[:FRAMES]
    ring = np.round(512 * 0.3 ** np.arange(6) * (-1.0) ** np.arange(6)).astype(np.int64)
    for begin in range(20, FRAMES - 20, 100):
        window[begin : begin + 6, 0] += ring
    assert said(window)[0] == GOOD
