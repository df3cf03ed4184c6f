"""Shaft speed: right or unknown, never the mains; and the lines at its multiples."""

from typing import Any

import numpy as np
import pytest

from agent.analysis.lines import lines_of
from agent.analysis.orders import ORDERS, UNKNOWN_SPEED, find_speed, order_lines, place_of

RATE_HZ = 3200.0
NOISE_G = 0.01


def machine(
    shaft_hz: float,
    levels: dict[float, float],
    others: tuple[tuple[float, float], ...] = (),
    seconds: float = 5.0,
    rate_hz: float = RATE_HZ,
    seed: int = 1,
) -> Any:
    """`levels`: order to RMS in g; `others`: (Hz, RMS in g); with noise; shape (n, 1)."""
    t = np.arange(int(seconds * rate_hz)) / rate_hz
    chance = np.random.default_rng(seed)
    total = chance.normal(0, NOISE_G, len(t))
    for hz, rms in [(order * shaft_hz, g) for order, g in levels.items()] + list(others):
        total += rms * np.sqrt(2) * np.sin(2 * np.pi * hz * t + chance.uniform(0, 6))
    return total.reshape(-1, 1)


FAMILY = {1.0: 0.02, 2.0: 0.01, 3.0: 0.01, 4.0: 0.005}


@pytest.mark.parametrize("shaft_hz", [14.6, 19.55, 29.42, 29.75, 59.1])
def test_a_family_where_the_mains_turns_a_motor_is_found_without_being_told(
    shaft_hz: float,
) -> None:
    speed = find_speed(lines_of(machine(shaft_hz, FAMILY), RATE_HZ), None, 60.0)
    assert speed.source == "ridge" and speed.confidence >= 0.7
    assert speed.hz == pytest.approx(shaft_hz, rel=1e-3)


@pytest.mark.parametrize("shaft_hz", [29.0, 29.5, 30.4])
def test_a_given_speed_is_refined_within_three_percent(shaft_hz: float) -> None:
    speed = find_speed(lines_of(machine(shaft_hz, FAMILY), RATE_HZ), 29.6, 60.0)
    assert speed.source == "ridge" and speed.confidence == 0.95
    assert speed.hz == pytest.approx(shaft_hz, rel=1e-3)


def test_a_given_speed_without_a_line_is_kept_and_said_to_be_unconfirmed() -> None:
    speed = find_speed(lines_of(machine(29.5, {}), RATE_HZ), 29.5, 60.0)
    assert speed == (29.5, 0.5, "given", None)


@pytest.mark.parametrize("off", [0.88, 1.12])
def test_a_family_elsewhere_than_the_given_speed_is_said_and_not_taken(off: float) -> None:
    """Weak above 3x, so that no multiple of it falls within 3 % of one of the given speed."""
    family = {1.0: 0.02, 2.0: 0.01, 3.0: 0.01}
    speed = find_speed(lines_of(machine(29.4, family), RATE_HZ), 29.4 * off, 60.0)
    assert speed[:3] == (29.4 * off, 0.5, "given")
    assert speed.elsewhere_hz == pytest.approx(29.4, rel=2e-3)


@pytest.mark.parametrize(
    "signal",
    [
        machine(30.0, {}),
        machine(30.0, {}, ((60.0, 0.05), (120.0, 0.1), (240.0, 0.02), (360.0, 0.02))),
        machine(29.5, {1.0: 0.05}),
        machine(41.0, FAMILY),  # behind an inverter: nothing tells it from a bearing's defect
    ],
    ids=["noise", "mains", "one line", "no motor's speed"],
)
def test_what_is_no_clear_family_is_unknown(signal: Any) -> None:
    assert find_speed(lines_of(signal, RATE_HZ), None, 60.0) == UNKNOWN_SPEED


def test_a_bearings_family_above_the_shaft_is_not_taken_for_it() -> None:
    impacts = {3.05 * k: 0.03 for k in (1.0, 2.0, 3.0, 4.0)}  # 57.6 Hz: a motor's too
    signal = machine(18.9, {1.0: 0.03, **impacts})
    speed = find_speed(lines_of(signal, RATE_HZ), None, 60.0)
    assert speed.hz is None or speed.hz == pytest.approx(18.9, rel=0.01)


def test_the_mains_is_not_the_shaft_even_where_it_folds() -> None:
    signal = machine(29.0, {}, ((80.0, 0.2), (40.0, 0.1), (60.0, 0.1)), rate_hz=200.0)
    assert find_speed(lines_of(signal, 200.0), None, 60.0) == UNKNOWN_SPEED


def test_orders_are_measured_and_those_beside_the_mains_are_not_clear() -> None:
    levels = {0.5: 0.004, 1.0: 0.02, 2.0: 0.01, 4.0: 0.008}
    signal = machine(29.4, levels, ((120.0, 0.1),), seconds=5.0)
    found = order_lines(lines_of(signal, RATE_HZ), 29.4, 60.0)
    for order, rms in levels.items():
        assert found.g[0, place_of(order)] == pytest.approx(rms, rel=0.05), order
    assert found.clear[place_of(2.0)]  # 58.8 Hz, the mains at 60: 1.2 Hz apart, 0.75 needed
    short = order_lines(lines_of(signal[:9600], RATE_HZ), 29.4, 60.0)
    assert not short.clear[place_of(2.0)]  # 3 s: 1.25 Hz needed
    assert short.clear[place_of(1.0)]


def test_half_a_second_tells_no_half_orders_apart() -> None:
    signal = machine(9.0, FAMILY, seconds=0.5)
    assert not order_lines(lines_of(signal, RATE_HZ), 9.0, 60.0).clear.any()


def test_places_and_orders_agree() -> None:
    assert [place_of(order) for order in ORDERS] == list(range(20))
    assert ORDERS[0] == 0.5 and ORDERS[-1] == 10.0
