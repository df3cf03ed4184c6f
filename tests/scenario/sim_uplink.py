"""What is outside an agent, simulated by seed: link, broker and receiver, and the faults of a day.

Messages take a moment each, so they come in another order than they were sent. A broker refuses
rows, sends copies late, and where the receiver's word counts it forgets what it had confirmed.
"""

import asyncio
import contextlib
import json
import random
from collections import Counter, deque
from collections.abc import AsyncIterator
from typing import Any

from agent.limits import PUBACK_S_MAX
from agent.ports import CLOCK, CUT, LANES, TOMBSTONE, LinkDown, Refused
from firmware_tools.ledger.account import Account, Key
from firmware_tools.ledger.counts import Told
from firmware_tools.ledger.ranges import Ranges
from firmware_tools.ledger.read import read_bundle, read_status
from tests.links import PlainLink
from tests.memory_store import Killed

ROOT, DEVICE = "latido/s/d", "s/d"
COPY_S_MAX = 120.0  # after the first one


class Fuse:
    """Ends one life at an await: `tick` is called at each one of the store and of the link."""

    def __init__(self) -> None:
        self._left = 0
        self.burnt = asyncio.Event()
        self.burnt_s = 0.0  # when

    def light(self, awaits: int) -> None:
        """At so many from now."""
        self._left = awaits

    def tick(self) -> None:
        """Killed when it burns down, and ever after."""
        self._left -= 1
        if self._left == 0 and not self.burnt.is_set():
            self.burnt_s = asyncio.get_running_loop().time()
            self.burnt.set()
        if self.burnt.is_set():
            raise Killed


class World:
    """What is outside the agent: network, broker, receiver; and the faults of one day."""

    def __init__(self, seed: int, promise: str) -> None:
        self.random = random.Random(seed)
        self.promise = promise
        self.account = Account()
        self.fuse = Fuse()  # of the life that is lived
        self.arrived: set[int] = set()
        self.named: dict[Key, Ranges] = {}  # given up one by one, not by the end of a boot
        self.saw: Counter[str] = Counter()  # of each fault, how often it came to something
        self._produced = dict.fromkeys(LANES, 0)
        self._sent: dict[Key, Ranges] = {}
        self._newest = dict.fromkeys(LANES, (0, 0))
        self.links: set[SimLink] = set()
        self.most_pending = 0
        self.heal()

    def heal(self) -> None:
        self.up = True
        self.puback_lost = 0.0
        self.doubled = 0.0  # of messages come again, late
        self.forgotten = 0.0  # of messages the broker confirms and passes on to nobody
        self.poison: int | None = None  # rows of this number the broker refuses
        self.unburied = 0.0  # of tombstones it refuses

    def cut(self) -> None:
        self.saw["links cut"] += len(self.links)
        for link in list(self.links):
            link.fail()

    def sent(self, bundle: dict[str, Any]) -> None:
        """AssertionError when a row goes for the first time behind one that came after it."""
        key = Key(DEVICE, bundle["boot"], bundle["lane"])
        known = self._sent.setdefault(key, Ranges())
        for row in bundle["rows"]:
            seq, newest = row["seq"], self._newest[key.lane]
            if not known.covers(seq, seq):
                assert (key.boot, seq) > newest, f"{key}: {seq} is sent behind {newest}"
                self._newest[key.lane] = (key.boot, seq)
                known.add(seq, seq)

    def pass_on(self, topic: str, payload: bytes) -> None:
        """From the broker to the receiver; perhaps once more, later, perhaps never."""
        is_status = topic == f"{ROOT}/status"
        if not is_status and self.random.random() < self.forgotten:
            self.saw["forgotten by the broker"] += 1
            return
        self.receive(topic, payload)
        if not is_status and self.random.random() < self.doubled:
            self.saw["sent twice by the broker"] += 1
            late_s = self.random.uniform(0.0, COPY_S_MAX)
            asyncio.get_running_loop().call_later(late_s, self.receive, topic, payload)

    def receive(self, topic: str, payload: bytes) -> None:
        """At the receiver; its receipts go back when somebody listens."""
        *_, kind = topic.split("/")
        if topic == f"{ROOT}/status":
            online, lanes = read_status(payload)
            self._never_less(lanes)
            self.account.status(DEVICE, online, lanes)
            return
        bundle, rows = read_bundle(DEVICE, kind, payload)
        key = Key(DEVICE, bundle["boot"], kind)
        self._in_order(key, rows)
        overtaken = rows[0].seq < self.account.stream(key).received.highest
        new = self.account.take(DEVICE, bundle, rows)
        self.saw["copies"] += len(rows) - len(new)
        self.saw["overtaken bundles"] += bool(new) and overtaken
        touched = {key}
        for row in new:
            body = json.loads(row.body)
            if row.kind == TOMBSTONE:
                touched |= self._bury(body)
            elif row.kind == CLOCK:
                self.saw["corrections of the clock"] += 1
            else:
                self.arrived.add(body["n"])
        for one in sorted(touched) if self.promise == "receiver" else ():
            self._answer(one)

    def _answer(self, key: Key) -> None:
        through = self.account.stream(key).through()
        receipt = {"schema": 1, "boot": key.boot, "lane": key.lane, "through": through}
        for link in self.links if self.random.random() >= self.forgotten else ():
            link.hear(f"{ROOT}/ack", json.dumps(receipt).encode())

    def _never_less(self, lanes: dict[str, Told]) -> None:
        """A file that goes on never says that it has produced less than it said before."""
        for lane, told in lanes.items():
            assert told.produced >= self._produced[lane], f"{lane}: {told.produced} produced"
            self._produced[lane] = told.produced

    def _bury(self, body: dict[str, Any]) -> set[Key]:
        self.saw["tombstones"] += 1
        self.saw["carried by tombstones"] += len(body.get("also", ()))
        for part in (body, *body.get("also", ())):
            key = Key(DEVICE, part["boot"], part["lane"])
            if part["reason"] != CUT:
                self.named.setdefault(key, Ranges()).add(part["seq_from"], part["seq_to"])
        return self.account.bury_all(DEVICE, body)

    def refuses(self, rows: list[dict[str, Any]]) -> bool:
        """The broker has something against a row, or against a tombstone."""
        tombstones = [row for row in rows if row["kind"] == TOMBSTONE]
        if any(row["seq"] == self.poison for row in rows if row["kind"] != TOMBSTONE):
            self.saw["rows refused"] += len(rows) == 1
            return True
        if tombstones and self.random.random() < self.unburied:
            self.saw["tombstones refused"] += len(rows) == 1
            return True
        return False

    def missing_before_others(self) -> list[tuple[Key, int, int]]:
        """Rows that did not come, were not given up by name, and lie before one that came."""
        found = []
        for key, stream in self.account.streams.items():
            known = Ranges([*stream.received, *self.named.get(key, Ranges())])
            gaps = known.gaps(stream.received.highest)
            found += [(key, first, last) for first, last in gaps]
        return found

    def _in_order(self, key: Key, rows: list[Any]) -> None:
        seqs = [row.seq for row in rows]
        assert seqs == sorted(set(seqs)), f"{key}: out of order {seqs}"


class SimLink(PlainLink):
    """One connection: messages take a moment each, PUBACKs come in any order or never."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._is_down = False
        self._heard: deque[tuple[str, bytes]] = deque()
        self._listening: asyncio.Future[None] | None = None
        self._trips: dict[asyncio.Future[None], None] = {}  # ordered: a day goes as it went before
        self._pending = 0

    async def subscribe(self, topics: list[str]) -> None:
        await self._trip()

    async def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        world = self._world
        if topic == f"{ROOT}/data/test":
            await self._trip()
            return
        self._pending += 1
        world.most_pending = max(world.most_pending, self._pending)
        bundle = None if retain else json.loads(payload)
        try:
            if bundle is not None:
                world.sent(bundle)
            await self._trip()
            if bundle is not None and world.refuses(bundle["rows"]):
                raise Refused("too large")
            world.pass_on(topic, payload)
            if world.random.random() < world.puback_lost:
                world.saw["PUBACKs lost"] += 1
                await asyncio.sleep(PUBACK_S_MAX)
                self.fail()
            await self._trip()
        finally:
            self._pending -= 1

    async def messages(self) -> tuple[str, bytes]:
        if not self._heard and not self._is_down:
            self._listening = asyncio.get_running_loop().create_future()
            await self._listening
        if self._is_down:
            raise LinkDown("lost")
        return self._heard.popleft()

    def hear(self, topic: str, payload: bytes) -> None:
        if not self._is_down:
            self._heard.append((topic, payload))
            _done(self._listening)

    def fail(self) -> None:
        self._is_down = True
        for wait in (self._listening, *self._trips):
            _done(wait)

    async def _trip(self) -> None:
        """Half a round trip; the connection may end meanwhile."""
        loop, fuse = asyncio.get_running_loop(), self._world.fuse
        fuse.tick()
        trip = loop.create_future()
        timer = loop.call_later(self._world.random.uniform(0.01, 0.4), _done, trip)
        self._trips[trip] = None
        try:
            if not self._is_down:
                await trip
        finally:
            timer.cancel()
            del self._trips[trip]
        fuse.tick()
        if self._is_down:
            raise LinkDown("lost")


def _done(wait: asyncio.Future[None] | None) -> None:
    if wait is not None and not wait.done():
        wait.set_result(None)


class SimUpstream:
    """Connects while the network is there."""

    def __init__(self, world: World) -> None:
        self._world = world

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[SimLink]:
        await asyncio.sleep(self._world.random.uniform(0.01, 1.0))
        self._world.fuse.tick()
        if not self._world.up:
            raise LinkDown("no_answer")
        link = SimLink(self._world)
        self._world.links.add(link)
        try:
            yield link
        finally:
            self._world.links.discard(link)
            link.fail()
