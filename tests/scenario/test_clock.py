"""Clocks that lie: no row is lost or changes places, and a receiver can date each within 50 ms."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from agent.adapters.store_sqlite import SqliteStore
from agent.core.bulletin import Bulletin
from agent.core.dating import Correction, utc_of
from agent.core.mailbox import Mailbox
from agent.ports import ALARM, HISTORY, Row, row_seq
from agent.stages.date import Dater
from agent.stages.record import Record, Recorder

TRUE_START_NS = 1_790_000_000_000_000_000
YEAR_S, DAY_S = 365 * 86_400, 86_400
SECONDS, SYNC_AT = 400, 160


class LyingClock:
    """True time by `second`; the wall clock is off by `wrong_by_s` until the network sets it."""

    def __init__(self, wrong_by_s: float, ppm: float) -> None:
        self.second = 0.0
        self._wrong_ns = int(wrong_by_s * 1e9)
        self._ppm = ppm

    def monotonic_ns(self) -> int:
        return int(self.second * 1e9 * (1 + self._ppm / 1e6))

    def true_ns(self) -> int:
        return TRUE_START_NS + int(self.second * 1e9)

    def utc_ns(self) -> int:
        return self.true_ns() + (0 if self.synced() else self._wrong_ns)

    def synced(self) -> bool:
        return self.second >= SYNC_AT

    def synced_by(self) -> str:
        return "test" if self.synced() else ""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


async def recorded(folder: Path, clock: LyingClock) -> tuple[list[Row], list[Row], list[Any]]:
    """(history rows, alarm rows, the page's past) of a row a second by that clock."""
    store, records = SqliteStore(str(folder)), Mailbox(10_000)
    await store.open()
    bulletin = Bulletin()
    dater = Dater(store, clock, bulletin, records)
    recorder = Recorder(store, clock, bulletin, records)
    for second in range(SECONDS):
        clock.second = float(second)
        body = {"true_ns": clock.true_ns(), "utc_ns": clock.utc_ns()}
        records.put(Record("verdict", body, "m", False))
        if second % 5 == 0:
            dater.look()
        await recorder.finish()
    rows = await store.oldest(HISTORY, 0, 10_000)
    alarms = await store.oldest(ALARM, 0, 10_000)
    past = [json.loads(text) for text in await store.recent("m", 10_000)]
    await store.close()
    return rows, alarms, past


def test_the_status_says_by_whose_word_the_clock_is_set(tmp_path: Path) -> None:
    clock, bulletin = LyingClock(-56 * YEAR_S, 0.0), Bulletin()
    dater = Dater(SqliteStore(str(tmp_path)), clock, bulletin, Mailbox(10))
    dater.look()
    assert bulletin.get("clock") == {"synced": False, "source": "", "dated": False}
    clock.second = SYNC_AT
    dater.look()
    assert bulletin.get("clock") == {"synced": True, "source": "test", "dated": True}


@pytest.mark.parametrize("ppm", [0.0, 500.0])
@pytest.mark.parametrize("wrong_by_s", [-56 * YEAR_S, 3 * YEAR_S, -14 * DAY_S])
def test_rows_before_the_sync_are_dated_here_and_upstream(
    tmp_path: Path, wrong_by_s: float, ppm: float
) -> None:
    rows, alarms, past = asyncio.run(recorded(tmp_path, LyingClock(wrong_by_s, ppm)))
    assert [row_seq(row.id) for row in rows] == list(range(1, SECONDS + 1))
    truth = [json.loads(row.body)["true_ns"] for row in rows]
    assert truth == sorted(truth), "rows stand in the order in which they were produced"
    told = json.loads([row for row in alarms if row.kind == "clock"][-1].body)
    correction = Correction(
        told["through_mono_ns"], told["mono_ns"], told["utc_ns"], told["rate_ppm"], ""
    )
    early = [row for row in rows if row.mono_ns <= correction.through_mono_ns]
    assert len(early) >= SYNC_AT
    for row, true_ns in zip(early, truth, strict=False):
        assert abs(utc_of(correction, row.mono_ns) - true_ns) <= 50_000_000
    assert len(past) == SECONDS
    assert all(abs(one["utc_ns"] - one["true_ns"]) <= 50_000_000 for one in past)
