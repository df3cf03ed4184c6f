"""Rows of any size over links of any packet limit, by seed: none is lost, and the alarms go."""

import asyncio
import json
import random
from typing import Any

import pytest

from agent.ports import ALARM, HISTORY, LANES, LIVE, LinkDown, NewRow
from firmware_tools.ledger.account import Account, Key
from firmware_tools.ledger.read import read_bundle
from tests.delivery_rig import ROOT, Broker, Rig
from tests.sim_loop import simulated

SEEDS = 3
LIMITS = (400, 1200, 5000, None)
MINUTES = 20


class Life:
    """Half an hour; the limit changes from connection to connection."""

    def __init__(self, seed: int, promise: str) -> None:
        self.random = random.Random(seed)
        self.account = Account()
        self.broker = Broker()
        self.broker.on_bundle = self._take
        self.rig = Rig(self.broker, promise)

    async def run(self) -> None:
        running = asyncio.ensure_future(self.rig.deliverer.run())
        for _ in range(MINUTES * 6):
            await asyncio.sleep(10.0)
            await self._produce()
            if self.random.random() < 0.1:
                self._end(self.random.choice(LIMITS))
        self._end(None)
        await asyncio.sleep(1800.0)
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    async def _produce(self) -> None:
        chance, store = self.random, self.rig.store
        lane = chance.choice((ALARM, HISTORY, LIVE, LIVE))
        sizes = [chance.choice((5, 5, 5, 100, 700, 2000)) for _ in range(chance.randint(1, 30))]
        rows = [NewRow(lane, 0, "corrupt", '{"a":"' + "x" * size + '"}') for size in sizes]
        if lane == LIVE and await store.hold(rows, []):
            await asyncio.sleep(1.0)
            rows = []
        await store.append(rows, [])

    def _end(self, limit: int | None) -> None:
        """Of the connection; the next one has another limit."""
        self.broker.packet_bytes_max = limit
        self.broker._error = LinkDown("lost", "b:1", "Keep alive timeout")
        self.broker._down.set()

    def _take(self, bundle: dict[str, Any]) -> None:
        self.account.take("a/b", *read_bundle("a/b", bundle["lane"], json.dumps(bundle).encode()))
        through = self.account.stream(Key("a/b", bundle["boot"], bundle["lane"])).through()
        held = {"schema": 1, "boot": bundle["boot"], "lane": bundle["lane"], "through": through}
        self.broker.inbox.put_nowait((f"{ROOT}/ack", json.dumps(held).encode()))


@pytest.mark.parametrize("promise", ["broker", "receiver"])
def test_no_limit_costs_a_row(promise: str) -> None:
    for seed in range(1, SEEDS + 1):
        life = Life(seed, promise)
        simulated(life.run())
        disk = life.rig.store.disk
        for lane in LANES:
            came, made = set(life.broker.seqs(lane)), disk.produced[lane]
            assert came == set(range(1, made + 1)), f"seed {seed}, {lane}: {made - len(came)} lack"
            assert disk.refused[lane] == disk.evicted[lane] == 0, f"seed {seed}, {lane}"
        assert life.rig.bulletin.get("uplink")["backlog_rows"] == 0, f"seed {seed}"
        assert life.rig.bulletin.get("degraded") == {}, f"seed {seed}"
