"""Refusals: what a broker will not take is set aside and accounted for, and holds up nothing."""

import asyncio
import json
from itertools import pairwise
from typing import Any

from agent.ports import ALARM, HISTORY, LANES, LIVE, TOMBSTONE, LinkDown, NewRow, Refused
from agent.store.tombstone import account_of, bodies
from firmware_tools.ledger.account import Account, Key
from firmware_tools.ledger.read import read_bundle
from tests.delivery_rig import ROOT, TRIP_S, Broker, Rig
from tests.memory_store import MemoryStore
from tests.sim_loop import simulated

WAITS_MAX = 2000


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


def test_many_refused_tombstones_end_no_connection_and_become_one() -> None:
    """A bundle of nothing else was taken for a broker that refuses all: rows came 11 s late."""
    accounts = [account_of(HISTORY, 1, (10 * n + 1, 10 * n + 3), "limit", 3) for n in range(40)]
    told: list[dict[str, Any]] = []
    late_s: list[float] = []

    async def scene() -> None:
        broker = Broker()
        broker.refuses = lambda lane, seqs: Refused("no") if lane == ALARM else None
        broker.on_bundle = lambda bundle: told.extend(
            part for row in bundle["rows"] for part in (row["body"], *row["body"].get("also", ()))
        )
        rig = Rig(broker)
        await rig.store.append(
            [NewRow(ALARM, 0, TOMBSTONE, *bodies([one])) for one in accounts], []
        )
        running = asyncio.ensure_future(rig.deliverer.run())
        for _ in range(3600):
            await rig.produce(live=1)
            began_s = asyncio.get_running_loop().time()
            await asyncio.sleep(1.0)
            late_s.append(broker.received[-1][2] - began_s)
        assert broker.connections == 1 and max(late_s) < 2 * TRIP_S
        assert len(await rig.store.oldest(ALARM, 0, 1000)) == 2, "41 accounts fill two"
        told.clear()
        broker.refuses = lambda lane, seqs: None
        await asyncio.sleep(600.0)
        named = [(one["seq_from"], one["seq_to"]) for one in told if one["lane"] == HISTORY]
        assert named == [(one["seq_from"], one["seq_to"]) for one in accounts]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    simulated(scene())


def test_rows_behind_a_refused_one_are_freed_though_its_tombstone_is_refused() -> None:
    """The receiver waited for the tombstone, and the device for the receiver."""
    account = Account()

    def refuse(lane: str, seqs: list[int]) -> Exception | None:
        return Refused("no") if lane == ALARM or 77 in seqs else None

    async def scene() -> None:
        broker = Broker()

        def take(bundle: dict[str, Any]) -> None:
            account.take("a/b", *read_bundle("a/b", LIVE, json.dumps(bundle).encode()))
            through = account.stream(Key("a/b", bundle["boot"], LIVE)).through()
            held = {"schema": 1, "boot": bundle["boot"], "lane": LIVE, "through": through}
            broker.inbox.put_nowait((f"{ROOT}/ack", json.dumps(held).encode()))

        broker.refuses, broker.on_bundle = refuse, take
        rig = Rig(broker, "receiver")
        await rig.produce(live=2000)
        running = asyncio.ensure_future(rig.deliverer.run())
        await asyncio.sleep(120.0)
        assert await rig.store.oldest(LIVE, 0, 1) == [] and broker.connections == 1
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

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


def test_connections_that_end_for_want_of_a_right_cost_no_row() -> None:
    """MQTT 3.1.1 has no word for it, and each row would have been the one that ends them."""

    async def scene() -> None:
        broker = Broker()
        broker.fault = lambda seqs: LinkDown("lost")
        broker.status_fault = lambda payload: LinkDown("lost")
        broker.trial_fault = LinkDown("lost")
        rig = Rig(broker)
        await rig.produce(live=120)
        await rig.deliver(within_s=3600.0)
        assert rig.bulletin.get("uplink")["lanes"]["live"]["refused"] == 0
        broker.fault, broker.trial_fault = lambda seqs: None, None
        await rig.deliver()
        assert set(broker.seqs(LIVE)) == set(range(1, 121))
        assert rig.bulletin.get("uplink")["lanes"]["live"]["refused"] == 0

    simulated(scene())
