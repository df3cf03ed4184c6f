"""A pump's days under the agent's own watch: silent while healthy, heard when it is not."""

from typing import Any

import numpy as np
import pytest

from agent.limits import EXAMINE_S
from agent.stages.machine import Temperature
from hw.machines.condition import HEALTHY, Condition
from hw.machines.duty import Duty
from tests.timelapse import FAULTS, RAMP_DOWN_S, Life, Timelapse, learned

SEED = 7
NAMES = {
    "bearing, outer race": "bearing_outer",
    "unbalance": "unbalance",
    "misalignment": "misalignment",
    "cavitation": "cavitation",
    "looseness": "looseness",
    "electrical": "electrical",
}


@pytest.fixture(scope="module")
def known() -> Any:
    return learned(SEED)


def running(known: Any, visits: int = 6) -> Timelapse:
    """The machine that `known` was learned of, running as ever."""
    lapse = Timelapse(SEED, known)
    go(lapse, visits)
    assert lapse.verdict.state == "normal" and not lapse.raised, lapse.verdict.reason
    return lapse


def go(lapse: Timelapse, visits: int, duty: Duty | None = None) -> Any:
    for _ in range(visits):
        lapse.visit(duty or Duty(), EXAMINE_S)
    return lapse.verdict


def test_a_healthy_pumps_day_of_starts_and_steps_has_no_alarm() -> None:
    life = Life(3)
    life.live(1.2, 1200.0)
    assert not life.lapse.raised, f"seed 3: {life.lapse.raised}"
    assert life.lapse.watch.operating.starts >= 2
    assert life.lapse.watch.book.shown() == [] and life.lapse.findings == {}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_grown_fault_alarms_and_has_its_name(known: Any, fault: str) -> None:
    lapse = running(known)
    lapse.condition = FAULTS[fault](0.6)
    go(lapse, 9)
    assert lapse.verdict.state in ("warning", "alarm"), lapse.verdict.reason
    assert NAMES[fault] in lapse.findings, (lapse.findings, lapse.verdict.insight)


def test_a_sensor_that_was_turned_is_an_invalid_baseline_and_no_alarm(known: Any) -> None:
    lapse = running(known)
    angle = np.radians(35.0)
    lapse.turn = np.array(
        [
            [1.0, 0.0, 0.0],
            [0.0, np.cos(angle), -np.sin(angle)],
            [0.0, np.sin(angle), np.cos(angle)],
        ]
    )
    lapse.change = lambda values: values * 1.4 - [0.0, 0.0, 0.4]
    verdict = go(lapse, 8)
    assert (verdict.state, verdict.reason[0]) == ("unknown", "baseline_invalid_turned")
    assert abs(verdict.reason[1]["degrees"] - 35) <= 3 and not lapse.raised
    lapse.turn, lapse.change = np.eye(3), lambda values: values
    assert go(lapse, 6).state == "normal", "put back, it is as it was"


def test_the_offer_to_learn_again_is_taken(known: Any) -> None:
    lapse = running(known)
    lapse.turn = np.diag([1.0, -1.0, -1.0])
    assert go(lapse, 5).reason[0] == "baseline_invalid_turned"
    lapse.watch.learn_again()
    assert go(lapse, 2).reason[0] == "learning" and not lapse.watch.states.known()


def test_a_sensor_that_came_loose_while_nobody_looked_is_an_invalid_baseline(known: Any) -> None:
    lapse = running(known)

    def dull(values: Any) -> Any:
        """High frequencies no longer pass: a mean over four samples, four times."""
        for _ in range(4):
            padded = np.pad(values, ((2, 2), (0, 0)), mode="edge")
            values = sum(padded[at : at + len(values)] for at in range(4)) / 4
        return values

    lapse.t_s += 600.0
    lapse.watch.distrust("de", "failure", ("bus", {}), int(lapse.t_s * 1e9))
    lapse.change = dull
    verdict = go(lapse, 6)
    assert verdict.reason[0] == "baseline_invalid_path" and not lapse.raised


def test_a_sudden_fault_is_not_taken_for_a_moved_sensor(known: Any) -> None:
    for wrong in (Condition(0.0, 0.0, 0.0, 1.0, 0.0), Condition(1.0, 0.0, 0.0, 0.0, 0.0)):
        lapse = running(known)
        lapse.condition = wrong
        assert go(lapse, 8).state == "alarm" and lapse.raised


def test_a_speed_that_was_never_seen_is_learned_and_then_told_apart(known: Any) -> None:
    lapse = running(known)
    verdict = go(lapse, 6, Duty(0.8))
    assert (verdict.state, verdict.reason[0]) == ("unknown", "learning") and not lapse.raised
    assert go(lapse, 4).state == "normal", "and back at the known one it is compared again"


def test_a_machine_that_coasts_down_is_changing_then_stopped_and_no_alarm(known: Any) -> None:
    lapse = running(known)
    lapse.ramp(1.0, 0.0, RAMP_DOWN_S, powered=False)
    assert lapse.verdict.reason[0] == "stopped" and not lapse.raised
    assert lapse.watch.operating.starts == 0


def test_a_known_fault_at_another_speed_keeps_its_alarm(known: Any) -> None:
    lapse = running(known)
    lapse.condition = FAULTS["bearing, outer race"](0.9)
    assert go(lapse, 6).state == "alarm"
    assert go(lapse, 5, Duty(0.8)).state == "alarm", "an unknown speed is no repair"
    lapse.condition = HEALTHY
    assert go(lapse, 8).state == "normal"
    assert [alarm.state for alarm in lapse.watch.book.shown()].count("unacknowledged_returned")


def test_a_fast_rise_of_a_warm_housing_warns_and_a_cold_start_does_not(known: Any) -> None:
    cold = Timelapse(SEED, known)
    _warm_up(cold, [25.0 + 1.5 * minute for minute in range(20)])
    assert not cold.raised
    warm = Timelapse(SEED, known)
    _warm_up(warm, [44.0] * 62 + [44.0 + 2.0 * minute for minute in range(10)])
    assert {one.name for one in warm.raised} == {"temperature_rise"}


def _warm_up(lapse: Timelapse, minutes: list[float]) -> None:
    """A running machine whose housing has these temperatures, minute by minute."""
    for place, degc in enumerate(minutes):
        if place % 8 == 0:
            lapse.visit(Duty(), EXAMINE_S, degc)
        lapse.t_s += 60.0
        lapse.watch.feel(Temperature(degc, "good", ("", {})), int(lapse.t_s * 1e9))
    lapse.visit(Duty(), EXAMINE_S, minutes[-1])
