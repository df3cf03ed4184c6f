"""Thinning against an independent oracle: numpy over the rows that a summary stands for."""

import json
import random
from typing import Any

import numpy as np
import pytest

from agent.ports import HISTORY, Row, row_id, row_seq
from agent.store.thinning import PERIODS_S, thin

STEP_NS = 300_000_000


def rows_of(count: int, seed: int = 1, boot: int = 1) -> list[Row]:
    """A row each 0.3 s of two machines in turn, numbers missing now and then."""
    chance = random.Random(seed)
    made = []
    for n in range(1, count + 1):
        body = {
            "machine": f"pump {n % 2}",
            "state": chance.choice(["normal", "warning"]),
            "velocity_rms_mm_s": chance.choice([None, chance.uniform(0, 9)]),
            "anomaly": {"score": chance.uniform(-2, 2)},
            "utc_ns": 5,
        }
        text = json.dumps(body)
        made.append(Row(HISTORY, row_id(boot, n), n * STEP_NS, "verdict", text, 0))
    return made


def none(row: Row) -> bool:
    return False


def values(rows: list[Row], machine: str, path: list[str]) -> list[float]:
    found: list[float] = []
    for row in rows:
        held: Any = json.loads(row.body)
        if held["machine"] == machine:
            for key in path:
                held = held[key]
            if held is not None:
                found.append(held)
    return found


def test_every_level_keeps_exact_count_min_max_mean_and_rms() -> None:
    raw = rows_of(3000)
    thinned = raw
    for period_s in PERIODS_S[1:]:
        thinned = thin(thinned, period_s, none)
        for row in thinned:
            covered = raw[(row.first_seq or row_seq(row.id)) - 1 : row_seq(row.id)]
            if row.kind != "summary":
                continue
            for group in json.loads(row.body)["groups"]:
                for path, (count, low, high, mean, rms) in group["fields"].items():
                    true = np.array(values(covered, group["machine"], path.split(".")))
                    assert count == len(true) and (low, high) == (true.min(), true.max())
                    np.testing.assert_allclose(
                        [mean, rms], [true.mean(), np.sqrt((true**2).mean())], rtol=1e-12
                    )
                said = sum(group["words"]["state"].values())
                assert said == group["count"]
    assert len(thinned) == 3000 * 0.3 / 60 + 1, "one a minute, the first and last not whole"


def test_no_seq_is_left_out_and_none_counted_twice() -> None:
    thinned = thin(thin(rows_of(1000), 1, none), 10, none)
    expected = 1
    for row in thinned:
        assert (row.first_seq or row_seq(row.id)) == expected
        expected = row_seq(row.id) + 1
    assert expected == 1001


def test_kept_rows_and_rows_of_other_kinds_stay_as_they_are() -> None:
    raw = rows_of(200)
    raw[100] = raw[100]._replace(kind="config_reported")
    thinned = thin(raw, 60, lambda row: 40 <= row_seq(row.id) <= 60)
    assert set(raw[39:60]) | {raw[100]} <= set(thinned)
    assert len(thinned) < 40


def test_a_gap_or_another_boot_ends_a_summary() -> None:
    rows = rows_of(10)
    assert len(thin(rows[:4] + rows[5:], 60, none)) == 2
    both = rows + rows_of(10, boot=2)
    assert [row.id >> 32 for row in thin(both, 60, none)] == [1, 2]


def test_a_number_near_the_largest_float_is_summed_like_any_other() -> None:
    rows = [Row(HISTORY, row_id(1, n), n, "verdict", '{"x":3e200}', 0) for n in (1, 2, 3)]
    (made,) = thin(rows, 1, none)
    count, low, high, mean, rms = json.loads(made.body)["groups"][0]["fields"]["x"]
    assert (count, low, high) == (3, 3e200, 3e200)
    assert np.allclose([mean / 3e200, rms / 3e200], 1.0)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "1" + "0" * 400])
def test_rows_with_what_no_float_can_be_stay_raw(number: str) -> None:
    rows = [
        Row(HISTORY, row_id(1, n), n, "verdict", f'{{"x":{number if n == 2 else 1}}}', 0)
        for n in (1, 2, 3)
    ]
    assert thin(rows, 1, none) == rows
