"""Seeded days of delivery: produced = delivered and tombstoned, in order, in bounded memory."""

import os
from collections import Counter
from typing import Any

import pytest

from tests.scenario.days import Day, Storm
from tests.scenario.mutants import (
    AckBeforePublish,
    CarriesNothingOn,
    ForgetsNumbers,
    SendsBehindTheUnsafe,
    SendsFourfold,
    TellsLater,
)
from tests.scenario.sim_uplink import World
from tests.sim_loop import simulated

DAYS = int(os.environ.get("LATIDO_DAYS", "8"))  # make chaos: 2000
HAPPENS = (
    *("links cut", "PUBACKs lost", "overtaken bundles", "copies", "sent twice by the broker"),
    *("crashes", "crashes in work of the store or the link", "rows in memory alone at a crash"),
    *("commits that a full disk refused", "corrections of the clock"),
    *("rows refused", "tombstones refused", "carried by tombstones"),
)
FIRST_SEED = int(os.environ.get("LATIDO_SEED", "1"))


def failure(day: Day) -> str:
    """Of a day that is lived here; "" when it holds. Any exception is one."""
    try:
        simulated(day.run())
        day.verdict()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def survive(kind: type[Day], promise: str, seeds: int) -> Counter[str]:
    """What was seen. All seeds are tried; each that fails is told in a line, without a traceback:
    a thousand days deep some Pythons fail to write one.
    """
    saw: Counter[str] = Counter()
    failed = []
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        day = kind(seed, promise)
        why = failure(day)
        if why:
            failed.append(f"{kind.__name__} {seed}, promise {promise}: {why}")
        saw += day.world.saw
        saw["rows"] += day.rows
    print(f"{seeds} times {kind.__name__}, seeds from {FIRST_SEED}, promise {promise}: {saw}")
    if failed:
        pytest.fail("\n".join(failed), pytrace=False)
    return saw


def caught(kind: type[Day], seeds: int = 15, **mutant: Any) -> bool:
    """In two of so many days."""
    found = 0
    for seed in range(1, seeds + 1):
        found += bool(failure(kind(seed, "broker", **mutant)))
        if found == 2:
            return True
    return False


@pytest.mark.parametrize("promise", ["broker", "receiver"])
def test_no_day_loses_a_row(promise: str) -> None:
    saw = survive(Day, promise, DAYS // 2)
    never = [what for what in HAPPENS if not saw[what]]
    assert not never or DAYS < 100, f"in all these days never: {never}"


@pytest.mark.parametrize("promise", ["broker", "receiver"])
def test_a_storm_of_deaths_takes_no_more_than_the_last_second(promise: str) -> None:
    saw = survive(Storm, promise, max(2, DAYS // 4))
    for what in ("rows in memory alone at a crash", "crashes in work of the store or the link"):
        assert saw[what] > 20, f"{what}: only {saw[what]}, the storm tries nothing"


def test_freeing_rows_before_they_are_sent_is_noticed() -> None:
    assert caught(Day, deliverer=AckBeforePublish)


def test_more_in_memory_than_the_windows_allow_is_noticed() -> None:
    assert caught(Day, deliverer=SendsFourfold)


def test_a_tombstone_that_is_refused_and_forgotten_is_noticed() -> None:
    assert caught(Storm, store=CarriesNothingOn)


def test_a_tombstone_that_comes_a_moment_after_the_rows_went_is_noticed() -> None:
    assert caught(Storm, seeds=60, store=TellsLater)


def test_sending_behind_a_row_that_is_in_memory_alone_is_noticed() -> None:
    assert caught(Storm, store=SendsBehindTheUnsafe)


def test_forgetting_what_an_ended_boot_may_have_used_is_noticed() -> None:
    assert caught(Storm, store=ForgetsNumbers)


def test_a_row_that_is_sent_before_an_earlier_one_is_noticed() -> None:
    world = World(1, "broker")
    for boot, seqs in ((1, (1, 2)), (1, (1, 2, 3)), (2, (5,)), (2, (4,))):
        bundle = {"boot": boot, "lane": "live", "rows": [{"seq": seq} for seq in seqs]}
        if seqs == (4,):
            with pytest.raises(AssertionError, match="behind"):
                world.sent(bundle)
        else:
            world.sent(bundle)
