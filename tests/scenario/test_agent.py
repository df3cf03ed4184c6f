"""The whole agent as a user starts it: what is damaged, missing, stopped or asked wrongly."""

import json
import shutil
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.cli import main
from agent.resources import default_model_dir
from agent.words.demo import configuration
from tests.running import RunningAgent, free_port
from tests.shared import needed

MACHINE = "machine/Bomba 1"
HEALTHY = {"defect_from_s": None}


@pytest.fixture
def agents(tmp_path: Path) -> Iterator[Any]:
    """`agents(**options)`: an agent in `tmp_path`, ended with the test."""
    made: list[RunningAgent] = []

    def make(**options: Any) -> RunningAgent:
        made.append(RunningAgent(tmp_path, **{"simulation": HEALTHY, **options}))
        return made[-1]

    yield make
    for agent in made:
        agent.close()


def page_of(agent: RunningAgent) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{agent.port}/?lang=en", timeout=5) as page:
        return str(page.read().decode())


def test_a_stop_is_clean_and_the_next_start_knows_its_baseline(agents: Any) -> None:
    agent = agents()
    agent.start()
    agent.wait_for(lambda state: state.get(MACHINE, {}).get("state") == "normal")
    code, seconds = agent.terminate()
    assert code == 0 and seconds < 5.0
    for name in ("telemetry", "settings"):
        with sqlite3.connect(agent.state_dir / f"{name}.db") as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        db.close()
    agent.start()
    agent.wait_for(lambda state: state.get(MACHINE, {}).get("state") == "normal", 10)


@pytest.mark.parametrize("name", ["telemetry", "settings"])
def test_a_damaged_database_is_set_aside_and_the_agent_judges_on(agents: Any, name: str) -> None:
    agent = agents()
    agent.state_dir.mkdir()
    (agent.state_dir / f"{name}.db").write_bytes(b"this was a database once\n" * 400)
    agent.start()
    state = agent.wait_for(lambda state: state.get(MACHINE, {}).get("state") == "normal")
    assert f"{name}.db was damaged" in state["degraded"]["store"]
    assert f"{name}.damaged-1.db" in page_of(agent)
    assert f"latido: {name}.db estaba dañado" in agent.log()
    assert (agent.state_dir / f"{name}.damaged-1.db").exists()


def test_a_damaged_model_leaves_rules_and_statistics(agents: Any, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(default_model_dir(), folder)
    content = (folder / "model.tflite").read_bytes()
    (folder / "model.tflite").write_bytes(content[:3000] + b"\0" * 40 + content[3040:])
    agent = agents(more={"model_dir": str(folder)})
    agent.start()
    state = agent.wait_for(lambda state: state.get(MACHINE, {}).get("state") == "normal")
    assert "sha256" in state["degraded"]["model"]
    assert state[MACHINE]["anomaly"]["model"].startswith("diagonal-mahalanobis")
    assert "rules and statistics only" in page_of(agent)


def test_a_damaged_baseline_is_learned_anew(agents: Any) -> None:
    agent = agents()
    agent.start()
    agent.wait_for(lambda state: MACHINE in state)
    agent.terminate()
    with sqlite3.connect(agent.state_dir / "settings.db") as db:
        db.execute("UPDATE settings SET value = '{\"schema\": 1}'")
    db.close()
    agent.start()
    state = agent.wait_for(
        lambda state: state.get(MACHINE, {}).get("reason", [""])[0] == "learning"
    )
    assert state[MACHINE]["state"] == "unknown"
    assert "learning again" in state["degraded"]["baseline Bomba 1"]


def test_a_bus_that_is_not_there_is_said_and_is_no_verdict(agents: Any) -> None:
    needed(not Path("/dev/spidev9.0").exists(), "a machine without /dev/spidev9.0")
    agent = agents(more={"buses": [{"name": "spi0", "kind": "spidev", "number": 9}]})
    agent.start()
    state = agent.wait_for(lambda state: MACHINE in state)
    assert state[MACHINE]["state"] == "unknown"
    code, facts = state[MACHINE]["reason"][1]["reason"]
    assert (
        code == "bus" and facts["place"] == "/dev/spidev9.0" and facts["cure"] == "dtparam=spi=on"
    )
    assert state["device"]["simulated"] is False
    assert agent.terminate()[0] == 0


def test_an_accelerometer_on_i2c_teaches_its_own_baseline(agents: Any) -> None:
    more = {
        "buses": [{"name": "i2c1", "kind": "sim_i2c", "number": 1, "speed_hz": 400000}],
        "sensors": [{"name": "de", "chip": "adxl345", "bus": "i2c1", "rate_hz": 800}],
        "machines": [{"name": "Bomba 1", "kind": "pump", "vibration": "de", "rpm": 1770}],
    }
    agent = agents(more=more, simulation={**HEALTHY, "learn_ahead_s": None})
    agent.start()
    state = agent.wait_for(
        lambda state: state.get(MACHINE, {}).get("reason", [""])[0] == "learning"
    )
    assert state[MACHINE]["rate_hz"] == pytest.approx(800 * 1.015, rel=2e-3)
    assert state[MACHINE]["velocity_rms_mm_s"] > 0.2


def test_two_machines_may_share_a_thermocouple(agents: Any) -> None:
    sensors = [
        {"name": "a", "chip": "adxl345", "bus": "spi0"},
        {"name": "b", "chip": "lis3dh", "bus": "spi0", "chip_select": 1},
        {"name": "t", "chip": "max31855", "bus": "spi0", "chip_select": 2},
    ]
    machines = [
        {"name": name, "vibration": vibration, "temperature": "t"}
        for name, vibration in (("M1", "a"), ("M2", "b"))
    ]
    agent = agents(more={"sensors": sensors, "machines": machines})
    agent.start()
    for name in ("M1", "M2"):
        state = agent.wait_for(
            lambda state, key=f"machine/{name}": (state.get(key) or {}).get("temperature_degc")
        )
        assert state[f"machine/{name}"]["temperature_degc"] == pytest.approx(44.0, abs=1.5)


def demo(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "agent", "demo", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_demo_ends_by_itself_and_counts_what_it_did(tmp_path: Path) -> None:
    done = demo("--seconds", "8", "--port", "0", "--json", "--state-dir", str(tmp_path / "s"))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["samples"] > 6 * 3200 and told["windows"] > 20
    assert told["lost_samples"] <= 0.02 * told["samples"]
    assert told["rows_produced"] == told["rows_delivered"] + told["rows_backlog"] > 20
    assert told["rows_delivered"] > 0 and told["alarms"] == 0 and told["degraded"] == []
    assert sum(told["verdicts"].values()) >= told["windows"] and told["verdicts"]["normal"] > 15


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        words = ("--seconds", "5", "--port", port, "--lang", "es")
        done = demo(*words, "--state-dir", str(tmp_path / "s"))
    assert done.returncode == 1
    assert f"puerto {port} está en uso" in done.stderr and "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2


def test_a_broker_that_is_away_costs_nothing(tmp_path: Path) -> None:
    away = f"127.0.0.1:{free_port()}"
    words = ("--seconds", "4", "--port", "0", "--json", "--broker", away)
    done = demo(*words, "--state-dir", str(tmp_path / "s"))
    told = json.loads(done.stdout)
    assert done.returncode == 0 and told["rows_delivered"] == 0
    assert told["rows_backlog"] == told["rows_produced"] > 10


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--broker", "nonsense"), "'nonsense' is not HOST:PORT"),
        (("--port", "99999"), "'99999' is not a port"),
        (("--seconds", "0"), "'0' is not a number above 0"),
    ],
)
def test_a_wrong_word_of_the_demo_is_named(words: tuple[str, ...], said: str) -> None:
    done = demo(*words)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        ("{", "file: not JSON"),
        ("[]", "file: [] is not an object"),
        ('{"schema": 1, "schema": 1}', "'schema' stands twice"),
        ({"colour": 1}, "colour: unknown key (value 1)"),
        ({"page": {"port": "x"}}, 'page.port: "x" is not a port, 0 to 65535'),
        ({"sensors.0.rate_hz": 3000}, "sensors[0].rate_hz: 3000 is not a rate of adxl345"),
        ({"sensors.1.chip_select": 0}, 'where "lado-acople" already is'),
    ],
)
def test_a_bad_configuration_is_refused_by_name(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    content: Any,
    said: str,
) -> None:
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    path = tmp_path / "c.json"
    if isinstance(content, dict):
        held: Any = configuration(tmp_path, 8080, ("127.0.0.1", 1883), "es")
        for way, value in content.items():
            place = held
            *steps, last = way.split(".")
            for step in steps:
                place = place[int(step) if step.isdigit() else step]
            place[last] = value
        content = json.dumps(held)
    if content is not None:
        path.write_text(content)
    assert main(["run", "--config", str(path)]) == 2
    error = capsys.readouterr().err
    assert said in error and str(path) in error and len(error.strip().splitlines()) == 1
