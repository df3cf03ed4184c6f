"""The whole agent on a disk that another program fills: it samples on, says so, and recovers."""

import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.mosquitto import Mosquitto, Receiver
from tests.running import RunningAgent
from tests.small_disk import SmallDisk, small_disk

HEALTHY = {"defect_from_s": None}
WITHIN_S = 40.0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path) as found:
        yield found


def samples(state: dict[str, Any]) -> int:
    return int(state["health"]["samples"]) if "health" in state else 0


def page(agent: RunningAgent, language: str) -> str:
    """What a person sees."""
    place = f"http://127.0.0.1:{agent.port}/?lang={language}"
    with urllib.request.urlopen(place, timeout=5) as answer:
        return str(answer.read().decode())


def live_after(receiver: Receiver, boot: int) -> list[int]:
    """Live rows of later boots, by their numbers."""
    return [seq for one, lane, seq in list(receiver.rows) if lane == "live" and one > boot]


def agent_on(disk: SmallDisk, folder: Path) -> RunningAgent:
    """No broker: all that is judged has to be kept."""
    return RunningAgent(folder, simulation=HEALTHY, more={"state_dir": str(disk.state)})


def test_the_agent_starts_on_a_disk_that_takes_nothing_and_comes_back(
    disk: SmallDisk, tmp_path: Path
) -> None:
    disk.fill()
    agent = agent_on(disk, tmp_path)
    try:
        agent.start()
        state = agent.wait_for(lambda held: {"disk", "store"} <= set(held.get("degraded", {})))
        assert "takes nothing" in state["degraded"]["disk"]
        assert "rows wait in memory" in state["degraded"]["store"]
        assert "el disco no acepta nada (no queda espacio en el disco)" in page(agent, "es")
        assert "the disk takes nothing (No space left on device)" in page(agent, "en")
        before = samples(state)
        agent.wait_for(lambda held: samples(held) > before + 3000)
        disk.free()
        state = agent.wait_for(lambda held: not {"disk", "store"} & set(held["degraded"]))
        agent.wait_for(lambda held: held["store"]["lanes"]["history"]["produced"] > 0)
        assert agent.terminate()[0] == 0
    finally:
        agent.close()


def test_on_a_full_disk_rows_are_kept_and_delivered_and_the_status_says_so(
    disk: SmallDisk, tmp_path: Path
) -> None:
    (tmp_path / "broker").mkdir()
    broker = Mosquitto(tmp_path / "broker")
    broker.start()
    agent = RunningAgent(
        tmp_path, broker.port, simulation=HEALTHY, more={"state_dir": str(disk.state)}
    )
    receiver = Receiver(broker.port)
    try:
        agent.start()
        receiver.wait_for(lambda held: held.rows, WITHIN_S)
        ((first, _, _), *_) = receiver.rows
        agent.kill()
        disk.fill()
        agent.start()
        state = agent.wait_for(lambda held: "disk" in held.get("degraded", {}))
        assert "the disk is full: older history gives way" in state["degraded"]["disk"]
        receiver.wait_for(lambda held: len(live_after(held, first)) > 5, WITHIN_S)
        receiver.wait_for(lambda held: "disk" in held.status[-1].get("degraded", {}), WITHIN_S)
        assert not receiver.invalid
        disk.free()
        state = agent.wait_for(lambda held: "disk" not in held["degraded"])
        before = samples(state)
        agent.wait_for(lambda held: samples(held) > before + 3000)
    finally:
        agent.close()
        receiver.close()
        broker.stop()


def test_a_machines_alarms_come_through_although_the_disk_takes_nothing(
    disk: SmallDisk, tmp_path: Path
) -> None:
    (tmp_path / "broker").mkdir()
    broker = Mosquitto(tmp_path / "broker")
    broker.start()
    more = {"state_dir": str(disk.state)}
    agent = RunningAgent(tmp_path, broker.port, simulation=HEALTHY, more=more)
    receiver = Receiver(broker.port)
    try:
        disk.fill()
        agent.start()
        receiver.wait_for(lambda held: any(s.get("unsaved_alarms") for s in held.status), 20.0)
        (one, *_) = receiver.status[-1]["unsaved_alarms"]
        assert one["kind"] == "state_change" and one["body"]["machine"]
        disk.free()
        receiver.wait_for(lambda held: held.status[-1].get("unsaved_alarms") == [], 20.0)
        receiver.wait_for(lambda held: held.seqs(held.status[-1]["boot"], "alarm"), 20.0)
        bodies = [row["body"] for key, row in receiver.rows.items() if key[1] == "alarm"]
        assert one["body"] in bodies and not receiver.invalid
    finally:
        agent.close()
        receiver.close()
        broker.stop()
