"""Each rule of naming an element, on spectra made line by line."""

import numpy as np
import pytest

from agent.analysis.bearings import BearingOrders, BearingVerdict, bearing_for
from agent.analysis.naming import Shaft, judge_axis

SHAFT_LINE = 150
ORDERS = bearing_for("6205-2RS").orders
BPFO, BPFI, BALL, FTF = ORDERS.bpfo, ORDERS.bpfi, 2 * ORDERS.bsf, ORDERS.ftf
WHOLE = bearing_for("bpfo=3.048,bpfi=4.952,bsf=1.982,ftf=0.381").orders  # all races near whole ones


def heard(
    combs: "dict[float, float]",
    orders: BearingOrders = ORDERS,
    resolved: bool = True,
    spacing_hz: float = 0.2,
    harmonics: "tuple[int, ...]" = (1, 2, 3),
    seen: bool = True,
) -> BearingVerdict:
    """The verdict on even noise with lines at multiples of {order: level in decades}."""
    power = np.ones(int(3.4 * 2 * SHAFT_LINE * orders.bpfi / 2))
    for order, level in combs.items():
        for k in harmonics:
            place = round(k * order * SHAFT_LINE)
            if place < len(power):
                power[place] = 10**level
    elements = [
        ("outer", orders.bpfo),
        ("inner", orders.bpfi),
        ("rolling_element", 2 * orders.bsf),
        ("cage", orders.ftf),
    ]
    shaft = Shaft(SHAFT_LINE, resolved, spacing_hz, seen)
    return judge_axis(power, shaft, elements, orders, "whitened")


@pytest.mark.parametrize(
    ("name", "order"),
    [("outer", BPFO), ("inner", BPFI), ("rolling_element", BALL), ("cage", FTF)],
)
def test_a_clear_comb_is_named_with_its_slip_and_place(name: str, order: float) -> None:
    found = heard({order * 1.01: 2.2})
    assert (found.verdict, found.harmonics, found.reason) == (name, 3, "")
    assert found.slip == pytest.approx(0.01, abs=4e-3)
    assert found.measured_hz == pytest.approx(order * 1.01 * SHAFT_LINE * 0.2, rel=5e-3)
    assert found.score == pytest.approx(2.2, abs=0.01)


@pytest.mark.parametrize(
    ("level", "expected"),
    [(1.05, ("none", "")), (1.65, ("unknown", "unclear")), (1.75, ("outer", ""))],
)
def test_between_quiet_and_clear_lies_unknown(level: float, expected: "tuple[str, str]") -> None:
    found = heard({BPFO: level})
    assert (found.verdict, found.reason) == expected


@pytest.mark.parametrize("harmonics", [(2, 3), (1,)])
def test_without_its_first_multiple_or_with_it_alone_an_element_is_not_named(
    harmonics: "tuple[int, ...]",
) -> None:
    assert heard({BPFO: 5.7}, harmonics=harmonics).reason == "unclear"


@pytest.mark.parametrize(("behind", "reason"), [(0.35, "ambiguous"), (0.45, "")])
def test_an_element_must_be_clearly_ahead_of_the_others(behind: float, reason: str) -> None:
    assert heard({BPFO: 2.4, BALL: 2.4 - behind}).reason == reason


def test_a_cage_needs_all_three_multiples() -> None:
    assert heard({FTF: 3.0}, harmonics=(1, 2)).reason == "unclear"
    assert heard({BPFO: 3.0}, harmonics=(1, 2)).verdict == "outer"


def test_a_sideband_of_the_inner_race_does_not_stand_in_its_way() -> None:
    lines = {WHOLE.bpfi: 2.5, WHOLE.bpfi - 1: 2.2}
    assert heard(lines, WHOLE).verdict == "inner"


def test_what_may_be_a_sideband_of_the_inner_race_is_not_named() -> None:
    assert heard({2 * WHOLE.bsf: 3.0}, WHOLE).reason == "ambiguous"


def test_something_else_that_repeats_more_clearly_explains_the_envelope() -> None:
    assert heard({BPFO: 2.0, 2.23: 2.15}).verdict == "outer"
    assert heard({BPFO: 2.0, 2.23: 2.25}).reason == "ambiguous"


def test_a_stronger_element_just_outside_the_search_is_not_overlooked() -> None:
    assert heard({BPFO: 1.9, BPFI * 1.035: 1.6}).reason == "ambiguous"
    assert heard({BPFO: 1.9, BPFO * 1.035: 2.2}).reason == "ambiguous"
    assert heard({BPFO: 1.9, BPFI * 1.035: 1.3}).verdict == "outer"


def test_a_cage_that_only_modulates_a_race_is_not_named() -> None:
    assert heard({FTF: 2.5, BPFO * 1.004: 1.3}).verdict == "cage"
    assert heard({FTF: 2.5, BPFO * 1.004: 1.6}).reason == "ambiguous"


def test_multiples_of_the_mains_are_no_race() -> None:
    """At a line spacing at which the outer race strikes 120 times a second."""
    spacing_hz = 120.0 / (BPFO * SHAFT_LINE)
    assert heard({BPFO: 3.0}, spacing_hz=spacing_hz).verdict == "none"
    assert heard({BPFO: 3.0}, spacing_hz=1.1 * spacing_hz).verdict == "outer"


@pytest.mark.parametrize("shaft_order", [0.5, 1.0, 3.0, 5.0])
def test_multiples_of_the_shaft_are_no_race_of_any_bearing(shaft_order: float) -> None:
    assert heard({shaft_order: 3.0}, WHOLE).verdict in ("none", "unknown")


def test_an_order_near_a_whole_one_takes_more_to_be_named() -> None:
    assert heard({WHOLE.bpfo: 2.0}, WHOLE).reason == "unclear"
    assert heard({WHOLE.bpfo: 2.2}, WHOLE).verdict == "outer"


def test_an_order_at_a_whole_one_is_never_called_healthy() -> None:
    nearer = bearing_for("bpfo=3.006,bpfi=4.994,bsf=1.888,ftf=0.376").orders
    assert heard({}, nearer).reason == "near_whole_order"
    assert heard({}, WHOLE, resolved=False).reason == "near_whole_order"
    assert heard({}, WHOLE).verdict == "none" and heard({}).verdict == "none"


def test_near_a_whole_order_nothing_is_named_while_the_speed_is_unsure() -> None:
    assert heard({WHOLE.bpfo: 3.0}, WHOLE, resolved=False).verdict == "unknown"


def test_silence_at_an_unsure_speed_is_searched_further_before_it_counts() -> None:
    assert heard({BPFO * 1.035: 2.0}, resolved=False).reason == "speed_unsure"
    assert heard({BPFO * 1.035: 2.0}, resolved=True).verdict == "none"
    assert heard({}, resolved=False).verdict == "none"


def test_no_element_is_named_at_a_speed_at_which_nothing_of_the_shaft_shows() -> None:
    assert heard({BPFO: 3.0}, resolved=False, seen=True).verdict == "outer"
    found = heard({BPFO: 3.0}, resolved=False, seen=False)
    assert (found.verdict, found.reason) == ("unknown", "speed_unseen")


@pytest.mark.parametrize("slip", [0.01, 0.03, 0.05])
def test_a_race_where_a_motors_field_swells_is_not_told_from_it(slip: float) -> None:
    """Four poles and ten balls: 4 / (1 - slip) turns; the same race beyond it is named."""
    ten = bearing_for("10,12,70,0").orders
    assert heard({4 / (1 - slip): 3.0}, ten._replace(bpfo=4 / (1 - slip))).reason == "field_order"
    assert heard({4.30: 3.0}, ten._replace(bpfo=4.30)).verdict == "outer"


@pytest.mark.parametrize(
    ("order", "apart", "supported"),
    [(BPFI, 1.0, True), (BPFI, FTF, False), (BALL, FTF, True), (BALL, 1.0, False)],
)
def test_an_inner_race_swells_with_the_shaft_and_a_ball_with_the_cage(
    order: float, apart: float, supported: bool
) -> None:
    found = heard({order: 3.0, order - apart: 1.5, order + apart: 1.5}, harmonics=(1, 2, 3))
    assert found.verdict in ("inner", "rolling_element") and found.supported is supported
    assert not heard({order: 3.0}).supported and not heard({BPFO: 3.0, BPFO - 1: 1.5}).supported
