"""A month without a network in a file that has a limit, in simulated time.

`python -m tests.scenario.test_offline 30 64`: days, MB. The suite plays a share of it.
"""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from agent.adapters.store_sqlite import SqliteStore
from agent.limits import ALARM_KEPT_AFTER_S, ALARM_KEPT_BEFORE_S
from agent.ports import ALARM, HISTORY, NewRow, Row, row_seq

HOUR_S = 3600
ALARM_EVERY_S = 40_000


def hour_of(hour: int) -> list[NewRow]:
    """A row a second, an alarm now and then."""
    made = []
    for second in range(hour * HOUR_S, (hour + 1) * HOUR_S):
        mono_ns = second * 1_000_000_000
        made.append(NewRow(HISTORY, mono_ns, "verdict", verdict(second)))
        if second % ALARM_EVERY_S == ALARM_EVERY_S // 2:
            made.append(NewRow(ALARM, mono_ns, "state_change", verdict(second)))
    return made


def verdict(second: int) -> str:
    wobble = (second * 2654435761 % 1000) / 1000  # no two rows alike, and the same every time
    body = {
        "machine": "Bomba 1",
        "state": "normal",
        "reason": ["like_baseline", {}],
        "velocity_rms_mm_s": round(1.2 + wobble, 3),
        "zone": "A",
        "edition": "ISO 20816-3:2022",
        "temperature_degc": round(40 + 10 * wobble, 2),
        "operating_state": "running",
        "rate_hz": round(3200 + wobble, 2),
        "anomaly": {"score": round(wobble, 3), "threshold": 1.0, "verdict": "normal", "model": "m"},
        "utc_ns": second * 1_000_000_000,
        "clock_synced": True,
    }
    return json.dumps(body, separators=(",", ":"))


async def all_rows(store: SqliteStore, lane: str) -> list[Row]:
    found: list[Row] = []
    while True:
        some = await store.oldest(lane, found[-1].id if found else 0, 2000)
        if not some:
            return found
        found += some


async def offline(folder: Path, days: float, limit_mb: float) -> dict[str, Any]:
    """Plays the outage; checks what is left; what it came to."""
    store = SqliteStore(str(folder), limit_mb)
    await store.open()
    largest, hours = 0, int(days * 24)
    for hour in range(hours):
        await store.append(hour_of(hour), [])
        stats = await store.stats()
        largest = max(largest, stats.file_bytes)
    rows = await all_rows(store, HISTORY)
    alarms = [row for row in await all_rows(store, ALARM) if row.kind == "state_change"]
    stats = await store.stats()
    await store.close()
    check_minutes(rows, hours * HOUR_S)
    check_alarm_windows(rows, alarms, hours * HOUR_S)
    history = stats.lanes[2]
    assert history.produced == hours * HOUR_S and history.evicted == 0
    assert largest <= limit_mb * 2**20
    return {"rows": len(rows), "alarms": len(alarms), "largest_mb": round(largest / 2**20, 1)}


def check_minutes(rows: list[Row], seconds: int) -> None:
    """Each produced row is in exactly one row that is left, and none spans more than a minute."""
    expected = 1
    for row in rows:
        first = row.first_seq or row_seq(row.id)
        assert first == expected, f"rows {expected} to {first} are nowhere"
        expected = row_seq(row.id) + 1
        assert expected - first <= 60, f"{row.id}: one row for {expected - first} s"
    assert expected == seconds + 1


def check_alarm_windows(rows: list[Row], alarms: list[Row], seconds: int) -> None:
    raw = {row.mono_ns // 1_000_000_000 for row in rows if row.kind == "verdict"}
    assert len(alarms) == len([s for s in range(seconds) if s % 40_000 == 20_000])
    for alarm in alarms:
        second = alarm.mono_ns // 1_000_000_000
        around = range(
            int(second - ALARM_KEPT_BEFORE_S),
            min(int(second + ALARM_KEPT_AFTER_S), seconds),
        )
        assert raw >= set(around), f"the window of the alarm at {second} s has been thinned"


def test_days_offline_keep_every_minute_and_every_alarm_window(tmp_path: Path) -> None:
    told = asyncio.run(offline(tmp_path, 1, 1.5))
    assert told["rows"] < 86400 / 3 and told["alarms"] == 2, "it was thinned indeed"


if __name__ == "__main__":
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        print(asyncio.run(offline(Path(place), float(sys.argv[1]), float(sys.argv[2]))))
    print(f"{time.monotonic() - began:.0f} s")
