"""Clipping of recordings: caught on either side of any axis, and a coarse signal is not clipped."""

from typing import Any

import numpy as np
import pytest

from agent.analysis.rails import rails_of, rails_trust
from agent.core.block import GOOD, OUT_OF_SPEC

T = np.arange(16_000) / 3200
SINE = np.sin(2 * np.pi * 47.3 * T)
NOISE = np.random.default_rng(1).normal(0, 1, len(T))


def rails(signal: Any) -> tuple[float, float]:
    low, high = rails_of(np.asarray(signal).reshape(-1, 1))
    return float(low[0]), float(high[0])


@pytest.mark.parametrize("counts", [4, 10, 20, 100, 1000, 30_000])
@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_a_sine_of_any_number_of_counts_is_not_clipped(counts: int, offset: float) -> None:
    assert rails(np.round(counts * SINE) / counts + offset) == (-np.inf, np.inf)


@pytest.mark.parametrize("signal", [NOISE, np.round(20 * NOISE) / 20, NOISE**3, SINE + 0.1 * NOISE])
def test_noise_is_not_clipped(signal: Any) -> None:
    assert rails(signal) == (-np.inf, np.inf)


@pytest.mark.parametrize("signal", [2 * SINE, NOISE, SINE + 0.5 * NOISE])
def test_a_clipped_side_is_found_and_the_other_is_not(signal: Any) -> None:
    assert rails(np.minimum(signal, 0.8)) == (-np.inf, 0.8)
    assert rails(np.maximum(signal, -0.8)) == (-0.8, np.inf)


def test_the_clipped_axis_of_three_makes_the_window_out_of_spec() -> None:
    values = np.stack([SINE, NOISE, np.minimum(2 * SINE + 0.3, 1.2)], axis=1)
    found = rails_of(values)
    status, (code, facts) = rails_trust(values[:1000], found)
    assert (status, code, facts["range_g"]) == (OUT_OF_SPEC, "clipped", 1.2)
    assert facts["frames"] == pytest.approx((values[:1000, 2] == 1.2).sum(), abs=5)
    assert rails_trust(values[:1000, :2], rails_of(values[:, :2]))[0] == GOOD


def test_a_knock_at_full_scale_is_not_clipping() -> None:
    knock = 0.1 * NOISE.copy()
    knock[[100, 9000]] = 16.0
    assert rails_trust(knock.reshape(-1, 1), rails_of(knock.reshape(-1, 1)))[0] == GOOD
