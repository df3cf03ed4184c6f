"""Numbers that two lives of a device used, when either has thinned its rows."""

import json
import random
from collections.abc import Iterator

import pytest

from agent.ports import HISTORY, row_id, row_seq
from agent.ports import Row as AgentRow
from agent.store.thinning import thin
from firmware_tools.ledger.account import Account, Key, Row
from firmware_tools.ledger.keep import Keeper
from firmware_tools.ledger.show import summary
from tests.postgres import ledger_place

DEVICE, BOOT = "s/clash", 7
NS = 1_000_000_000


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest) -> Iterator[str]:
    with ledger_place(request.param) as place:
        yield place


@pytest.fixture
def ledger(place: str) -> Iterator[Keeper]:
    made = Keeper(place)
    yield made
    for name in ("rows", "streams", "conflicts"):
        made._db.execute(f"DELETE FROM {name}")
    made._db.commit()
    made.close()


def life(count: int, begins_ns: int) -> list[AgentRow]:
    """A row each second, as a device holds them."""
    body = json.dumps({"machine": "m", "velocity_rms_mm_s": 1.5})
    return [
        AgentRow(HISTORY, row_id(BOOT, n), begins_ns + n * NS, "verdict", body, 0)
        for n in range(1, count + 1)
    ]


def thinned(rows: list[AgentRow], period_s: int) -> list[AgentRow]:
    return thin(rows, period_s, lambda row: False)


def sent(rows: list[AgentRow]) -> list[Row]:
    return [Row(DEVICE, BOOT, HISTORY, row_seq(r.id), r.first_seq, *r[2:5]) for r in rows]


def take(keeper: Keeper, *bundles: list[AgentRow]) -> int:
    """As the receiver does; how many rows were found to be of another life."""
    account, found = keeper.load(), 0
    for rows in bundles:
        came = sent(rows)
        head = {"boot": BOOT, "lane": HISTORY, "freed_to": 0}
        new = account.take(DEVICE, head, came)
        copies = [row for row in came if row not in new]
        found += len(keeper.keep(new, list(account.streams.values()), [], copies))
    return found


A, B = life(180, 5_000), life(180, 2 * NS + 77)


@pytest.mark.parametrize("period_s", [10, 60])
def test_a_thinned_row_of_another_life_over_raw_ones_is_a_conflict(
    ledger: Keeper, period_s: int
) -> None:
    summaries = thinned(B, period_s)
    assert take(ledger, A, summaries) == len(summaries)
    account = ledger.load()
    assert not summary(account)["complete"] and account.holes() == []
    assert summary(account)["rows"] == 180, "the raw ones stand where they stood"


def test_a_thinned_row_that_is_new_in_part_is_kept_beside_the_raw_ones(ledger: Keeper) -> None:
    assert take(ledger, A[:30], thinned(B, 60)) == 1, "the first minute alone meets them"
    account = ledger.load()
    assert account.holes() == [] and account.conflicts[Key(DEVICE, BOOT, HISTORY)].rows == 1


@pytest.mark.parametrize("period_s", [10, 60])
def test_raw_rows_of_another_life_under_thinned_ones_are_conflicts(
    ledger: Keeper, period_s: int
) -> None:
    """But those that were made within the same period after the start of both."""
    summaries = thinned(A, period_s)
    found = take(ledger, summaries, B)
    assert found >= len(summaries) and not summary(ledger.load())["complete"]


@pytest.mark.parametrize(("first", "last"), [(1, 1), (59, 59), (30, 30)])
def test_one_raw_row_tells_by_its_time(ledger: Keeper, first: int, last: int) -> None:
    """The first or the last of those that the thinned row stands for, or one of another minute."""
    later = thinned(life(60, 70 * NS if first == 30 else 77), 60)
    held = [row for row in later if row.first_seq <= first and row_seq(row.id) >= last]
    some = A[: row_seq(held[0].id)][first - 1 : last]
    assert take(ledger, some, held) == 1
    ledger._db.execute("DELETE FROM rows")
    ledger._db.execute("DELETE FROM conflicts")
    assert take(ledger, held, some) == 1


def test_thinned_rows_of_two_lives_are_conflicts(ledger: Keeper) -> None:
    assert take(ledger, thinned(A, 10), thinned(B, 60)) > 0


@pytest.mark.parametrize("seed", range(12))
def test_one_life_that_thins_more_and_more_is_no_conflict(ledger: Keeper, seed: int) -> None:
    """Whatever came before of it, raw or thinned, in whatever order, once or twice."""
    chance = random.Random(seed)
    rows = life(180, chance.randrange(10 * NS))
    ones = thinned(rows, 10)
    every = [rows, ones, thinned(ones, 60), thinned(rows, 60), thinned(rows, 1)]
    bundles = []
    for _ in range(12):
        some = chance.choice(every)
        first = chance.randrange(len(some))
        bundles.append(some[first : first + chance.randrange(1, 60)])
    assert take(ledger, *bundles) == 0
    assert ledger.load().conflicts == {}


def test_a_conflict_that_comes_twice_is_one(ledger: Keeper) -> None:
    summaries = thinned(B, 60)
    assert take(ledger, A, summaries) == len(summaries)
    assert take(ledger, summaries) == 0
    assert Account().conflicts == {}
