"""Kills of the agent and of the broker: nothing is missing, or the ledger says what is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scenario.kills import Rig, survived

KILLS = 5  # make chaos: 1000
pytestmark = pytest.mark.mosquitto


@pytest.fixture
def rig(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Rig]:
    made = Rig(tmp_path, request.param, "feeder", seed=7)
    yield made
    made.close()


def assert_complete(told: dict[str, Any]) -> None:
    assert told["complete"] and told["invalid"] == 0 and told["rows"] > 30, told


@pytest.mark.parametrize("rig", ["broker"], indirect=True)
def test_kills_of_the_agent_lose_no_committed_row(rig: Rig) -> None:
    assert_complete(survived(rig, KILLS))


@pytest.mark.parametrize("rig", ["receiver"], indirect=True)
def test_with_receipts_kills_of_the_broker_lose_nothing_either(rig: Rig) -> None:
    assert_complete(survived(rig, KILLS))


@pytest.mark.parametrize("rig", ["broker"], indirect=True)
def test_without_receipts_what_a_killed_broker_takes_along_is_shown(rig: Rig) -> None:
    rig.start()
    rig.live(2.0)
    rig.ledger.close()  # what is confirmed from here on waits in the broker's memory
    rig.live_alone(1.5)
    rig.kill_broker()
    rig.ledger = rig.listening()
    rig.live(4.0)
    rig.kill()
    told = rig.settle()
    lost = sum(hole["last"] - hole["first"] + 1 for hole in told["holes"] if hole["lost"])
    assert lost + sum(told["unaccounted"].values()) > 10 and not told["complete"], told
