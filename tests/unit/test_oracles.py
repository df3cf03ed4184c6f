"""Each feature and each level against an independent computation, to a thousandth; and properties.

Oracles: scipy.signal, scipy.stats, and endaq (velocity by its own spectra and by time integration).
"""

from itertools import pairwise
from typing import Any

import endaq.calc
import numpy as np
import pandas
import pytest
import scipy.fft
import scipy.signal
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.analysis.evidence import MachineFacts, gather
from agent.analysis.features import FEATURE_NAMES, band_edges_hz, band_of, features
from agent.analysis.orders import ORDERS, place_of
from agent.analysis.spectra import power_spectrum, velocity_rms_mm_s
from hw.machines.condition import HEALTHY
from hw.machines.part import PARTS, felt_by
from hw.machines.pump import Pump

RATE_HZ = 3200.0
FRAMES = 4096
FOUR_SINES = ((13.0, 2.0), (29.5, 1.0), (118.0, 0.5), (440.0, 0.3))  # Hz, mm/s RMS


def four_sines(seconds: float) -> Any:
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return sum(
        mm_s * np.sqrt(2) * 2 * np.pi * hz / 9806.65 * np.cos(2 * np.pi * hz * t + hz)
        for hz, mm_s in FOUR_SINES
    )


def window(seed: int) -> Any:
    """A window of one axis of a simulated machine with bursts, in g, about gravity."""
    source = felt_by(PARTS["adxl345"], Pump(seed, 1770, HEALTHY._replace(bearing_defect=0.4)), seed)
    return np.array(source(3.0, 1 / RATE_HZ, FRAMES)).reshape(-1, 3)[:, 2]


def by_oracles(x: Any) -> dict[str, float]:
    """Every feature, as scipy has it."""
    swing = scipy.signal.detrend(x, type="constant")
    hz, density = scipy.signal.periodogram(x, RATE_HZ, "hann", detrend="constant")
    power = density * RATE_HZ / len(x)
    rms = float(np.sqrt(np.mean(np.square(swing))))
    peak = float(np.max(np.abs(swing)))
    seen = (hz >= 10) & (hz <= 1000)
    velocity = np.sqrt(np.sum(power[seen] / (2 * np.pi * hz[seen]) ** 2)) * 9806.65
    top_hz = 0.95 * RATE_HZ / 2
    lines = scipy.fft.fft(swing)
    lines[(np.abs(scipy.fft.fftfreq(len(x), 1 / RATE_HZ)) < 300)] = 0
    lines[(np.abs(scipy.fft.fftfreq(len(x), 1 / RATE_HZ)) > top_hz)] = 0
    burst = np.abs(scipy.signal.hilbert(scipy.fft.ifft(lines).real))
    found = {
        "rms": rms,
        "peak": peak,
        "crest": peak / rms,
        "kurtosis": float(scipy.stats.kurtosis(x, fisher=False)),
        "velocity_rms": float(velocity),
        "envelope_rms": float(np.sqrt(np.mean(burst**2))),
        "envelope_crest": float(burst.max() / np.sqrt(np.mean(burst**2))),
        "spectral_centre": float(np.average(hz, weights=power)),
    }
    edges = band_edges_hz(RATE_HZ)
    for band, (low, high) in enumerate(pairwise(edges)):
        found[f"band_{band:02d}"] = float(np.sqrt(power[(hz >= low) & (hz < high)].sum()))
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_feature_agrees_with_scipy_to_a_thousandth(seed: int) -> None:
    x = window(seed)
    expected = by_oracles(x)
    levels = dict(zip(FEATURE_NAMES, np.exp(features(x, RATE_HZ)), strict=True))
    assert set(levels) == set(expected)
    for name, level in levels.items():
        assert level == pytest.approx(expected[name], rel=1e-3), name


def test_velocity_of_four_sines_agrees_with_its_sum_and_with_endaq() -> None:
    x = four_sines(20.0)
    analytic = np.sqrt(sum(mm_s**2 for _, mm_s in FOUR_SINES))
    ours = velocity_rms_mm_s(power_spectrum(x, RATE_HZ))
    assert ours == pytest.approx(analytic, rel=1e-3)
    table = pandas.DataFrame({"x": x}, index=pandas.Index(np.arange(len(x)) / RATE_HZ, name="t"))
    spectrum = endaq.calc.psd.welch(table, bin_width=0.25, scaling="parseval")
    velocity = endaq.calc.psd.differentiate(spectrum, n=-1)["x"]
    theirs = np.sqrt(velocity[(velocity.index >= 10) & (velocity.index <= 1000)].sum()) * 9806.65
    assert ours == pytest.approx(theirs, rel=1e-3)
    _, moved = endaq.calc.integrate.integrals(table, n=1, zero="mean", highpass_cutoff=1.0)
    settled = moved["x"].to_numpy()[16_000:-16_000]
    assert ours == pytest.approx(endaq.calc.stats.rms(settled) * 9806.65, rel=2e-3)


@pytest.mark.parametrize("shaft_hz", [14.63, 24.19, 29.5, 58.97])
def test_orders_agree_with_a_least_squares_fit(shaft_hz: float) -> None:
    """The independent way: sines of known frequency fitted to the samples."""
    t = np.arange(int(5 * RATE_HZ)) / RATE_HZ
    chance = np.random.default_rng(int(shaft_hz))
    levels = {0.5: 0.004, 1.0: 0.03, 1.5: 0.004, 2.0: 0.02, 3.0: 0.01, 5.0: 0.01, 10.0: 0.02}
    signal = chance.normal(0, 0.002, len(t))
    columns = []
    for order, rms in levels.items():
        angle = 2 * np.pi * order * shaft_hz * t
        signal += rms * np.sqrt(2) * np.sin(angle + chance.uniform(0, 6))
        columns += [np.sin(angle), np.cos(angle)]
    fitted = np.linalg.lstsq(np.stack(columns, axis=1), signal, rcond=None)[0]
    machine = MachineFacts("pump", 5.5, "rigid", 60 * shaft_hz, None, 5, 60.0, None)
    evidence = gather(signal[:, None], RATE_HZ, machine)
    for number, order in enumerate(levels):
        rms = np.hypot(*fitted[2 * number : 2 * number + 2]) / np.sqrt(2)
        velocity = rms * 9806.65 / (2 * np.pi * order * shaft_hz)
        found = evidence.order_mm_s[0, place_of(order)]
        assert found == pytest.approx(velocity, rel=0.02), order
    assert evidence.vane_mm_s[0] == evidence.order_mm_s[0, place_of(5.0)]


def test_velocity_of_evidence_is_velocity_of_spectra() -> None:
    x = four_sines(5.0)
    machine = MachineFacts("pump", 5.5, "rigid", 1770.0, None, None, 60.0, None)
    found = gather(np.stack([x, 2 * x], axis=1), RATE_HZ, machine).velocity_mm_s
    ours = velocity_rms_mm_s(power_spectrum(x[: 2**7 * 5**3], RATE_HZ))
    assert found == pytest.approx([ours, 2 * ours], rel=1e-3)


LEVELS = ["rms", "peak", "velocity_rms", "envelope_rms", *(f"band_{n:02d}" for n in range(16))]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(times=st.floats(0.01, 100.0), offset=st.floats(-5.0, 5.0), seed=st.integers(0, 1000))
def test_levels_scale_shapes_stay_and_an_offset_is_nothing(
    times: float, offset: float, seed: int
) -> None:
    x = np.random.default_rng(seed).normal(0, 0.2, FRAMES)
    before = dict(zip(FEATURE_NAMES, features(x, RATE_HZ), strict=True))
    after = dict(zip(FEATURE_NAMES, features(times * x + offset, RATE_HZ), strict=True))
    for name in FEATURE_NAMES:
        moved = np.log(times) if name in LEVELS else 0.0
        assert after[name] == pytest.approx(before[name] + moved, abs=1e-6), name


@settings(max_examples=25, deadline=None, derandomize=True)
@given(place=st.integers(0, FRAMES - 1), seed=st.integers(0, 1000))
def test_each_value_enters_once(place: int, seed: int) -> None:
    """A knock adds its own square to the mean square, wherever it falls: also at the edges."""
    x = np.random.default_rng(seed).normal(0, 0.2, FRAMES)
    knocked = x.copy()
    knocked[place] += 7.0
    rms, peak = np.exp(features(knocked, RATE_HZ)[:2])
    swing = knocked - knocked.mean()
    assert rms**2 * FRAMES == pytest.approx(float((swing**2).sum()), rel=1e-9)
    assert peak == pytest.approx(abs(swing[place]), rel=1e-9)


def test_values_enter_in_order() -> None:
    """Shuffled, a tone keeps its statistics and loses its line."""
    x = np.sin(2 * np.pi * 50 * np.arange(FRAMES) / RATE_HZ)
    mixed = np.random.default_rng(1).permutation(x)
    before = dict(zip(FEATURE_NAMES, features(x, RATE_HZ), strict=True))
    after = dict(zip(FEATURE_NAMES, features(mixed, RATE_HZ), strict=True))
    for name in ("rms", "peak", "crest", "kurtosis"):
        assert after[name] == pytest.approx(before[name], abs=1e-9)
    band = next(
        name for name in FEATURE_NAMES if (b := band_of(name, RATE_HZ)) and b[0] <= 50 < b[1]
    )
    assert after[band] < before[band] - 1.0


@settings(max_examples=15, deadline=None, derandomize=True)
@given(times=st.floats(0.1, 10.0), offset=st.floats(-2.0, 2.0), seed=st.integers(0, 1000))
def test_evidence_scales_and_does_not_see_gravity(times: float, offset: float, seed: int) -> None:
    x = np.stack([window(1 + seed % 3), window(2)], axis=1)
    machine = MachineFacts("pump", 5.5, "rigid", 1770.0, None, None, 60.0, None)
    before = gather(x, RATE_HZ, machine)
    after = gather((times * x + offset)[:, ::-1], RATE_HZ, machine)
    assert after.speed.hz == pytest.approx(before.speed.hz)
    for name in ("order_mm_s", "mains_mm_s", "velocity_mm_s", "noise_g"):
        expected = times * getattr(before, name)[::-1]
        assert getattr(after, name) == pytest.approx(expected, rel=1e-6, abs=1e-9), name
    assert after.order_above == pytest.approx(before.order_above[::-1], rel=1e-6)
    assert len(ORDERS) == after.order_mm_s.shape[1]
