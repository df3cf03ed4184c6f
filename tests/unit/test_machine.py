"""One machine under watch: what teaches, what alarms, and what is no verdict."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.analysis.anomaly import StatisticsModel
from agent.analysis.features import shortest_window
from agent.app import severity_table
from agent.core.alarm_state import UNACK_ACTIVE
from agent.limits import BASELINE_WINDOWS, DISTRUST_HOLD_S, TEMPERATURE_READINGS
from agent.stages.machine import MachineWatch, Temperature, baseline_key
from hw.machines.condition import HEALTHY, Condition
from hw.machines.part import PARTS, felt_by
from hw.machines.pump import Pump
from tests.machines import machine_settings

RATE_HZ = 3200.0
FRAMES = shortest_window(RATE_HZ)
NS = 10**9
HOP_NS = int(FRAMES / 2 / RATE_HZ * 1e9)


class Rig:
    """A watch and the pump it watches; windows come `pace` hops apart (a time-lapse)."""

    def __init__(self, known: Any = None, **settings: Any) -> None:
        machine = machine_settings(**{"learn_minutes": 1, **settings})
        table = severity_table(machine)
        self.watch = MachineWatch(machine, table, StatisticsModel(), known)
        self.at_ns = NS

    def run(self, count: int, condition: Condition = HEALTHY, pace: int = 20) -> list[Any]:
        return [self.take(g, pace) for g in self._windows(count, condition)]

    def take(self, g: NDArray[np.float64], pace: int = 20) -> Any:
        self.at_ns += pace * HOP_NS
        return self.watch.take(g, RATE_HZ, self.at_ns)

    def _windows(self, count: int, condition: Condition) -> list[NDArray[np.float64]]:
        feel = felt_by(PARTS["adxl345"], Pump(4, 1770, condition), 4)
        total = FRAMES + (count - 1) * FRAMES // 2
        g = np.asarray(feel(self.at_ns / 1e9 + 1.0, 1 / RATE_HZ, total)).reshape(-1, 3)
        return [g[n * FRAMES // 2 : n * FRAMES // 2 + FRAMES] for n in range(count)]


@pytest.fixture(scope="module")
def learned() -> Any:
    rig = Rig()
    rig.run(BASELINE_WINDOWS + 8)
    return rig.watch.states.known()


def knowing(known: Any) -> Rig:
    rig = Rig(known)
    rig.run(8)
    return rig


def test_a_machine_is_not_called_normal_before_it_is_known() -> None:
    rig = Rig()
    verdicts = rig.run(BASELINE_WINDOWS + 12)
    states = [verdict.state for verdict in verdicts]
    assert set(states[: BASELINE_WINDOWS - 1]) == {"unknown"}
    assert states[-1] == "normal" and verdicts[-1].reason[0] == "like_baseline"
    assert verdicts[0].reason[0] == "stopped" or verdicts[0].reason[0] == "starting"
    assert verdicts[50].reason[0] == "learning"


def test_windows_of_a_few_minutes_are_no_baseline() -> None:
    rig = Rig(learn_minutes=60)
    verdicts = rig.run(BASELINE_WINDOWS + 8, pace=2)
    assert verdicts[-1].reason[0] == "learning" and verdicts[-1].reason[1]["done"] < 6


def test_a_worn_bearing_warns_then_alarms_with_its_band(learned: Any) -> None:
    rig = knowing(learned)
    warned = rig.run(10, Condition(0.25, 0.0, 0.0, 0.0, 0.0))
    assert warned[-1].state == "warning"
    alarmed = rig.run(16, Condition(0.9, 0.0, 0.0, 0.0, 0.0))
    assert alarmed[-1].state == "alarm"
    code, facts = alarmed[-1].reason
    assert code == "anomaly" and facts["times"] > 2 and facts["score"] > 20 * facts["threshold"]
    assert [(a.name, a.state) for a in alarmed[-1].alarms] == [("anomaly", UNACK_ACTIVE)]


def test_a_fault_of_a_few_seconds_is_no_alarm(learned: Any) -> None:
    rig = knowing(learned)
    seconds = rig.run(50, Condition(0.9, 0.0, 0.0, 0.0, 0.0), pace=1)
    assert {verdict.state for verdict in seconds} == {"normal"}, "8 s are within the on-delay"
    assert rig.run(50, Condition(0.9, 0.0, 0.0, 0.0, 0.0), pace=1)[-1].state == "alarm"


def test_what_was_pending_when_it_stopped_does_not_alarm_at_the_next_start(learned: Any) -> None:
    rig = knowing(learned)
    worn = Condition(0.9, 0.0, 0.0, 0.0, 0.0)
    rig.run(40, worn, pace=1)
    still = np.random.default_rng(1).normal(0, 0.001, (FRAMES, 3))
    for _ in range(20):
        rig.take(still, 1)
    rig.at_ns += 3600 * NS
    assert {verdict.state for verdict in rig.run(30, worn, pace=1)} == {"unknown", "normal"}


def test_unbalance_alarms_by_severity_too(learned: Any) -> None:
    rig = knowing(learned)
    last = rig.run(16, Condition(0.0, 1.0, 0.0, 0.0, 0.0))[-1]
    assert last.state == "alarm" and last.assessment.severity.zone == "C"
    assert {alarm.name for alarm in last.alarms} == {"anomaly", "change", "severity"}


def test_a_stopped_machine_neither_alarms_nor_teaches() -> None:
    rig = Rig()
    still = np.random.default_rng(1).normal(0, 0.001, (FRAMES, 3))
    for _ in range(20):
        verdict = rig.take(still)
        assert verdict.state == "unknown" and verdict.reason[0] == "stopped"
    assert rig.watch.baseline is None and rig.run(3)[0].reason[0] == "starting"


def test_a_moment_of_distrust_changes_nothing_and_more_of_it_does(learned: Any) -> None:
    rig = knowing(learned)
    assert rig.run(3)[-1].state == "normal"
    moment = rig.watch.distrust("de", "out_of_spec", "overrun", rig.at_ns + HOP_NS)
    assert moment.state == "unknown" and moment.changed is None
    assert rig.run(1)[0].changed is None
    later_ns = rig.at_ns + int((DISTRUST_HOLD_S + 0.1) * 1e9)
    longer = rig.watch.distrust("de", "failure", "timed out", later_ns)
    assert longer.changed == "normal" and longer.reason[0] == "sensor"
    assert rig.run(1)[0].changed == "unknown"


def test_a_hot_bearing_alarms_though_it_vibrates_as_ever(learned: Any) -> None:
    rig = knowing(learned)
    for _ in range(TEMPERATURE_READINGS - 1):
        rig.watch.feel(Temperature(96.0, "good", ""))
    assert rig.run(1)[-1].state == "normal", "a spark of noise is not heat"
    rig.watch.feel(Temperature(96.0, "good", ""))
    last = rig.run(1)[-1]
    assert last.state == "alarm" and last.reason == ("temperature", {"value": 96.0, "limit": 90.0})
    rig.watch.feel(Temperature(50.0, "good", ""))
    assert rig.run(1)[-1].state == "normal"


def test_heat_alarms_while_learning_stopped_or_without_vibration() -> None:
    rig = Rig()
    for _ in range(TEMPERATURE_READINGS):
        rig.watch.feel(Temperature(150.0, "good", ""))
    still = np.random.default_rng(1).normal(0, 0.001, (FRAMES, 3))
    assert rig.take(still).reason[0] == "temperature"
    assert rig.run(6)[-1].reason[0] == "temperature"
    gone = rig.watch.distrust("de", "failure", "timed out", rig.at_ns + 10**10)
    assert gone.state == "alarm" and gone.reason[0] == "temperature"


def test_a_baseline_of_another_rate_is_not_used(learned: Any) -> None:
    (known,) = learned
    rig = Rig([known._replace(baseline=known.baseline._replace(rate_hz=1600.0))])
    assert rig.run(5)[-1].state == "unknown" and rig.watch.baseline is None


def test_a_sensor_that_was_moved_has_a_baseline_of_its_own() -> None:
    keys = [baseline_key(machine_settings(mounting=n), StatisticsModel()) for n in (1, 2)]
    assert keys[0] != keys[1]
