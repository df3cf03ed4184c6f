"""Seeded days of delivery: produced = delivered and tombstoned, in order, in bounded memory."""

import os
from typing import Any

import pytest

from tests.scenario.days import AckBeforePublish, Day, ForgetsNumbers, SendsBehindTheUnsafe, Storm
from tests.sim_loop import simulated

DAYS = int(os.environ.get("LATIDO_DAYS", "8"))  # make chaos: 2000
FIRST_SEED = int(os.environ.get("LATIDO_SEED", "1"))


def lived(day: Day) -> Day:
    simulated(day.run())
    return day


def survive(kind: type[Day], promise: str, seeds: int) -> int:
    """Rows that were in memory alone when the process died."""
    rows = 0
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        try:
            day = lived(kind(seed, promise))
            day.verdict()
        except AssertionError as error:
            raise AssertionError(f"{kind.__name__} {seed}, promise {promise}: {error}") from error
        rows += day.express_rows
    return rows


def caught(kind: type[Day], **mutant: Any) -> int:
    """Of five days."""
    found = 0
    for seed in range(1, 6):
        try:
            lived(kind(seed, "broker", **mutant)).verdict()
        except AssertionError:
            found += 1
    return found


@pytest.mark.parametrize("promise", ["broker", "receiver"])
def test_no_day_loses_a_row(promise: str) -> None:
    survive(Day, promise, DAYS // 2)


@pytest.mark.parametrize("promise", ["broker", "receiver"])
def test_a_storm_of_deaths_takes_no_more_than_the_last_second(promise: str) -> None:
    rows = survive(Storm, promise, max(2, DAYS // 4))
    assert rows > 20, f"only {rows} rows were in memory alone: the storm tries nothing"


def test_freeing_rows_before_they_are_sent_is_noticed() -> None:
    assert caught(Day, deliverer=AckBeforePublish) >= 3


def test_sending_behind_a_row_that_is_in_memory_alone_is_noticed() -> None:
    assert caught(Storm, store=SendsBehindTheUnsafe) >= 3


def test_forgetting_what_an_ended_boot_may_have_used_is_noticed() -> None:
    assert caught(Storm, store=ForgetsNumbers) >= 3
