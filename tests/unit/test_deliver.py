"""Delivery over a link that behaves badly: freed is only what was promised, by urgency."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from typing import Any

import jsonschema
import pytest

from agent.core.bulletin import Bulletin
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
from agent.ports import ALARM, HISTORY, LANES, LIVE, LinkDown, NewRow, Refused, Row, row_id
from agent.stages.deliver import Deliverer
from tests.memory_store import MemoryStore
from tests.mosquitto import SCHEMAS
from tests.sim_loop import SimClock, simulated

ROOT = "latido/a/b"
TRIP_S = 0.1
WAITS_MAX = 2000


class Broker:
    """Confirms in any order. `faults`: what the nth publish of rows meets, instead of a PUBACK."""

    tells_refusals = True

    def __init__(self, faults: dict[int, Callable[[list[int]], Exception | None]] | None = None):
        self.received: list[tuple[str, int, float]] = []
        self.connections = 0
        self.published = 0
        self.most_in_flight = 0
        self.inbox: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self.on_bundle: Callable[[dict[str, Any]], None] = lambda bundle: None
        self.fault: Callable[[list[int]], Exception | None] = lambda seqs: None
        self.refuses: Callable[[str, list[int]], Exception | None] = lambda lane, seqs: None
        self._faults = faults or {}
        self._in_flight = 0
        self._error = LinkDown("lost")
        self._down = asyncio.Event()

    @contextlib.asynccontextmanager
    async def connect(self) -> "AsyncIterator[Broker]":
        self.connections += 1
        self._down = asyncio.Event()
        yield self

    async def subscribe(self, topics: list[str]) -> None:
        assert topics == [f"{ROOT}/ack"]

    async def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        held = json.loads(payload)
        if retain:
            return
        self.published += 1
        if self.published < 10:
            jsonschema.validate(held, SCHEMAS["data"])
        seqs = [row["seq"] for row in held["rows"]]
        fault = self._faults.get(self.published, self.fault)(seqs)
        fault = fault or self.refuses(held["lane"], seqs)
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        await asyncio.sleep(TRIP_S + 0.01 * (self.published % 3))  # later ones overtake earlier
        self._in_flight -= 1
        if isinstance(fault, LinkDown):
            self._error = fault  # every wait of a connection ends with the same error
            self._down.set()
        if fault is not None:
            raise fault
        if self._down.is_set():
            raise self._error
        now_s = asyncio.get_running_loop().time()
        self.received += [(held["lane"], seq, now_s) for seq in seqs]
        self.on_bundle(held)

    async def messages(self) -> tuple[str, bytes]:
        down = asyncio.ensure_future(self._down.wait())
        come = asyncio.ensure_future(self.inbox.get())
        await asyncio.wait({down, come}, return_when=asyncio.FIRST_COMPLETED)
        down.cancel()
        if come.done():
            return come.result()
        come.cancel()
        raise self._error

    def seqs(self, lane: str) -> list[int]:
        return [seq for of, seq, _ in self.received if of == lane]


class Rig:
    """A store with rows, a deliverer, a broker."""

    def __init__(self, broker: Broker, promise: str = "broker") -> None:
        self.store, self.broker, self.bulletin = MemoryStore(), broker, Bulletin()
        self.deliverer = Deliverer(
            self.store, broker, SimClock(), self.bulletin, ROOT, promise, dict
        )

    async def produce(self, **counts: int) -> None:
        lanes = {"alarm": ALARM, "live": LIVE, "history": HISTORY}
        for name, count in counts.items():
            rows = [NewRow(lanes[name], n, "corrupt", '{"a":1}') for n in range(count)]
            await self.store.append(rows, [])

    async def deliver(self, within_s: float = 3600.0) -> None:
        """Until nothing is left, or the time is over."""
        running = asyncio.ensure_future(self.deliverer.run())
        loop = asyncio.get_running_loop()
        end_s = loop.time() + within_s
        while loop.time() < end_s and not running.done():
            await asyncio.sleep(max(0.05, within_s / 4000))
            if (await self.store.stats()).backlog_rows == 0:
                break
        await asyncio.sleep(1.0)  # the counts on the page follow
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    async def left(self) -> int:
        return int((await self.store.stats()).backlog_rows)


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


def test_a_refused_row_is_set_aside_and_its_lane_goes_on() -> None:
    def refuse(seqs: list[int]) -> Exception | None:
        return Refused("too large") if 77 in seqs else None

    async def scene() -> None:
        broker = Broker()
        broker.fault = refuse
        rig = Rig(broker)
        await rig.produce(live=200)
        await rig.deliver()
        account = rig.bulletin.get("uplink")["lanes"]["live"]
        assert account["refused"] == 1 and account["delivered"] == 199
        assert set(broker.seqs(LIVE)) == set(range(1, 201)) - {77}
        assert broker.seqs(ALARM) == [1], "its tombstone"
        assert broker.connections == 1

    simulated(scene())


def test_the_receiver_learns_of_a_row_whose_tombstone_was_refused() -> None:
    """Two of them, one after the other: the account is whole in the third."""
    told: list[dict[str, Any]] = []

    def refuse(lane: str, seqs: list[int]) -> Exception | None:
        return Refused("no") if (77 in seqs if lane == LIVE else min(seqs) < 3) else None

    async def scene() -> None:
        broker = Broker()
        broker.refuses = refuse
        broker.on_bundle = lambda bundle: told.extend(
            row["body"] for row in bundle["rows"] if row["kind"] == "tombstone"
        )
        rig = Rig(broker)
        await rig.produce(live=200)
        await rig.deliver()
        assert broker.seqs(ALARM) == [3] and broker.connections == 1
        (body,) = told
        gone = {(b["lane"], b["seq_from"], b["seq_to"]) for b in (body, *body["also"])}
        assert gone == {(LIVE, 77, 77), (ALARM, 1, 2)}
        assert set(broker.seqs(LIVE)) == set(range(1, 201)) - {77}

    simulated(scene())


def test_a_broker_that_refuses_every_tombstone_holds_up_nothing_and_is_asked_ever_less() -> None:
    refused: list[float] = []

    def refuse(lane: str, seqs: list[int]) -> Exception | None:
        if lane == LIVE:
            return Refused("no") if 77 in seqs else None
        refused.append(asyncio.get_running_loop().time())
        return Refused("no")

    async def scene() -> None:
        broker = Broker()
        broker.refuses = refuse
        rig = Rig(broker)
        await rig.produce(live=200)
        running = asyncio.ensure_future(rig.deliverer.run())
        await asyncio.sleep(3600.0)
        await rig.produce(live=50)
        await asyncio.sleep(10.0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert set(broker.seqs(LIVE)) == set(range(1, 251)) - {77}
        assert broker.connections == 1
        pauses = [after - before for before, after in pairwise(refused)]
        assert all(after > before - TRIP_S for before, after in pairwise(pauses))
        assert 10 < len(refused) < 25, len(refused)
        (body,) = [json.loads(row.body) for row in await rig.store.oldest(ALARM, 0, 10)]
        assert body["seq_from"] == 77 and body["also"][0]["count"] == len(refused) - 1

    simulated(scene())


def test_a_broker_that_refuses_all_rows_costs_none() -> None:
    async def scene() -> None:
        broker = Broker()
        broker.fault = lambda seqs: Refused("no") if broker.connections < 3 else None
        rig = Rig(broker)
        await rig.produce(live=200)
        await rig.deliver()
        assert set(broker.seqs(LIVE)) == set(range(1, 201))
        assert rig.bulletin.get("uplink")["lanes"]["live"]["refused"] == 0

    simulated(scene())


class Counting(MemoryStore):
    """Counts how often it is waited for; beyond WAITS_MAX that takes time, so that time goes on."""

    waits = 0

    async def wait_for_rows(self, lanes: tuple[str, ...] = LANES) -> None:
        self.waits += 1
        if self.waits > WAITS_MAX:
            await asyncio.sleep(1.0)
        await super().wait_for_rows(lanes)


def test_rows_that_come_behind_a_suspect_are_not_waited_for() -> None:
    """While one row at a time goes, those behind it are there: the loop turned without end."""

    async def scene() -> None:
        broker = Broker()
        broker.fault = lambda seqs: LinkDown("lost") if 30 in seqs else None
        rig = Rig(broker)
        store = Counting()
        rig.deliverer._store = rig.store = store
        await rig.produce(live=120)
        running = asyncio.ensure_future(rig.deliver())
        while not running.done():
            await rig.produce(live=1)
            await asyncio.sleep(0.05)
            if asyncio.get_running_loop().time() > 20.0:
                break
        await running
        assert 30 not in broker.seqs(LIVE) and len(set(broker.seqs(LIVE))) > 300
        assert store.waits < WAITS_MAX, "it is waited for rows that are there"

    simulated(scene())


def test_a_row_that_ends_every_connection_is_found_and_set_aside() -> None:
    async def scene() -> None:
        broker = Broker()
        broker.fault = lambda seqs: LinkDown("lost") if 30 in seqs else None
        rig = Rig(broker)
        await rig.produce(live=120)
        await rig.deliver()
        assert set(broker.seqs(LIVE)) == set(range(1, 121)) - {30}
        assert rig.bulletin.get("uplink")["lanes"]["live"]["refused"] == 1
        assert broker.connections < 10

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
    flights.receipt(1, 5)
    assert flights.free() == row_id(2, 5)
    flights.receipt(2, 4_000_000_000)
    assert flights.free() == 0


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
