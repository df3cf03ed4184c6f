"""Spectra and features against analytic answers and scipy."""

import numpy as np
import pytest
import scipy.signal
import scipy.stats
from numpy.typing import NDArray

from agent.analysis.features import FEATURE_NAMES, band_edges_hz, features, shortest_window
from agent.analysis.spectra import band_powers_g2, envelope, power_spectrum, velocity_rms_mm_s

RATE_HZ = 3200.0


def tone(hz: float, amplitude_g: float, seconds: float = 2.56) -> NDArray[np.float64]:
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    wave: NDArray[np.float64] = amplitude_g * np.sin(2 * np.pi * hz * t + 0.3)
    return wave


def test_the_spectrum_sums_to_the_mean_square() -> None:
    x = np.random.default_rng(7).normal(0, 0.2, 4096)
    spectrum = power_spectrum(x, RATE_HZ)
    _, density = scipy.signal.welch(x, RATE_HZ, "hann", 4096, detrend="constant")
    assert spectrum.power_g2.sum() == pytest.approx(density.sum() * RATE_HZ / 4096, rel=1e-9)


def test_velocity_of_four_tones_is_their_root_sum_of_squares() -> None:
    tones = [(30.0, 0.1), (60.0, 0.2), (120.0, 0.3), (500.0, 1.0)]
    x = np.sum([tone(hz, g) for hz, g in tones], axis=0)
    expected = np.sqrt(sum((g * 9806.65 / (2 * np.pi * hz)) ** 2 / 2 for hz, g in tones))
    assert velocity_rms_mm_s(power_spectrum(x, RATE_HZ)) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("hz", [5.0, 1400.0])
def test_what_lies_outside_the_iso_band_does_not_count(hz: float) -> None:
    inside = velocity_rms_mm_s(power_spectrum(tone(50.0, 0.1), RATE_HZ))
    both = velocity_rms_mm_s(power_spectrum(tone(50.0, 0.1) + tone(hz, 0.1), RATE_HZ))
    assert both == pytest.approx(inside, rel=2e-3)


def test_a_window_shorter_than_three_periods_is_refused() -> None:
    with pytest.raises(ValueError, match="3 periods"):
        velocity_rms_mm_s(power_spectrum(np.ones(512), RATE_HZ))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_value_that_is_not_finite_is_refused(bad: float) -> None:
    x = tone(50.0, 1.0)
    x[100] = bad
    with pytest.raises(ValueError, match="finite"):
        power_spectrum(x, RATE_HZ)


def test_the_envelope_is_that_of_the_analytic_signal() -> None:
    carrier = tone(800.0, 1.0)
    t = np.arange(len(carrier)) / RATE_HZ
    found = envelope(carrier * (1 + 0.5 * np.cos(2 * np.pi * 20 * t)), RATE_HZ, 500, 1100)
    oracle = np.abs(scipy.signal.hilbert(carrier * (1 + 0.5 * np.cos(2 * np.pi * 20 * t))))
    middle = slice(1000, -1000)
    assert np.abs(found[middle] - oracle[middle]).max() < 0.01


def test_statistics_agree_with_scipy() -> None:
    x = np.random.default_rng(11).laplace(0, 0.1, 1024)
    named = dict(zip(FEATURE_NAMES, np.exp(features(x, RATE_HZ)), strict=True))
    swing = x - x.mean()
    assert named["rms"] == pytest.approx(np.sqrt(np.mean(swing**2)))
    assert named["kurtosis"] == pytest.approx(scipy.stats.kurtosis(x, fisher=False))
    assert named["crest"] == pytest.approx(np.abs(swing).max() / np.sqrt(np.mean(swing**2)))


@pytest.mark.parametrize("rate_hz", [200.0, 800.0, 3200.0, 12_000.0, 48_828.0])
def test_bands_tile_the_usable_range_and_hold_bins(rate_hz: float) -> None:
    n = shortest_window(rate_hz)
    x = np.random.default_rng(3).normal(0, 1, n)
    spectrum = power_spectrum(x, rate_hz)
    edges = band_edges_hz(rate_hz)
    bands = band_powers_g2(spectrum, edges)
    assert min(bands) > 0
    assert sum(bands) == pytest.approx(band_powers_g2(spectrum, edges[[0, -1]])[0])


def test_twice_the_signal_moves_levels_and_leaves_shapes() -> None:
    x = np.random.default_rng(5).normal(0, 0.1, 1024)
    change = dict(zip(FEATURE_NAMES, features(2 * x, RATE_HZ) - features(x, RATE_HZ), strict=True))
    for name in ("rms", "peak", "velocity_rms", "band_05", "envelope_rms"):
        assert change[name] == pytest.approx(np.log(2))
    for name in ("crest", "kurtosis", "envelope_crest", "spectral_centre"):
        assert change[name] == pytest.approx(0, abs=1e-9)
