"""A broker's packet limit: bundles are made for it, and a row beyond it waits and is not lost."""

import asyncio
import json

import pytest

from agent.core.flights import Flights
from agent.core.wire import Bundle, fits, fitting
from agent.limits import TOO_LARGE_LOOK_S
from agent.page.words import phrase
from agent.ports import ALARM, HISTORY, LANES, LIVE, LinkDown, NewRow, Refused, Row, row_id
from tests.delivery_rig import Broker, Rig
from tests.sim_loop import simulated

LARGE = '"' + "x" * 2000 + '"'


def row(number: int, body: str = '{"a":1}') -> Row:
    return Row(LIVE, row_id(1, number), 10**15, "verdict", body, 0)


def narrow(limit: int = 1200) -> Rig:
    made = Rig(Broker())
    made.broker.packet_bytes_max = limit
    return made


async def large(rig: Rig, lane: str) -> None:
    await rig.store.append([NewRow(lane, 0, "verdict", LARGE)], [])


def refused(rig: Rig) -> int:
    return sum(lane["refused"] for lane in rig.bulletin.get("uplink")["lanes"].values())


@pytest.mark.parametrize("letter", ["x", "é", "机"])
def test_no_bundle_is_larger_than_there_is_room_for(letter: str) -> None:
    rows = [row(n, '"' + letter * 200 + '"') for n in range(1, 101)]
    made = fitting(rows, 50, 16384, 1000)
    assert [one.id for bundle in made for one in bundle.rows] == [one.id for one in rows]
    assert all(len(bundle.payload(row_id(1, 2**32 - 1))) <= 1000 for bundle in made)


def test_a_row_fits_to_the_byte() -> None:
    bundle = Bundle([row(1)])
    size = bundle.bytes_most()
    assert fits(bundle, size) and not fits(bundle, size - 1) and fits(bundle, None)


@pytest.mark.parametrize("limit", [400, 1200, 5000])
def test_rows_go_in_packets_that_the_broker_takes(limit: int) -> None:
    async def scene() -> None:
        rig = narrow(limit)
        await rig.produce(live=300, alarm=50, history=300)
        await rig.deliver()
        assert await rig.left() == 0 and rig.broker.connections == 1 and refused(rig) == 0
        assert sorted(rig.broker.seqs(LIVE)) == list(range(1, 301))
        assert rig.bulletin.get("degraded") == {}

    simulated(scene())


@pytest.mark.parametrize("lane", [LIVE, HISTORY])
def test_a_row_beyond_the_limit_waits_in_its_lane_and_in_no_other(lane: str) -> None:
    async def scene() -> None:
        rig = narrow()
        await rig.produce(**{lane: 5})
        await large(rig, lane)
        await rig.produce(**{lane: 5})
        others = [other for other in LANES if other != lane]
        await rig.produce(**dict.fromkeys(others, 200))
        await rig.deliver(within_s=3 * TOO_LARGE_LOOK_S)
        assert all(len(set(rig.broker.seqs(other))) == 200 for other in others)
        assert set(rig.broker.seqs(lane)) == set(range(1, 6)) and await rig.left() == 6
        assert refused(rig) == 0 and rig.broker.connections == 1
        words = rig.bulletin.get("degraded")[f"too_large.{lane}"]
        assert "verdict" in words and lane in words and "1200" in words
        assert "espera" in phrase(words, "es") and "waits" not in phrase(words, "es")
        rig.broker.packet_bytes_max = None
        await rig.deliver()
        assert set(rig.broker.seqs(lane)) == set(range(1, 12)) and await rig.left() == 0
        assert rig.bulletin.get("degraded") == {}

    simulated(scene())


@pytest.mark.parametrize("kind", ["alarm", "tombstone"])
def test_alarms_go_past_one_beyond_the_limit_and_none_is_lost(kind: str) -> None:
    async def scene() -> None:
        rig = narrow()
        await rig.store.append([NewRow(ALARM, 0, kind, LARGE)], [])
        running = asyncio.ensure_future(rig.deliverer.run())
        for number in range(30):
            await rig.produce(alarm=1)
            await asyncio.sleep(1.0)
            assert number + 2 in rig.broker.seqs(ALARM), "an alarm waits"
        assert len(rig.broker.seqs(ALARM)) == 30 and await rig.left() == 31
        assert kind in rig.bulletin.get("degraded")["too_large.alarm"]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        rig.broker.packet_bytes_max = 5000
        await rig.deliver()
        assert set(rig.broker.seqs(ALARM)) == set(range(1, 32)) and await rig.left() == 0
        assert refused(rig) == 0

    simulated(scene())


def test_a_receipt_frees_nothing_behind_an_alarm_that_was_passed_over() -> None:
    flights = Flights(10, by_receipt=True)
    flights.launch(Bundle([row(1)]), 0)
    flights.pass_over(row_id(1, 2))
    behind = flights.launch(Bundle([row(3)]), 0)
    behind.landed_ns = 5
    assert flights.free() == 0, "the first waits for its receipt"
    flights.receipt(1, 1)
    assert flights.free() == row_id(1, 1) == flights.freed_id
    assert flights.oldest is None, "what was passed on holds no place in the window"


def test_what_made_room_is_waited_for_no_more() -> None:
    async def scene() -> None:
        rig = narrow()
        await large(rig, HISTORY)
        await rig.produce(history=5)
        running = asyncio.ensure_future(rig.deliverer.run())
        await asyncio.sleep(5.0)
        assert rig.broker.seqs(HISTORY) == []
        del rig.store.disk.rows[HISTORY][0]
        await asyncio.sleep(2 * TOO_LARGE_LOOK_S)
        assert rig.broker.seqs(HISTORY) == [2, 3, 4, 5, 6]
        assert rig.bulletin.get("degraded") == {}
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    simulated(scene())


def test_rows_in_memory_alone_go_one_small_bundle_at_a_time() -> None:
    """A cut would lose a row before one that came."""

    async def scene() -> None:
        rig = narrow(500)
        await rig.store.hold([], [])
        await rig.store.append([], [])
        held = [NewRow(LIVE, 0, "corrupt", '{"a":"' + "x" * 100 + '"}') for _ in range(20)]
        assert await rig.store.hold(held, [])
        await rig.deliver()
        assert set(rig.broker.seqs(LIVE)) == set(range(1, 21)) and rig.broker.published > 5
        assert rig.broker.most_in_flight == 1

    simulated(scene())


def test_a_broker_that_refuses_all_costs_no_row_that_comes_alone() -> None:
    """Row by row, as they come when all is well: each was a bundle of one, and set aside."""

    async def scene() -> None:
        rig = Rig(Broker())
        rig.broker.fault = lambda seqs: Refused("no")
        running = asyncio.ensure_future(rig.deliverer.run())
        for _ in range(600):
            await rig.produce(live=1)
            await asyncio.sleep(1.0)
        assert rig.broker.received == []
        rig.broker.fault = lambda seqs: None
        await asyncio.sleep(600.0)
        assert set(rig.broker.seqs(LIVE)) == set(range(1, 601)) and refused(rig) == 0
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    simulated(scene())


def test_a_row_that_is_refused_alone_is_set_aside_once_others_go() -> None:
    async def scene() -> None:
        rig = Rig(Broker())
        rig.broker.refuses = lambda lane, seqs: Refused("no") if lane == HISTORY else None
        await rig.produce(history=1)
        running = asyncio.ensure_future(rig.deliverer.run())
        await asyncio.sleep(60.0)
        assert refused(rig) == 0, "nothing shows that the broker takes anything"
        await rig.produce(live=1)
        await asyncio.sleep(300.0)
        assert refused(rig) == 1 and rig.broker.connections == 1
        assert [json.loads(one.body)["lane"] for one in await rig.store.oldest(ALARM, 0, 9)] == []
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    simulated(scene())


def test_an_alarm_goes_as_soon_as_the_broker_takes_anything_again() -> None:
    """Alone in its lane it had waited for up to five minutes."""

    async def scene() -> None:
        rig = Rig(Broker())
        rig.broker.fault = lambda seqs: Refused("no")
        await rig.produce(alarm=1, history=1)
        running = asyncio.ensure_future(rig.deliverer.run())
        await asyncio.sleep(1800.0)
        rig.broker.fault = lambda seqs: None
        await rig.produce(live=1)
        await asyncio.sleep(2.0)
        assert rig.broker.seqs(ALARM) == [1] == rig.broker.seqs(HISTORY) and refused(rig) == 0
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    simulated(scene())


def test_a_refusal_that_ends_the_connection_is_none_of_the_row() -> None:
    async def scene() -> None:
        rig = Rig(Broker({1: lambda seqs: Refused("no"), 2: lambda seqs: LinkDown("lost")}))
        await rig.produce(alarm=1)
        await rig.deliver()
        assert rig.broker.seqs(ALARM) == [1] and refused(rig) == 0

    simulated(scene())
