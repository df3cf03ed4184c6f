"""The envelope against independent ones, and what is said of a bearing from it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.signal import hilbert

from agent.analysis.bearings import BearingOrders, BearingVerdict, bearing_for
from agent.analysis.combs import comb, levels, shaft_line, without_multiples
from agent.analysis.envelope import REASONS, bearing_visibility, judge_bearing
from agent.analysis.whitening import (
    envelope_power,
    hann,
    smooth_at_least,
    smooth_at_most,
    spectrum_lines,
    whitened,
)
from agent.page.words import has_text

Floats = NDArray[np.float64]
ORDERS = bearing_for("6205-2RS").orders
RATE_HZ = 12000.0
SHAFT_HZ = 29.5
IMPACTS = {
    "outer": ORDERS.bpfo,
    "inner": ORDERS.bpfi,
    "rolling_element": 2 * ORDERS.bsf,
    "cage": ORDERS.ftf,
}


def noise(seed: int, seconds: float = 4.0, axes: int = 1, rate_hz: float = RATE_HZ) -> Floats:
    return np.random.default_rng(seed).normal(size=(int(seconds * rate_hz), axes))


def shaft(hz: float, seconds: float = 4.0) -> Floats:
    """What a little unbalance and misalignment shake at the shaft's first orders."""
    t_s = np.arange(int(seconds * RATE_HZ))[:, None] / RATE_HZ
    return np.asarray(0.1 * sum(np.sin(2 * np.pi * k * hz * t_s) for k in range(1, 7)))


def struck(order: float, strength: float = 6.0, slip: float = 0.0, seed: int = 1) -> Floats:
    """Noise, and the shaft, with a ringing of 3 kHz that begins anew at `order` times its speed.

    Each a little early or late, as rolling elements are (impacts to the sample are a gear's); a
    cage's rub the more, so that its ninth multiple, where the outer race is, has faded.
    """
    values = noise(seed) + shaft(SHAFT_HZ)
    hz = order * (1 + slip) * SHAFT_HZ
    chance = np.random.default_rng(seed + 1)
    t_s = np.arange(0.1, len(values) / RATE_HZ - 0.1, 1 / hz)
    t_s += chance.normal(0.0, (0.015 if order > 1 else 0.06) / hz, len(t_s))
    hits = np.zeros(len(values))
    hits[np.rint(t_s * RATE_HZ).astype(int)] = strength
    since_s = np.arange(120) / RATE_HZ
    ringing = np.exp(-since_s / 0.001) * np.sin(2 * np.pi * 3000.0 * since_s + 0.7)
    return np.asarray(values + np.convolve(hits, ringing)[: len(values), None])


def judged(values: Floats, shaft_hz: "float | None" = SHAFT_HZ) -> BearingVerdict:
    return judge_bearing(values, RATE_HZ, shaft_hz, ORDERS, None)


@pytest.mark.parametrize("top", [10, 400])
@pytest.mark.parametrize("n", [4096, 6000, 7776])
def test_the_short_envelope_is_that_of_scipys_hilbert(n: int, top: int) -> None:
    values = noise(n)[:n, 0] * (1 + 0.8 * np.sin(2 * np.pi * 60 * np.arange(n) / n))
    lines = spectrum_lines(values)
    first, last = n // 40, n // 3
    kept = np.zeros_like(lines)
    kept[first : last + 1] = lines[first : last + 1]
    squared = np.abs(hilbert(np.fft.irfft(kept, n))) ** 2
    expected = np.abs(np.fft.rfft((squared - squared.mean()) * hann(n))[: top + 1])
    length = smooth_at_least(last - first + 1 + top + 1)  # one-sided lines: a quarter of the power
    found = np.sqrt(envelope_power(lines[first : last + 1], top)) * 4 * length / n
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-9 * expected.max())


def test_a_modulated_tone_shows_its_modulation_and_the_double_of_it_as_computed_by_hand() -> None:
    """(1 + m cos a)^2 = 1 + m^2/2 + 2 m cos a + m^2/2 cos 2a: lines in the ratio 4 : m."""
    n, m = 8192, 0.5
    t = np.arange(n) / n
    values = (1 + m * np.cos(2 * np.pi * 37 * t)) * np.cos(2 * np.pi * 2000 * t)
    power = envelope_power(spectrum_lines(values)[1500:2500], 120)
    assert sorted(np.argsort(power)[-6:]) == [36, 37, 38, 73, 74, 75]
    assert np.sqrt(power[37] / power[74]) == pytest.approx(4 / m, rel=1e-9)
    assert power[[10, 50, 100]].max() < 1e-18 * power[37]


def test_whitening_leaves_phases_and_takes_every_magnitude() -> None:
    lines = spectrum_lines(noise(3)[:4000, 0])
    lines[100] *= 1e6
    flat = whitened(lines)
    assert np.abs(flat[1:]) == pytest.approx(1.0)
    assert np.angle(flat[1:-1]) == pytest.approx(np.angle(lines[1:-1]))
    assert not whitened(np.zeros(5, dtype=np.complex128)).any()


@pytest.mark.parametrize("n", [1, 2, 7, 11, 97, 1001, 26667])
def test_quick_lengths_hold_the_length_between_them(n: int) -> None:
    low, high = smooth_at_most(n), smooth_at_least(n)
    assert low <= n <= high and low > n / 2 and high < 2 * n
    for length in (low, high):
        for prime in (2, 3, 5):
            while length % prime == 0:
                length //= prime
        assert length == 1


def test_levels_are_decades_above_the_neighbourhood() -> None:
    power = np.full(400, 2.0)
    power[200:] = 50.0
    power[77], power[311] = 2000.0, 500.0
    found = levels(power, 20)
    assert found[[40, 77, 311]] == pytest.approx([0.0, 3.0, 1.0], abs=0.01)


def test_a_comb_counts_the_neighbouring_line_and_nothing_beyond_the_end() -> None:
    level = np.zeros(100)
    level[[30, 61, 93]] = 3.0, 2.0, 1.0
    assert comb(level, np.array([30.3, 45.0])).T.tolist() == [[3.0, 2.0, 0.0], [0.0, 0.0, 0.0]]
    assert comb(level, np.array([31.0])).T.tolist() == [[3.0, 2.0, 1.0]]


def test_a_multiple_takes_its_skirt_along_and_leaves_a_larger_line_beside_it() -> None:
    level = np.zeros(100)
    level[[39, 40, 44, 60, 64, 66]] = 1.0, 2.0, 1.5, 1.0, 1.9, 1.7
    left = without_multiples(level, 20.0)
    assert left[[39, 40, 44]].tolist() == [0.0, 0.0, 0.0]
    assert left[[60, 64, 66]].tolist() == [0.0, 1.9, 1.7]


@pytest.mark.parametrize("off", [-0.028, 0.0, 0.028])
def test_the_shaft_is_found_within_three_percent_of_its_nominal_speed(off: float) -> None:
    level = np.zeros(2000)
    level[np.rint(np.arange(1, 8) * 100.0).astype(int)] = 2.5
    line, height = shaft_line(level, 100.0 * (1 + off))
    assert line == pytest.approx(100.0, rel=2e-3) and height == 2.0


def test_lines_of_the_mains_do_not_pass_for_the_shaft() -> None:
    level = np.zeros(2000)
    level[np.arange(200, 2000, 200)] = 4.0
    assert shaft_line(level, 101.0)[1] <= 1.0


@pytest.mark.parametrize("off", [-0.018, 0.0, 0.018])
@pytest.mark.parametrize("name", IMPACTS)
def test_the_element_that_is_struck_is_named_at_its_slip(name: str, off: float) -> None:
    found = judged(struck(IMPACTS[name], 25.0 if name == "cage" else 6.0, off))
    assert found.verdict == name, found
    assert found.measured_hz == pytest.approx(IMPACTS[name] * SHAFT_HZ * (1 + off), rel=4e-3)
    assert found.slip == pytest.approx(off, abs=4e-3) and found.order == IMPACTS[name]
    assert found.harmonics == 3 and found.reason == "" and (found.score or 0) > 1.7


@pytest.mark.parametrize("order", [1.0, 2.0, 3.0, 4.0, 5.0, 0.5, 3.2, 4.3, 5.8, 6.6])
def test_impacts_at_no_elements_order_name_none(order: float) -> None:
    assert judged(struck(order)).verdict in ("none", "unknown")


def test_noise_is_none_and_never_an_element() -> None:
    verdicts = [judged(noise(seed, 2.0)).verdict for seed in range(40)]
    assert set(verdicts) <= {"none", "unknown"} and verdicts.count("none") >= 36


@pytest.mark.parametrize(
    ("values", "shaft_hz", "orders", "rate_hz", "reason"),
    [
        (noise(1), 29.5, None, RATE_HZ, "no_bearing"),
        (noise(1), None, ORDERS, RATE_HZ, "no_speed"),
        (noise(1), 0.0, ORDERS, RATE_HZ, "no_speed"),
        (noise(1), float("nan"), ORDERS, RATE_HZ, "no_speed"),
        (noise(1, 0.6), 29.5, ORDERS, RATE_HZ, "too_short"),
        (noise(1, 0.0), 29.5, ORDERS, RATE_HZ, "too_short"),
        (noise(1), 2990.0, ORDERS, RATE_HZ, "bandwidth"),
        (noise(1), 29.5, ORDERS, 590.0, "bandwidth"),
        (noise(1) * np.nan, 29.5, ORDERS, RATE_HZ, "not_finite"),
        (noise(1)[:, :0], 29.5, ORDERS, RATE_HZ, "not_finite"),
        (np.ones((48000, 3)), 29.5, ORDERS, RATE_HZ, "silent"),
    ],
)
def test_what_cannot_be_judged_is_unknown_with_its_reason(
    values: Floats,
    shaft_hz: "float | None",
    orders: "BearingOrders | None",
    rate_hz: float,
    reason: str,
) -> None:
    found = judge_bearing(values, rate_hz, shaft_hz, orders, None)
    assert (found.verdict, found.reason) == ("unknown", reason)


def test_silence_of_a_sensor_that_sees_too_little_is_unknown_not_none() -> None:
    wide = judge_bearing(noise(5), RATE_HZ, SHAFT_HZ, ORDERS, 6000.0)
    assert (wide.verdict, wide.method) == ("none", "whitened")
    narrow = judge_bearing(noise(5), RATE_HZ, SHAFT_HZ, ORDERS, 600.0)
    assert (narrow.verdict, narrow.reason, narrow.method) == ("unknown", "bandwidth", "band")


def test_two_axes_that_contradict_each_other_name_nothing() -> None:
    both = np.hstack([struck(ORDERS.bpfo), struck(ORDERS.bpfi)])
    assert judged(both).reason == "axes_disagree"


@settings(max_examples=20, deadline=None)
@given(
    scale=st.floats(1e-3, 1e3),
    offset=st.floats(-2.0, 2.0),
    name=st.sampled_from(sorted(IMPACTS)),
)
def test_scale_and_offset_change_nothing(scale: float, offset: float, name: str) -> None:
    values = struck(IMPACTS[name])
    one, other = judged(values), judged(scale * values + offset)
    assert other.verdict == one.verdict and other.measured_hz == one.measured_hz
    assert other.score == pytest.approx(one.score, abs=1e-6)


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(3)))
def test_the_order_of_axes_does_not_matter(order: "list[int]") -> None:
    axes = np.hstack([struck(ORDERS.bpfi), noise(7), 0 * noise(8) + 1.0])
    assert judged(axes[:, order]) == judged(axes)


@settings(max_examples=20, deadline=None)
@given(cut=st.integers(0, 3000))
def test_where_the_window_begins_and_ends_does_not_matter(cut: int) -> None:
    values = struck(ORDERS.bpfo)
    found = judged(values[cut : len(values) - cut // 2])
    assert found.verdict == "outer" and found.harmonics == 3
    assert found.measured_hz == pytest.approx(ORDERS.bpfo * SHAFT_HZ, rel=3e-3)


@settings(max_examples=150, deadline=None)
@given(
    count=st.integers(0, 4000),
    rate_hz=st.floats(5.0, 1e5),
    shaft_hz=st.floats(0.01, 3000.0),
    bandwidth_hz=st.one_of(st.none(), st.floats(1.0, 1e5)),
    values=st.sampled_from(["noise", "steps", "one spike", "a tone", "single precision"]),
)
def test_no_stretch_no_rate_and_no_speed_makes_it_raise(
    count: int, rate_hz: float, shaft_hz: float, bandwidth_hz: "float | None", values: str
) -> None:
    axes = np.random.default_rng(count).normal(size=(count, 2))
    made = {
        "noise": axes,
        "steps": np.round(axes),
        "one spike": np.where(np.arange(2 * count).reshape(-1, 2) == count, 1.0, 0.0),
        "a tone": np.sin(0.7 * np.arange(2 * count).reshape(-1, 2)),
        "single precision": axes.astype(np.float32),
    }[values]
    with np.errstate(divide="raise", invalid="raise", over="raise"):
        found = judge_bearing(made, rate_hz, shaft_hz, ORDERS, bandwidth_hz)
    assert found.verdict in (*IMPACTS, "none", "unknown")
    assert (found.reason in REASONS) == (found.verdict == "unknown")


def test_visibility_says_which_elements_are_out_of_sight() -> None:
    assert bearing_visibility(6300.0, 26667.0, SHAFT_HZ, ORDERS) == ()
    assert bearing_visibility(1600.0, 3200.0, SHAFT_HZ, ORDERS) == ("bearing_early",)
    assert bearing_visibility(400.0, 800.0, SHAFT_HZ, ORDERS) == (
        "bearing_outer",
        "bearing_inner",
        "bearing_rolling_element",
        "bearing_quiet",
        "bearing_early",
    )
    assert bearing_visibility(None, 12000.0, None, ORDERS) == ("bearing_no_speed",)
    assert bearing_visibility(None, 12000.0, 29.0, None) == ("bearing_unknown",)


def test_what_is_out_of_sight_is_not_named() -> None:
    codes = bearing_visibility(560.0, 12000.0, SHAFT_HZ, ORDERS)
    assert "bearing_inner" in codes and "bearing_outer" not in codes
    found = judge_bearing(struck(ORDERS.bpfi), RATE_HZ, SHAFT_HZ, ORDERS, 560.0)
    assert found.verdict == "unknown"


def test_every_reason_is_a_sentence_of_its_own_on_the_page() -> None:
    assert [reason for reason in REASONS if not has_text(f"bearing.why.{reason}")] == []


@pytest.mark.parametrize("off", [-0.15, -0.1, 0.1, 0.15])
def test_at_a_speed_that_is_far_off_no_element_is_named(off: float) -> None:
    """The race strikes where the ball of this bearing would at the speed that was given."""
    at = 2 * ORDERS.bsf * (1 + off)
    found = judged(struck(at), SHAFT_HZ * (1 + off))
    assert (found.verdict, found.reason) == ("unknown", "speed_unseen")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("poles", [2, 4, 6])
def test_a_healthy_motor_behind_an_inverter_has_no_damaged_element(poles: int, seed: int) -> None:
    """Magnetic noise swells at twice the inverter's frequency, where this outer race strikes."""
    slip = 0.01 * (seed + 1)
    hz = poles * SHAFT_HZ / (1 - slip)
    swell = 2 * np.pi * hz * np.arange(int(4 * RATE_HZ))[:, None] / RATE_HZ
    hum = 1 + 0.6 * np.cos(swell) + 0.3 * np.cos(2 * swell) + 0.25 * np.cos(3 * swell)
    balls = 2 * poles + 2
    ftf = poles * 1.03 / balls
    share = 1 - 2 * ftf
    bearing = BearingOrders(ftf * balls, balls - ftf * balls, (1 - share**2) / share / 2, ftf)
    found = judge_bearing(noise(seed) * hum + shaft(SHAFT_HZ), RATE_HZ, SHAFT_HZ, bearing, None)
    assert found.verdict in ("unknown", "none"), found
