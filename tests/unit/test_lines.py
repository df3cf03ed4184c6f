"""Lines in spectra: true amplitude wherever they lie, apart when they can be, noise is no line."""

from typing import Any

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.analysis.lines import (
    STANDS_OUT,
    fast_length,
    line_near,
    lines_of,
    mains_lines_hz,
    separation_hz,
)
from agent.analysis.spectra import STANDARD_GRAVITY_MM_S2

RATE_HZ = 3200.0


def tones(*parts: tuple[float, float], seconds: float = 4.0, rate_hz: float = RATE_HZ) -> Any:
    """Sum of (Hz, RMS in g), shape (n, 1)."""
    t = np.arange(int(seconds * rate_hz)) / rate_hz
    total = sum(rms * np.sqrt(2) * np.sin(2 * np.pi * hz * t + 0.7 * hz) for hz, rms in parts)
    return np.asarray(total).reshape(-1, 1)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(hz=st.floats(5.0, 1400.0), rms=st.floats(1e-3, 10.0))
def test_a_tone_is_measured_to_a_thousandth_wherever_between_two_bins_it_lies(
    hz: float, rms: float
) -> None:
    lines = lines_of(tones((hz, rms)), RATE_HZ)
    line = line_near(lines, hz, lines.step_hz)
    assert line is not None
    assert line.g[0] == pytest.approx(rms, rel=1e-3)
    assert line.hz == pytest.approx(hz, abs=0.02 * lines.step_hz)
    velocity = rms * STANDARD_GRAVITY_MM_S2 / (2 * np.pi * hz)
    assert line.mm_s[0] == pytest.approx(velocity, rel=2e-3)


def test_the_level_of_a_line_agrees_with_scipys_flat_top() -> None:
    signal = tones((59.3, 0.2), (118.0, 0.05), (333.7, 0.01))
    lines = lines_of(signal, RATE_HZ)
    hz, power = scipy.signal.periodogram(
        signal[:, 0], RATE_HZ, window="flattop", scaling="spectrum", detrend="constant"
    )
    for at_hz in (59.3, 118.0, 333.7):
        line = line_near(lines, at_hz, lines.step_hz)
        assert line is not None
        near = np.abs(hz - at_hz) < 1.0
        assert line.g[0] == pytest.approx(np.sqrt(power[near].max()), rel=1e-3)


@pytest.mark.parametrize(("seconds", "apart"), [(1.0, False), (4.0, True)])
def test_twice_the_shaft_and_twice_the_mains_take_seconds_to_tell_apart(
    seconds: float, apart: bool
) -> None:
    lines = lines_of(tones((118.0, 0.1), (120.0, 0.3), seconds=seconds), RATE_HZ)
    assert (separation_hz(lines) <= 2.0) == apart
    if apart:
        for hz, rms in ((118.0, 0.1), (120.0, 0.3)):
            line = line_near(lines, hz, lines.step_hz)
            assert line is not None and line.g[0] == pytest.approx(rms, rel=0.01)


def test_noise_alone_does_not_stand_out() -> None:
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(0, 0.05, (12_800, 1))
        lines = lines_of(noise, RATE_HZ)
        above = lines.power_g2[0, 20:-20] / lines.floor_g2[0, 20:-20]
        assert np.count_nonzero(above >= STANDS_OUT) <= 1, f"seed {seed}"


def test_a_weak_line_is_not_made_stronger_by_the_noise_beneath() -> None:
    levels = []
    for seed in range(200):
        noise = np.random.default_rng(seed).normal(0, 0.05, (12_800, 1))
        line = line_near(lines_of(noise + tones((88.1, 0.004)), RATE_HZ), 88.1, 0.25)
        assert line is not None
        levels.append(line.g[0] ** 2)
    assert np.sqrt(np.mean(levels)) == pytest.approx(0.004, rel=0.04)


def test_what_the_sensor_does_not_pass_is_not_seen() -> None:
    lines = lines_of(tones((900.0, 0.1)), RATE_HZ, bandwidth_hz=800.0)
    assert line_near(lines, 900.0, 1.0) is None
    assert line_near(lines, 700.0, 1.0) is not None


def test_the_skirt_of_a_strong_line_is_no_line() -> None:
    signal = tones((50.07, 1.0)) + np.random.default_rng(1).normal(0, 1e-5, (12_800, 1))
    lines = lines_of(signal, RATE_HZ)
    for hz in (51.5, 52.0, 48.5):
        line = line_near(lines, hz, lines.step_hz)
        assert line is not None and line.above[0] <= 1.0, hz


def test_the_order_of_the_axes_is_kept() -> None:
    signal = np.hstack([tones((50.0, rms)) for rms in (0.1, 0.2, 0.3)])
    for order in ([0, 1, 2], [2, 0, 1]):
        line = line_near(lines_of(signal[:, order], RATE_HZ), 50.0, 0.5)
        assert line is not None
        assert line.g == pytest.approx(np.array([0.1, 0.2, 0.3])[order], rel=1e-3)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(n=st.integers(1, 200_000))
def test_a_fast_length_is_the_largest_with_small_factors(n: int) -> None:
    found = fast_length(n)
    assert found <= n
    assert _smooth(found)
    assert not any(_smooth(m) for m in range(found + 1, min(n, found + 2000) + 1))


def _smooth(n: int) -> bool:
    for prime in (2, 3, 5):
        while n % prime == 0:
            n //= prime
    return n == 1


def test_the_mains_folds_at_half_the_rate() -> None:
    assert mains_lines_hz(60.0, 3200.0)[:2] == (60.0, 120.0)
    assert mains_lines_hz(60.0, 200.0)[1] == pytest.approx(80.0)
    assert mains_lines_hz(50.0, 200.0)[2] == pytest.approx(0.0)


def test_a_neighbour_at_the_least_separation_adds_little() -> None:
    """Twice 1770 r/min beside the mains, in four seconds."""
    lines = lines_of(tones((59.02, 0.01), (60.0, 0.03)), RATE_HZ)
    assert separation_hz(lines) < 0.98
    line = line_near(lines, 59.02, lines.step_hz)
    assert line is not None and line.g[0] == pytest.approx(0.01, rel=0.03)
