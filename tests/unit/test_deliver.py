"""Delivery over a link that behaves badly: freed is only what was promised, by urgency."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest

from agent.core.flights import Flights
from agent.core.wire import Bundle, bundles, read_receipt
from agent.limits import (
    BUNDLE_ROWS,
    BUNDLES_IN_FLIGHT,
    HISTORY_ROWS_PER_S,
    RECONNECT_S_MAX,
    RESEND_S_MAX,
    RESEND_S_MIN,
)
from agent.page.render import main_part
from agent.ports import ALARM, HISTORY, LANES, LIVE, LinkDown, Row, row_id
from agent.stages.deliver import Deliverer
from tests.delivery_rig import ROOT, TRIP_S, Broker, Rig
from tests.sim_loop import SimClock, simulated


@pytest.mark.parametrize(
    ("promise", "tells", "unseen"),
    [("broker", False, True), ("broker", True, False), ("receiver", False, False)],
)
def test_that_a_refused_row_cannot_be_seen_is_in_the_account(
    promise: str, tells: bool, unseen: bool
) -> None:
    async def scene() -> None:
        rig = Rig(Broker(), promise)
        rig.broker.tells_refusals = tells
        running = asyncio.ensure_future(rig.deliverer.run())
        await asyncio.sleep(1.0)
        assert rig.bulletin.get("uplink")["connected"]
        assert rig.bulletin.get("uplink")["refusals_unseen"] is unseen
        words = main_part({"uplink": rig.bulletin.get("uplink")}, "es", 0)
        assert ("MQTT 3.1.1" in words) is unseen
        running.cancel()

    simulated(scene())


def test_every_row_arrives_over_a_steady_link_in_a_bounded_window() -> None:
    async def scene() -> None:
        rig = Rig(Broker())
        await rig.produce(live=3000)
        await rig.deliver()
        assert await rig.left() == 0 and rig.broker.connections == 1
        assert sorted(rig.broker.seqs(LIVE)) == list(range(1, 3001))
        assert rig.broker.most_in_flight == BUNDLES_IN_FLIGHT
        assert rig.bulletin.get("uplink")["lanes"]["live"]["delivered"] == 3000

    simulated(scene())


@pytest.mark.parametrize("fail_at", [1, 2, 7, 23])
def test_a_cut_link_loses_nothing_and_repeats_only_the_unacknowledged(fail_at: int) -> None:
    async def scene() -> None:
        rig = Rig(Broker({fail_at: lambda seqs: LinkDown("lost")}))
        await rig.produce(live=2000)
        await rig.deliver()
        seqs = rig.broker.seqs(LIVE)
        assert await rig.left() == 0 and rig.broker.connections == 2
        assert set(seqs) == set(range(1, 2001))
        assert len(seqs) - 2000 <= BUNDLES_IN_FLIGHT * BUNDLE_ROWS
        assert rig.bulletin.get("uplink")["backlog_rows"] == 0

    simulated(scene())


def test_alarms_go_first_then_live_rows_then_history_at_its_rate() -> None:
    async def scene() -> None:
        rig = Rig(Broker())
        rows = 5 * int(HISTORY_ROWS_PER_S)
        await rig.produce(history=rows, live=700, alarm=700)
        began_s = asyncio.get_running_loop().time()
        await rig.deliver()
        arrived = {lane: [t for of, _, t in rig.broker.received if of == lane] for lane in LANES}
        assert max(arrived[ALARM]) <= min(arrived[HISTORY])
        assert max(arrived[LIVE]) <= min(arrived[HISTORY])
        took_s = max(arrived[HISTORY]) - began_s
        assert 4.5 < took_s < 6.5, took_s
        assert rig.broker.seqs(HISTORY) != [] and await rig.left() == 0

    simulated(scene())


def test_a_live_row_does_not_wait_for_the_history_behind_it() -> None:
    async def scene() -> None:
        rig = Rig(Broker())
        await rig.produce(history=20_000)
        running = asyncio.ensure_future(rig.deliver())
        loop = asyncio.get_running_loop()
        made: list[float] = []
        while len(made) < 5:
            await asyncio.sleep(0.7)
            made.append(loop.time())
            await rig.produce(live=1)
        await running
        came = [t for lane, _, t in rig.broker.received if lane == LIVE]
        assert max(came[n] - made[n] for n in range(5)) < 2 * TRIP_S
        assert len(rig.broker.seqs(HISTORY)) == 20_000

    simulated(scene())


def test_a_flapping_link_sets_no_row_aside() -> None:
    async def scene() -> None:
        broker = Broker()
        broker.fault = lambda seqs: LinkDown("no_puback") if broker.connections < 30 else None
        rig = Rig(broker)
        await rig.produce(live=120)
        await rig.deliver()
        assert set(broker.seqs(LIVE)) == set(range(1, 121))
        assert broker.seqs(ALARM) == []

    simulated(scene())


def test_a_week_without_network_is_a_normal_start() -> None:
    async def scene() -> None:
        broker = Broker()
        tries: list[float] = []
        loop = asyncio.get_running_loop()
        week_s = 7 * 86_400.0

        @contextlib.asynccontextmanager
        async def away() -> AsyncIterator[Broker]:
            tries.append(loop.time())
            if loop.time() < week_s:
                raise LinkDown("name", "broker", "no such host")
            yield broker

        rig = Rig(broker)
        rig.deliverer = Deliverer(
            rig.store, Away(away), SimClock(), rig.bulletin, ROOT, "broker", dict
        )
        await rig.produce(history=500)
        running = asyncio.ensure_future(rig.deliver(within_s=2 * week_s))
        await asyncio.sleep(3600.0)
        assert rig.bulletin.get("uplink")["reason"][0] == "name"
        await running
        assert set(broker.seqs(HISTORY)) == set(range(1, 501))
        waits = [later - earlier for earlier, later in pairwise(tries)]
        assert max(waits) <= RECONNECT_S_MAX and min(waits[10:]) >= RECONNECT_S_MAX / 2
        assert len(set(waits[10:])) > 100, "the waits are jittered"

    simulated(scene())


class Away:
    """An upstream whose connections are made by `make`."""

    def __init__(self, make: Any) -> None:
        self._make = make

    def connect(self) -> Any:
        return self._make()


def receipt(broker: Broker, boot: int, lane: str, through: int) -> None:
    held = {"schema": 1, "boot": boot, "lane": lane, "through": through}
    broker.inbox.put_nowait((f"{ROOT}/ack", json.dumps(held).encode()))


def test_in_receiver_mode_a_puback_frees_nothing_and_a_receipt_does() -> None:
    async def scene() -> None:
        rig = Rig(Broker(), "receiver")
        await rig.produce(live=100)
        await rig.deliver(within_s=5.0)
        assert set(rig.broker.seqs(LIVE)) == set(range(1, 101)) and await rig.left() == 100
        rig.broker.on_bundle = lambda held: receipt(
            rig.broker, held["boot"], held["lane"], held["rows"][-1]["seq"]
        )
        await rig.deliver()
        assert await rig.left() == 0
        assert rig.bulletin.get("uplink")["promise"] == "receiver"

    simulated(scene())


def test_bundles_whose_receipt_overtook_their_puback_count_among_those_in_flight() -> None:
    """A lane's window alone was looked at when there was room for one more: up to nine too many."""

    async def scene() -> None:
        broker = Broker()
        broker.puback_s = 60.0
        broker.on_bundle = lambda held: receipt(
            broker, held["boot"], held["lane"], held["rows"][-1]["seq"]
        )
        rig = Rig(broker, "receiver")
        await rig.produce(alarm=3000, live=3000)
        await rig.deliver()
        assert set(broker.seqs(LIVE)) == set(range(1, 3001)) == set(broker.seqs(ALARM))
        assert broker.most_in_flight == len(LANES) * BUNDLES_IN_FLIGHT

    simulated(scene())


def test_a_silent_receiver_is_asked_again_ever_less_often_with_one_bundle() -> None:
    async def scene() -> None:
        rig = Rig(Broker(), "receiver")
        await rig.produce(live=2000)
        await rig.deliver(within_s=6 * 3600.0)
        sent = len(rig.broker.seqs(LIVE)) - BUNDLES_IN_FLIGHT * BUNDLE_ROWS
        rounds = sent / BUNDLE_ROWS
        assert 6 * 3600 / RESEND_S_MAX < rounds < 6 * 3600 / RESEND_S_MAX + 10
        assert rig.bulletin.get("uplink")["receiver_silent"] and await rig.left() == 2000

    simulated(scene())


def test_what_the_receiver_missed_is_sent_again_after_a_bounded_wait() -> None:
    async def scene() -> None:
        broker = Broker()
        kept: set[int] = set()
        missed: list[int] = []

        def take(held: dict[str, Any]) -> None:
            if held["seq_from"] == 101 and not missed:
                missed.append(101)
                return  # the broker died with it, after its PUBACK
            kept.update(row["seq"] for row in held["rows"])
            through = next((n for n in range(1, 10_000) if n not in kept), 1) - 1
            if through:
                receipt(broker, held["boot"], held["lane"], through)

        broker.on_bundle = take
        rig = Rig(broker, "receiver")
        await rig.produce(live=400)
        began_s = asyncio.get_running_loop().time()
        await rig.deliver()
        assert missed and kept == set(range(1, 401)) and await rig.left() == 0
        assert asyncio.get_running_loop().time() - began_s < RESEND_S_MIN + 10
        assert not rig.bulletin.get("uplink")["receiver_silent"]

    simulated(scene())


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 1000,
        b'{"schema":1,"boot":1,"lane":"live","through":0}',
        b'{"schema":1,"boot":true,"lane":"live","through":1}',
        b'{"schema":1,"boot":1,"lane":3,"through":1}',
        b'{"schema":1,"boot":1,"lane":"live","through":4294967296}',
        b'{"schema":2,"boot":1,"lane":"live","through":1}',
        b'{"schema":1,"boot":1,"lane":"live","through":1}' + b" " * 2000,
    ],
)
def test_what_is_no_receipt_frees_nothing(payload: bytes) -> None:
    assert read_receipt(payload) is None


def of(boot: int, first: int, last: int) -> Bundle:
    return Bundle([Row(LIVE, row_id(boot, n), 0, "v", "{}", 0) for n in range(first, last + 1)])


def test_a_receipt_frees_only_what_was_sent_and_only_behind_what_is_free() -> None:
    flights = Flights(10, by_receipt=True)
    flights.launch(of(1, 1, 5), 0)
    flights.launch(of(2, 1, 5), 0)
    flights.receipt(2, 4_000_000_000)
    assert flights.free() == 0, "boot 1 is still on its way"
    flights.receipt(1, 4)
    assert flights.free() == 0, "not the whole bundle"
    flights.receipt(1, 3)
    flights.receipt(1, 5)
    assert flights.free() == row_id(2, 5)
    flights.receipt(2, 4_000_000_000)
    assert flights.free() == 0


def test_what_the_receiver_has_of_a_bundle_is_not_sent_again() -> None:
    flights = Flights(10, by_receipt=True)
    flights.launch(of(1, 1, 5), 0)
    flights.receipt(1, 4)
    flights.receipt(1, 3)
    flights.receipt(2, 5)
    assert flights.rewind() == row_id(1, 4) == flights.after_id == flights.freed_id
    flights.launch(of(1, 5, 9), 0)
    assert flights.rewind() == 0 and flights.after_id == row_id(1, 4)


def test_a_bundle_holds_rows_of_one_boot_and_says_what_was_freed() -> None:
    ids = [row_id(1, 1), row_id(1, 2), row_id(1, 5), row_id(2, 1), row_id(2, 2)]
    rows = [Row(LIVE, identity, 7, "corrupt", '{"x":"é"}', 0) for identity in ids]
    rows[2] = rows[2]._replace(first_seq=3)
    made = bundles(rows, 50, 16384)
    assert [bundle.last_id for bundle in made] == [row_id(1, 5), row_id(2, 2)]
    first, second = (json.loads(bundle.payload(row_id(2, 0))) for bundle in made)
    assert (first["schema"], first["boot"], first["lane"], first["seq_from"]) == (2, 1, "live", 1)
    assert first["rows"][1] == {"seq": 2, "mono_ns": 7, "kind": "corrupt", "body": {"x": "é"}}
    assert first["rows"][2]["first_seq"] == 3 and first["freed_to"] == 0
    assert json.loads(made[0].payload(row_id(1, 9)))["freed_to"] == 9
    assert second["freed_to"] == 0


@pytest.mark.parametrize("size", [10, 500, 3000])
def test_a_bundle_is_bounded_in_rows_and_bytes(size: int) -> None:
    body = '"' + "x" * size + '"'
    rows = [Row(LIVE, row_id(1, n), 10**15, "verdict", body, 0) for n in range(1, 101)]
    made = [bundle.payload(0) for bundle in bundles(rows, 50, 4096)]
    assert all(len(payload) <= 4096 for payload in made)
    assert sum(len(json.loads(payload)["rows"]) for payload in made) == 100
    huge = [Row(LIVE, row_id(1, 1), 0, "v", '"' + "x" * 9000 + '"', 0)]
    assert len(bundles(huge, 50, 4096)) == 1
