"""A real broker goes away, an alarm comes, the agent is killed: every row arrives, once by its key.

How long the broker is away is no matter here; days of it are played in test_days and test_offline.
"""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mosquitto import Mosquitto, Receiver
from tests.running import RunningAgent

WEARS_FAST = {"defect_from_s": 8.0, "defect_over_s": 6.0}
COMMIT_WITHIN_S = 60.0
SEQ_MASK = 0xFFFFFFFF


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    folder = tmp_path / "broker"
    folder.mkdir()
    running = Mosquitto(folder)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def receiver(broker: Mosquitto) -> Iterator[Receiver]:
    listening = Receiver(broker.port)
    yield listening
    listening.close()


@pytest.fixture
def agent(broker: Mosquitto, tmp_path: Path) -> Iterator[RunningAgent]:
    running = RunningAgent(tmp_path, broker.port, simulation=WEARS_FAST)
    yield running
    running.close()


LANES = ("alarm", "live", "history")


def newest_boot(state_dir: Path) -> int:
    db = sqlite3.connect(f"file:{state_dir}/telemetry.db?mode=ro", uri=True)
    try:
        return int(db.execute("SELECT MAX(boot) FROM boots").fetchone()[0])
    finally:
        db.close()


def last_seqs(state_dir: Path, boot: int) -> dict[str, int]:
    """{lane: seq of its newest committed row of `boot`}, read as another program would."""
    db = sqlite3.connect(f"file:{state_dir}/telemetry.db?mode=ro", uri=True)
    try:
        newest = {
            lane: db.execute(f"SELECT MAX(id) FROM {lane}_lane").fetchone()[0] or 0
            for lane in LANES
        }
        return {lane: i & SEQ_MASK for lane, i in newest.items() if i >> 32 == boot}
    finally:
        db.close()


def wait_for_a_commit_with_an_alarm(agent: RunningAgent, boot: int) -> None:
    """An alarm commits at once, with all that waited; without one, half a minute passes."""
    before = last_seqs(agent.state_dir, boot).get("history", 0)
    deadline = time.monotonic() + COMMIT_WITHIN_S
    while True:
        now = last_seqs(agent.state_dir, boot)
        if now.get("alarm", 0) > 0 and now.get("history", 0) > before:
            return
        assert time.monotonic() < deadline, f"history {before}, then {now}"
        time.sleep(0.1)


@pytest.mark.mosquitto
def test_an_outage_with_an_alarm_and_a_kill_loses_no_committed_row(
    broker: Mosquitto, receiver: Receiver, agent: RunningAgent
) -> None:
    agent.start()
    receiver.wait_for(lambda r: len(r.rows) > 20, 40)
    first = newest_boot(agent.state_dir)
    receiver.wait_for(lambda r: len(r.seqs(first, "live")) > 20, 40)
    broker.stop()
    agent.wait_for(lambda state: not state["uplink"]["connected"], 40)
    wait_for_a_commit_with_an_alarm(agent, first)
    agent.kill()
    committed = last_seqs(agent.state_dir, first)
    assert committed["history"] > 20
    agent.start()
    agent.wait_for(lambda state: state.get("uplink", {}).get("backlog_rows", 0) > 50, 40)
    second = newest_boot(agent.state_dir)
    broker.start()
    agent.wait_for(lambda state: state["uplink"]["connected"], 60)
    for lane, last in committed.items():
        receiver.wait_for(lambda r, k=lane, n=last: len(r.seqs(first, k)) >= n, 60)
    receiver.wait_for(lambda r: len(r.seqs(second, "live")) > 20, 60)
    code, _ = agent.terminate()
    assert code == 0
    left = last_seqs(agent.state_dir, second)
    agent.start()
    for lane, last in left.items():
        receiver.wait_for(lambda r, k=lane, n=last: len(r.seqs(second, k)) >= n, 60)
    assert receiver.invalid == []
    for boot in (first, second):
        for lane in LANES:
            seqs = receiver.seqs(boot, lane)
            assert seqs == list(range(1, len(seqs) + 1)), f"boot {boot} lane {lane}"
    print(f"{len(receiver.rows)} rows, {receiver.copies} sent twice")


@pytest.mark.mosquitto
def test_the_status_message_tells_online_offline_and_a_death(
    broker: Mosquitto, receiver: Receiver, agent: RunningAgent
) -> None:
    agent.start()
    receiver.wait_for(lambda r: r.status and r.status[-1]["state"] == "online", 30)
    assert receiver.invalid == []
    assert receiver.status[-1]["device"]["version"] and receiver.status[-1]["degraded"] == {}
    agent.terminate()
    receiver.wait_for(lambda r: r.status[-1]["state"] == "offline", 30)
    assert "uplink" in receiver.status[-1], "said by the agent itself, not by its will"
    agent.start()
    receiver.wait_for(lambda r: r.status[-1]["state"] == "online", 30)
    agent.kill()
    receiver.wait_for(lambda r: r.status[-1] == {"schema": 1, "state": "offline"}, 40)
