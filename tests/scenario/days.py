"""Days of an agent's delivery, by seed: outages, lost PUBACKs, crashes, a full disk, a dead broker.

The real Deliverer and the real ledger's account, on a store in memory, a link and a broker that
are simulated, in simulated time. A day ends with all healed; then every row that was ever produced
is at the receiver or has a tombstone there.
"""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator
from typing import Any

from agent.core.bulletin import Bulletin
from agent.limits import BUNDLES_IN_FLIGHT, PUBACK_S_MAX
from agent.ports import ALARM, HISTORY, LANES, LIVE, LinkDown, NewRow, Refused, StoreFault
from agent.stages.deliver import Deliverer
from firmware_tools.ledger.account import Account, Key
from firmware_tools.ledger.read import read_bundle, read_status
from tests.memory_store import Killed, MemoryStore
from tests.sim_loop import SimClock

ROOT, DEVICE = "latido/s/d", "s/d"
ROWS_MAX = 600  # of the store: small, so that days overflow it
HEAL_S = 2 * 3600.0
CUT_SHARE = 0.1  # of the rows are on their way when the link is cut
EVENTS = 12  # faults a day
PENDING_MAX = len(LANES) * BUNDLES_IN_FLIGHT


class World:
    """What is outside the agent: network, broker, receiver; and the faults of one day."""

    def __init__(self, seed: int, promise: str) -> None:
        self.random = random.Random(seed)
        self.promise = promise
        self.account = Account()
        self.up = True
        self.puback_lost = 0.0
        self.poison: int | None = None
        self.links: set[SimLink] = set()
        self.most_pending = 0

    def cut(self) -> None:
        for link in list(self.links):
            link.fail()

    def receive(self, topic: str, payload: bytes) -> None:
        """At the receiver; its receipts go back when somebody listens."""
        *_, kind = topic.split("/")
        if topic == f"{ROOT}/status":
            self.account.status(DEVICE, *read_status(payload))
            return
        bundle, rows = read_bundle(DEVICE, kind, payload)
        self._in_order(Key(DEVICE, bundle["boot"], kind), rows)
        touched = {Key(DEVICE, bundle["boot"], kind)}
        for row in self.account.take(DEVICE, bundle, rows):
            if row.kind == "tombstone":
                touched.add(self.account.bury(DEVICE, json.loads(row.body)))
        for key in touched if self.promise == "receiver" else ():
            through = self.account.stream(key).through()
            receipt = {"schema": 1, "boot": key.boot, "lane": key.lane, "through": through}
            for link in self.links:
                link.hear(f"{ROOT}/ack", json.dumps(receipt).encode())

    def refuses(self, payload: bytes) -> bool:
        """The broker has something against one of our own rows, never against a tombstone."""
        rows = json.loads(payload)["rows"] if self.poison is not None else []
        return any(row["seq"] == self.poison and row["kind"] == "verdict" for row in rows)

    def _in_order(self, key: Key, rows: list[Any]) -> None:
        seqs = [row.seq for row in rows]
        assert seqs == sorted(set(seqs)), f"{key}: out of order {seqs}"


class SimLink:
    """One connection: messages take a moment each, PUBACKs come in any order or never."""

    tells_refusals = True

    def __init__(self, world: World) -> None:
        self._world = world
        self._down = asyncio.Event()
        self._heard: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self._pending = 0

    async def subscribe(self, topics: list[str]) -> None:
        await self._trip()

    async def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        world = self._world
        self._pending += 1
        world.most_pending = max(world.most_pending, self._pending)
        try:
            await self._trip()
            if not retain and world.refuses(payload):
                raise Refused("too large")
            world.receive(topic, payload)
            if world.random.random() < world.puback_lost:
                await asyncio.sleep(PUBACK_S_MAX)
                self.fail()
            await self._trip()
        finally:
            self._pending -= 1

    async def messages(self) -> tuple[str, bytes]:
        heard = asyncio.ensure_future(self._heard.get())
        down = asyncio.ensure_future(self._down.wait())
        try:
            await asyncio.wait({heard, down}, return_when=asyncio.FIRST_COMPLETED)
            if heard.done():
                return heard.result()
        finally:
            heard.cancel()
            down.cancel()
        raise LinkDown("lost")

    def hear(self, topic: str, payload: bytes) -> None:
        if not self._down.is_set():
            self._heard.put_nowait((topic, payload))

    def fail(self) -> None:
        self._down.set()

    async def _trip(self) -> None:
        """Half a round trip; the connection may end meanwhile."""
        down = asyncio.ensure_future(self._down.wait())
        try:
            await asyncio.wait({down}, timeout=self._world.random.uniform(0.01, 0.4))
        finally:
            down.cancel()
        if self._down.is_set():
            raise LinkDown("lost")


class SimUpstream:
    """Connects while the network is there."""

    def __init__(self, world: World) -> None:
        self._world = world

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[SimLink]:
        await asyncio.sleep(self._world.random.uniform(0.01, 1.0))
        if not self._world.up:
            raise LinkDown("no_answer")
        link = SimLink(self._world)
        self._world.links.add(link)
        try:
            yield link
        finally:
            self._world.links.discard(link)
            link.fail()


class Day:
    """One day of one agent. `deliverer`: the class under test, so that a mutant can be tried."""

    def __init__(self, seed: int, promise: str, deliverer: type[Deliverer] = Deliverer) -> None:
        self.world = World(seed, promise)
        self._deliverer = deliverer
        self._store = MemoryStore(rows_max=ROWS_MAX)
        self._bulletin = Bulletin()
        self._clock = SimClock()
        self._running: asyncio.Future[None] | None = None
        self.crashes = 0

    async def run(self) -> None:
        self._start()
        chance = self.world.random
        loop = asyncio.get_running_loop()
        producing = asyncio.ensure_future(self._produce(loop.time() + 86_400.0))
        for at_s in sorted(chance.uniform(0.0, 86_000.0) for _ in range(EVENTS)):
            await asyncio.sleep(max(0.0, at_s - loop.time()))
            await self._happen()
        await producing
        self._heal()
        end_s = loop.time() + HEAL_S
        while loop.time() < end_s and not await self._all_gone():
            await asyncio.sleep(20.0)
        await self._stop()

    def verdict(self) -> None:
        """AssertionError when a row is neither delivered nor tombstoned, or memory grew."""
        account = self.world.account
        holes = account.holes()
        assert not holes, f"holes: {holes[:3]}"
        for lane in LANES:
            streams = [stream for key, stream in account.streams.items() if key.lane == lane]
            known = sum(stream.known().count for stream in streams)
            produced = self._store.disk.produced[lane]
            assert known == produced, f"{lane}: {produced} produced, the fate of {known} is known"
        assert self.world.most_pending <= PENDING_MAX + 1, "more in flight than the windows allow"

    def _start(self) -> None:
        made = self._deliverer(
            self._store,
            SimUpstream(self.world),
            self._clock,
            self._bulletin,
            ROOT,
            self.world.promise,
            lambda: {"uplink": self._bulletin.get("uplink")},
            self.world.random.uniform,
        )
        self._running = asyncio.ensure_future(made.run())

    async def _stop(self) -> None:
        assert self._running is not None
        self._running.cancel()
        with contextlib.suppress(asyncio.CancelledError, Killed):
            await self._running

    async def _produce(self, until_s: float) -> None:
        """A row every few minutes, alarms in bursts; the lane as the recorder chooses it."""
        chance = self.world.random
        number = 0
        while asyncio.get_running_loop().time() < until_s:
            await asyncio.sleep(chance.uniform(1.0, 800.0))
            uplink = self._bulletin.get("uplink")
            usual = LIVE if uplink and uplink["connected"] else HISTORY
            lane = ALARM if chance.random() < 0.1 else usual
            rows = []
            for _ in range(chance.choice((1, 1, 5, 60))):
                number += 1
                rows.append(
                    NewRow(lane, self._clock.monotonic_ns(), "verdict", f'{{"n":{number}}}')
                )
            with contextlib.suppress(StoreFault, Killed):  # then they were never promised
                await self._store.append(rows, [])
            if chance.random() < CUT_SHARE:
                await asyncio.sleep(chance.uniform(0.0, 1.0))
                self.world.cut()

    async def _happen(self) -> None:
        """One fault, by chance."""
        chance, world = self.world.random, self.world
        what = chance.choice(
            ("outage", "cut", "pubacks", "crash", "crash", "full", "clock", "refuse", "heal")
        )
        if what == "outage":
            world.up = False
            world.cut()
        elif what == "cut":
            world.cut()
        elif what == "pubacks":
            world.puback_lost = chance.choice((0.0, 0.05, 0.5))
        elif what == "crash":
            await self._crash(chance.randint(0, 200))
        elif what == "full":
            self._store.full = not self._store.full
        elif what == "clock":
            self._clock.utc_step_s += chance.uniform(-1e9, 1e9)
        elif what == "refuse":
            world.poison = chance.randint(1, 50)
        else:
            self._heal()

    async def _crash(self, after_turns: int) -> None:
        """The process dies at whatever await it is at, some turns from here, and starts again."""
        for _ in range(after_turns):
            await asyncio.sleep(0)
        self.crashes += 1
        full = self._store.full
        self._store = self._store.crashed()
        self._store.full = full
        self.world.cut()
        await self._stop()
        self._bulletin = Bulletin()
        self._start()

    def _heal(self) -> None:
        world = self.world
        world.up, world.puback_lost, world.poison = True, 0.0, None
        self._store.full = False
        world.cut()

    async def _all_gone(self) -> bool:
        return int((await self._store.stats()).backlog_rows) == 0


class AckBeforePublish(Deliverer):
    """The mutant: frees rows before they are sent."""

    async def _serve(self, link: Any) -> None:
        await super()._serve(_Hasty(link, self._store))


class _Hasty:
    """A link that says PUBACK first and sends afterwards."""

    tells_refusals = True

    def __init__(self, link: Any, store: Any) -> None:
        self._link = link
        self._store = store

    async def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        if not retain:
            held = json.loads(payload)
            last = held["boot"] << 32 | held["rows"][-1]["seq"]
            await self._store.ack(held["lane"], last)
        await self._link.publish(topic, payload, retain)

    async def subscribe(self, topics: list[str]) -> None:
        await self._link.subscribe(topics)

    async def messages(self) -> tuple[str, bytes]:
        got: tuple[str, bytes] = await self._link.messages()
        return got
