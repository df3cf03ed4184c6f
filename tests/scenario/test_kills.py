"""Kills of the agent and of the broker: nothing is missing, or the ledger says what is."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenario.kills import REPOSITORY, Rig

KILLS = {"agent-receipts": 5, "feeder": 16, "feeder-receipts": 17, "quiet": 12}  # make chaos: 1000
SEED = 7
WITHIN_S = 300.0
pytestmark = pytest.mark.mosquitto


@pytest.fixture
def rig(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Rig]:
    made = Rig(tmp_path, request.param, "feeder", SEED)
    yield made
    made.close()


def test_fifty_kills_of_agent_feeder_and_broker_lose_no_committed_row() -> None:
    """Side by side: most of a life is waiting."""
    running = {plan: started(plan, kills) for plan, kills in KILLS.items()}
    for plan, process in running.items():
        out, err = process.communicate(timeout=WITHIN_S)
        assert process.returncode == 0, f"{plan}, seed {SEED}: {out}\n{err[-3000:]}"
        told = json.loads(out)
        assert told["kills"] == KILLS[plan] and told["complete"] and told["rows"] > 0, told
        assert told["beyond_promise"] == [] and told["given_up"]["alarm"]["numbers"] == 0, told


def started(plan: str, kills: int) -> "subprocess.Popen[str]":
    words = [sys.executable, "-m", "tests.scenario.kills", str(kills), str(SEED), "--plan", plan]
    pipe = subprocess.PIPE
    return subprocess.Popen(words, cwd=REPOSITORY, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.parametrize("rig", ["broker"], indirect=True)
def test_without_receipts_what_a_killed_broker_takes_along_is_shown(rig: Rig) -> None:
    rig.start()
    rig.live_until_rows()
    rig.live(1.0)
    rig.ledger.close()  # what is confirmed from here on waits in the broker's memory
    rig.live_alone(1.5)
    rig.kill_broker()
    rig.ledger = rig.listening()
    rig.live(4.0)
    rig.kill()
    told = rig.settle()
    lost = sum(hole["last"] - hole["first"] + 1 for hole in told["holes"] if hole["lost"])
    assert lost + sum(told["unaccounted"].values()) > 10 and not told["complete"], told
