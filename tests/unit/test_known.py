"""What is kept of a machine: its normal at each speed, its alarms; read back, or refused."""

import asyncio
import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from agent.analysis import anomaly
from agent.analysis.known import KnownState, from_json, to_json
from agent.app import severity_table
from agent.buses import SensorFacts
from agent.chips import known_chips
from agent.core.alarm_state import from_json as alarms_from_json
from agent.core.bulletin import Bulletin
from agent.core.mailbox import Mailbox
from agent.simulated.play import SteppedClock
from agent.stages.analyse import Analyser
from agent.stages.machine import MachineWatch, Temperature, alarms_key
from drivers.adxl345 import Adxl345
from tests.doubles import at_once
from tests.machines import machine_settings

ROOT = Path(__file__).resolve().parents[2]
BASELINE = anomaly.calibrate(
    np.random.default_rng(1).normal(0.0, 0.1, (40, 3, 24)),
    np.ones(40),
    3200.0,
    "m 1",
    anomaly.StatisticsModel().score,
    20.0,
)


def test_what_is_known_of_each_speed_is_read_back() -> None:
    states = [
        KnownState(BASELINE, (0.0, 0.6, 0.8), np.arange(400) / 7.0, 29.5, None),
        KnownState(BASELINE, None, None, None, None),
    ]
    one, other = from_json(to_json(states))
    np.testing.assert_allclose(one.baseline.mean, BASELINE.mean)
    assert one.pattern is not None
    np.testing.assert_allclose(one.pattern, np.arange(400) / 7.0, atol=0.006)
    assert (one.gravity, one.speed_hz) == ((0.0, 0.6, 0.8), 29.5)
    assert other.gravity is None and other.pattern is None


def test_a_baseline_of_the_first_schema_is_one_state() -> None:
    (state,) = from_json(anomaly.to_json(BASELINE))
    assert state.gravity is None and state.baseline.windows == 40


def _with(**changes: Any) -> str:
    held = json.loads(to_json([KnownState(BASELINE, (0.0, 0.0, 1.0), None, None, None)]))
    held["states"][0].update(changes)
    return json.dumps(held)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"schema": 2}',
        '{"schema": 2, "states": [1]}',
        _with(gravity=[0.0, 0.0]),
        _with(gravity=[0.0, 0.0, 0.1]),
        _with(baseline={}),
        _with(evidence={"speed": []}),
        _with(speed_hz="x"),
    ],
)
def test_what_is_damaged_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        from_json(text)


def test_a_drifting_machine_is_no_baseline_and_a_steady_one_is() -> None:
    chance = np.random.default_rng(5)
    steady = chance.normal(0.0, 0.2, (200, 3, 24))
    assert not anomaly.drifted(steady)
    assert anomaly.drifted(steady + np.linspace(0.0, 2.0, 200)[:, None, None])


def test_a_knock_while_learning_hardly_widens_the_normal() -> None:
    windows = np.random.default_rng(6).normal(0.0, 0.2, (200, 1, 24))
    knocked = windows.copy()
    knocked[50:54] += 5.0
    _, spread = anomaly._centre(windows)
    _, after = anomaly._centre(knocked)
    assert float((after / spread).max()) < 1.2


def test_an_alarm_is_a_row_as_its_schema_says_and_survives_a_restart() -> None:
    settings = machine_settings()._replace(vibration="de", temperature=None)
    watch = MachineWatch(settings, severity_table(settings), anomaly.StatisticsModel())
    chip = known_chips()["adxl345"]
    facts = {"de": SensorFacts("de", "adxl345", Adxl345.layout, 3200, chip.range_g, False, False)}
    kept: dict[str, str] = {}

    async def keep(key: str, value: str) -> None:
        kept[key] = value

    records = Mailbox(9)
    analyser = Analyser(
        settings, watch, facts, Mailbox(9), records, Bulletin(), SteppedClock(), keep, at_once
    )
    for at in range(12):
        watch.feel(Temperature(99.0, "good", ("", {})), at * 10**8)
    asyncio.run(analyser._keep_alarms(10**9))
    row = records.get_nowait()
    schema = json.loads((ROOT / "agent" / "schemas" / "data.json").read_text())
    body = {"$ref": "#/$defs/alarm_change", "$defs": schema["$defs"]}
    jsonschema.validate(row.body, body)
    assert (row.kind, row.urgent, row.body["to"]) == ("alarm_change", True, "unacknowledged_active")
    again = alarms_from_json(kept[alarms_key(settings)], 10**9)
    assert again.alarms == watch.book.alarms and records.get_nowait() is None
