"""What waits for a disk that takes nothing: alarms last to go, first to be kept."""

import asyncio
import json

from agent.core.bulletin import UNSAVED_ALARMS, Bulletin
from agent.core.mailbox import Mailbox
from agent.limits import RECORDS_QUEUED, UNSAVED_TOLD
from agent.ports import ALARM, HISTORY, LIVE, NewRow, StoreFault
from agent.stages.keep import Keeper
from agent.stages.record import Record, Recorder
from tests.doubles import FastClock
from tests.memory_store import MemoryStore


class AlarmsOnly(MemoryStore):
    """A disk with room for alarms and nothing else."""

    async def append(self, rows: list[NewRow], history: list[tuple[str, int, str]]) -> None:
        if any(row.lane != ALARM for row in rows):
            raise StoreFault("the disk is full")
        await super().append(rows, history)


def recorder_of(store: MemoryStore) -> tuple[Recorder, Mailbox, Bulletin]:
    records, bulletin = Mailbox(2 * RECORDS_QUEUED), Bulletin()
    return Recorder(store, FastClock(), bulletin, records), records, bulletin


def test_a_full_disk_takes_the_alarms_and_the_rest_waits() -> None:
    async def scene() -> None:
        store = AlarmsOnly()
        recorder, records, bulletin = recorder_of(store)
        for n in range(10):
            records.put(Record("verdict", {"n": n}, "m", n % 5 == 0))
        await recorder.finish()
        kept = [json.loads(row.body)["n"] for row in await store.oldest(ALARM, 0, 100)]
        assert kept == [0, 5] and recorder.unwritten_rows == 8
        assert "full" in bulletin.get("degraded")["store"]

    asyncio.run(scene())


def test_alarms_that_the_disk_does_not_take_are_told_until_it_does() -> None:
    async def scene() -> None:
        store = MemoryStore()
        store.full = True
        recorder, records, bulletin = recorder_of(store)
        for n in range(UNSAVED_TOLD + 5):
            records.put(Record("verdict", {"n": n}, None, False))
            records.put(Record("alarm_change", {"n": n}, None, True))
        assert bulletin.get(UNSAVED_ALARMS) is None
        await recorder.finish()
        told = bulletin.get(UNSAVED_ALARMS)
        assert [one["kind"] for one in told] == UNSAVED_TOLD * ["alarm_change"]
        assert [one["body"]["n"] for one in told] == list(range(5, UNSAVED_TOLD + 5))
        store.full = False
        await recorder.finish()
        assert bulletin.get(UNSAVED_ALARMS) == [] and not bulletin.get("degraded")

    asyncio.run(scene())


def test_alarms_that_have_their_reserve_are_not_told_as_unsaved() -> None:
    async def scene() -> None:
        recorder, records, bulletin = recorder_of(AlarmsOnly())
        records.put(Record("verdict", {}, None, False))
        records.put(Record("alarm_change", {}, None, True))
        await recorder.finish()
        assert bulletin.get("degraded")["store"] and not bulletin.get(UNSAVED_ALARMS)

    asyncio.run(scene())


def test_what_memory_cannot_hold_is_never_an_alarm() -> None:
    async def scene() -> None:
        store = MemoryStore()
        store.full = True
        recorder, records, _ = recorder_of(store)
        records.put(Record("state_change", {"n": -1}, None, True))
        for n in range(RECORDS_QUEUED + 10):
            records.put(Record("verdict", {"n": n}, None, False))
        await recorder.finish()
        assert recorder.dropped_rows == 11
        store.full = False
        await recorder.finish()
        (alarm,) = await store.oldest(ALARM, 0, 10)
        assert json.loads(alarm.body)["n"] == -1
        (oldest,) = await store.oldest(HISTORY, 0, 1)
        assert json.loads(oldest.body)["n"] == 11

    asyncio.run(scene())


def test_a_row_goes_by_the_lane_of_the_moment_it_was_produced() -> None:
    async def scene() -> None:
        store = MemoryStore()
        recorder, records, bulletin = recorder_of(store)
        for connected in (None, True, False):
            if connected is not None:
                bulletin.post("uplink", {"connected": connected})
            records.put(Record("verdict", {"connected": connected}, None, False))
            await recorder.finish()
        told = {
            lane: [json.loads(row.body)["connected"] for row in await store.oldest(lane, 0, 10)]
            for lane in (LIVE, HISTORY)
        }
        assert told == {LIVE: [True], HISTORY: [None, False]}

    asyncio.run(scene())


def test_the_card_s_life_is_told_once_there_is_enough_to_go_by() -> None:
    async def scene() -> None:
        clock, bulletin, store = FastClock(), Bulletin(), MemoryStore()
        keeper = Keeper(store, clock, bulletin)
        stats = await store.stats()
        keeper._tell(stats._replace(written_bytes=5_000_000, disk_bytes=32 * 10**9))
        assert bulletin.get("store")["written_mb_a_day"] is None
        clock.now_ns += 3600 * 10**9
        keeper._tell(
            stats._replace(written_bytes=15_000_000, disk_bytes=32 * 10**9, giving_way="full: x")
        )
        told = bulletin.get("store")
        assert told["written_mb_a_day"] == 240.0
        assert told["card_life_years"] == round(32e9 * 500 / 8 / 240e6 / 365.25, 1)
        assert bulletin.get("degraded")["disk"] == "full: x"
        keeper._tell(stats)
        assert "disk" not in bulletin.get("degraded")

    asyncio.run(scene())
