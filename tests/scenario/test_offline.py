"""A month without a network in a file that has a limit; then the network comes back.

`python -m tests.scenario.test_offline 30 64`: days, MB. The suite plays a share of it. Store,
recorder and deliver stage are the agent's; time is simulated, and so are the network (100 ms there
and back, 1 MB/s) and the store's thread, where each call takes 10 ms, one after another.
"""

import asyncio
import json
import math
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from agent.adapters.store_sqlite import SqliteStore
from agent.core.bulletin import Bulletin
from agent.core.mailbox import Mailbox
from agent.limits import ALARM_KEPT_AFTER_S, ALARM_KEPT_BEFORE_S, RECORDS_QUEUED, STATUS_INTERVAL_S
from agent.ports import ALARM, HISTORY, LANES, LIVE, NewRow, Row, row_seq
from agent.stages.deliver import Deliverer
from agent.stages.record import Record, Recorder
from firmware_tools.ledger.show import summary
from tests.scenario.wire import Receiver, WireUpstream
from tests.sim_loop import SimClock, SimWorker, simulated

DEVICE, ROOT = "s/d", "latido/s/d"
HOUR_S = 3600
ALARM_EVERY_S = 40_000
LIVE_EVERY_S = 0.25  # four machines, each a row a second
ALARM_WHILE_DRAINING = 8  # one with so many live rows
LIVE_AGE_S = 2.0


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
    """Plays the outage, then the drain; checks both; what it came to."""
    store = SqliteStore(str(folder), limit_mb, worker=SimWorker)
    await store.open()
    largest, hours = 0, int(days * 24)
    for hour in range(hours):
        await store.append(hour_of(hour), [])
        stats = await store.stats()
        largest = max(largest, stats.file_bytes)
    rows = await all_rows(store, HISTORY)
    alarms = [row for row in await all_rows(store, ALARM) if row.kind == "state_change"]
    stats = await store.stats()
    check_minutes(rows, hours * HOUR_S)
    check_alarm_windows(rows, alarms, hours * HOUR_S)
    history = stats.lanes[2]
    assert history.produced == hours * HOUR_S and history.evicted == 0
    assert largest <= limit_mb * 2**20
    told = {"rows": len(rows), "alarms": len(alarms), "largest_mb": round(largest / 2**20, 1)}
    told |= await Drained(store, hours * HOUR_S).run()
    await store.close()
    return told


class LaterClock(SimClock):
    """The same boot's, so long after its start."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._since_ns = int(seconds * 1e9) - super().monotonic_ns()

    def monotonic_ns(self) -> int:
        return self._since_ns + super().monotonic_ns()


class Drained:
    """What waits goes out while rows of four machines and an alarm now and then are made."""

    def __init__(self, store: SqliteStore, offline_s: float) -> None:
        self._store = store
        clock, bulletin = LaterClock(offline_s), Bulletin()
        self._records = Mailbox(RECORDS_QUEUED)
        self.receiver = Receiver(DEVICE, clock.monotonic_ns)
        recorder = Recorder(store, clock, bulletin, self._records)
        upstream = WireUpstream(self.receiver)
        self._deliverer = Deliverer(
            store,
            upstream,
            clock,
            bulletin,
            ROOT,
            "broker",
            lambda: {"uplink": bulletin.get("uplink")},
        )
        self._recorder = recorder
        self._waiting: dict[str, int] = {}

    async def run(self) -> dict[str, Any]:
        self._waiting = {lane.lane: lane.backlog for lane in (await self._store.stats()).lanes}
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        tasks = [asyncio.ensure_future(one.run()) for one in (self._deliverer, self._recorder)]
        made = await self._produce()
        drained_s = loop.time() - began_s
        while (await self._store.stats()).backlog_rows:
            await asyncio.sleep(1.0)
        await asyncio.sleep(2 * STATUS_INTERVAL_S)  # for the last account of the device itself
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._check(made)
        return {"drained_s": round(drained_s), **self._latencies()}

    async def _produce(self) -> dict[str, int]:
        """Until all that had waited is gone; rows made, by lane."""
        made = dict.fromkeys((ALARM, LIVE), 0)
        while await self._history_waits():
            await asyncio.sleep(LIVE_EVERY_S)
            made[LIVE] += 1
            self._records.put(Record("verdict", {"n": made[LIVE]}, None, False))
            if made[LIVE] % ALARM_WHILE_DRAINING == 0:
                made[ALARM] += 1
                self._records.put(Record("state_change", {"n": made[ALARM]}, None, True))
        return made

    async def _history_waits(self) -> bool:
        history = (await self._store.stats()).lanes[LANES.index(HISTORY)]
        return bool(history.backlog)

    async def _check(self, made: dict[str, int]) -> None:
        """Alarms came first; everything came; what was made meanwhile came at once."""
        receiver, stats = self.receiver, await self._store.stats()
        first_of_history = receiver.arrivals.index(HISTORY)
        waited = self._waiting[ALARM]
        early = receiver.arrivals[:first_of_history].count(ALARM)
        assert early >= waited, f"{waited} alarms waited, {early} came before the history"
        assert summary(receiver.account)["complete"], summary(receiver.account)
        for lane in stats.lanes:
            streams = [s for key, s in receiver.account.streams.items() if key.lane == lane.lane]
            assert sum(s.known().count for s in streams) == lane.produced, lane
        assert len(receiver.ages_s[LIVE]) >= made[LIVE] - 4, "rows before it was connected"
        latencies = self._latencies()
        assert latencies["live_p99_s"] <= LIVE_AGE_S, latencies
        assert latencies["alarm_p99_s"] <= LIVE_AGE_S, latencies

    def _latencies(self) -> dict[str, float]:
        """From a row's making to its arrival, of what was made while the rest drained."""
        ages = self.receiver.ages_s
        new = {LIVE: ages[LIVE], ALARM: ages[ALARM][self._waiting[ALARM] :]}
        p99 = {f"{lane}_p99_s": round(percentile(some, 0.99), 3) for lane, some in new.items()}
        return {"live_rows": len(new[LIVE]), **p99}


def percentile(values: list[float], share: float) -> float:
    """The value that so large a share does not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


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


def test_days_offline_keep_what_matters_and_drain_behind_alarms_and_live_rows(
    tmp_path: Path,
) -> None:
    told = simulated(offline(tmp_path, 1, 1.5))
    assert told["rows"] < 86400 / 3 and told["alarms"] == 2, "it was thinned indeed"


if __name__ == "__main__":
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        print(simulated(offline(Path(place), float(sys.argv[1]), float(sys.argv[2]))))
    print(f"{time.monotonic() - began:.0f} s")
