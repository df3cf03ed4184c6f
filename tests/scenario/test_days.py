"""Seeded days of delivery: produced = delivered and tombstoned, in order, in bounded memory."""

import os

import pytest

from agent.stages.deliver import Deliverer
from tests.scenario.days import AckBeforePublish, Day
from tests.sim_loop import simulated

DAYS = int(os.environ.get("LATIDO_DAYS", "16"))  # make chaos: 2000
FIRST_SEED = int(os.environ.get("LATIDO_SEED", "1"))


def lived(seed: int, promise: str, deliverer: type[Deliverer] = Deliverer) -> Day:
    day = Day(seed, promise, deliverer)
    simulated(day.run())
    return day


@pytest.mark.parametrize("promise", ["broker", "receiver"])
def test_no_day_loses_a_row(promise: str) -> None:
    for seed in range(FIRST_SEED, FIRST_SEED + DAYS // 2):
        try:
            lived(seed, promise).verdict()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, promise {promise}: {error}") from error


def test_freeing_rows_before_they_are_sent_is_noticed() -> None:
    caught = 0
    for seed in range(1, 6):
        try:
            lived(seed, "broker", AckBeforePublish).verdict()
        except AssertionError:
            caught += 1
    assert caught >= 3, f"the mutant passed {5 - caught} of 5 days"
