"""Days of an agent's delivery, by seed: outages, lost PUBACKs, crashes, a full disk, a dead broker.

The real Recorder and Deliverer and the real ledger's account, on a store in memory, a link and a
broker that are simulated, in simulated time. A day ends with all healed; then every row that was
ever numbered is at the receiver or has a tombstone there. What a crash took along, numbered or not,
is no older than its lane's interval, and in no boot is anything missing before a row that came.
"""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator
from typing import Any

from agent.core.bulletin import Bulletin
from agent.core.mailbox import Mailbox
from agent.limits import (
    BUNDLES_IN_FLIGHT,
    COMMIT_INTERVAL_S,
    PUBACK_S_MAX,
    RECORDS_QUEUED,
    STORE_RETRY_S,
)
from agent.ports import ALARM, CUT, HISTORY, LANES, LIVE, LinkDown, Refused
from agent.stages.deliver import Deliverer
from agent.stages.record import Record, Recorder
from firmware_tools.ledger.account import Account, Key, Told
from firmware_tools.ledger.ranges import Ranges
from firmware_tools.ledger.read import read_bundle, read_status
from tests.memory_store import Killed, MemoryStore
from tests.sim_loop import SimClock

ROOT, DEVICE = "latido/s/d", "s/d"
ROWS_MAX = 600  # of the store: small, so that days overflow it
HEAL_S = 2 * 3600.0
CUT_SHARE = 0.1  # of the rows are on their way when the link is cut
CRASH_SHARE = 0.02  # or the process killed
FULL_S_MAX = 600.0
STEADY_SHARE = 0.15  # of what a machine tells comes row by row, not in a burst
LIVES = 60  # of a storm
SLACK_S = 0.05  # of a commit's own time
STREAM_S = (0.05, 2.0)  # between rows of a steady machine
EVENTS = 12  # faults a day
PENDING_MAX = len(LANES) * BUNDLES_IN_FLIGHT


class World:
    """What is outside the agent: network, broker, receiver; and the faults of one day."""

    def __init__(self, seed: int, promise: str) -> None:
        self.random = random.Random(seed)
        self.promise = promise
        self.account = Account()
        self.arrived: set[int] = set()
        self.named: dict[Key, Ranges] = {}  # given up one by one, not by the end of a boot
        self._produced = dict.fromkeys(LANES, 0)
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
            online, lanes = read_status(payload)
            self._never_less(lanes)
            self.account.status(DEVICE, online, lanes)
            return
        bundle, rows = read_bundle(DEVICE, kind, payload)
        self._in_order(Key(DEVICE, bundle["boot"], kind), rows)
        touched = {Key(DEVICE, bundle["boot"], kind)}
        for row in self.account.take(DEVICE, bundle, rows):
            body = json.loads(row.body)
            if row.kind == "tombstone":
                touched |= self._bury(body)
            else:
                self.arrived.add(body["n"])
        for key in touched if self.promise == "receiver" else ():
            through = self.account.stream(key).through()
            receipt = {"schema": 1, "boot": key.boot, "lane": key.lane, "through": through}
            for link in self.links:
                link.hear(f"{ROOT}/ack", json.dumps(receipt).encode())

    def _never_less(self, lanes: dict[str, Told]) -> None:
        """A file that goes on never says that it has produced less than it said before."""
        for lane, told in lanes.items():
            assert told.produced >= self._produced[lane], f"{lane}: {told.produced} produced"
            self._produced[lane] = told.produced

    def _bury(self, body: dict[str, Any]) -> set[Key]:
        for part in (body, *body.get("also", ())):
            key = Key(DEVICE, part["boot"], part["lane"])
            if part["reason"] != CUT:
                self.named.setdefault(key, Ranges()).add(part["seq_from"], part["seq_to"])
        return self.account.bury_all(DEVICE, body)

    def refuses(self, payload: bytes) -> bool:
        """The broker has something against one of our own rows, never against a tombstone."""
        rows = json.loads(payload)["rows"] if self.poison is not None else []
        return any(row["seq"] == self.poison and row["kind"] == "verdict" for row in rows)

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
    """One day of one agent. `deliverer`, `store`: the classes, so that mutants can be tried."""

    def __init__(
        self,
        seed: int,
        promise: str,
        deliverer: type[Deliverer] = Deliverer,
        store: type[MemoryStore] = MemoryStore,
    ) -> None:
        self.world = World(seed, promise)
        self._deliverer = deliverer
        self._store = store(rows_max=ROWS_MAX)
        self._bulletin = Bulletin()
        self._records = Mailbox(RECORDS_QUEUED)
        self._clock = SimClock()
        self._running: asyncio.Future[Any] | None = None
        self._crashing = asyncio.Lock()
        self._full_until_s = -1e9
        self._made: dict[int, tuple[float, float]] = {}  # of this life: (when, may wait so long)
        self.crashes = 0
        self.express_rows = 0

    async def run(self) -> None:
        self._start()
        chance = self.world.random
        loop = asyncio.get_running_loop()
        producing = asyncio.ensure_future(self._produce(loop.time() + 86_400.0))
        for at_s in sorted(chance.uniform(0.0, 86_000.0) for _ in range(EVENTS)):
            await asyncio.sleep(max(0.0, at_s - loop.time()))
            await self._happen()
        await producing
        await self._end()

    async def _end(self) -> None:
        """All healed, until nothing is left."""
        loop = asyncio.get_running_loop()
        self._heal()
        await asyncio.sleep(2 * COMMIT_INTERVAL_S[HISTORY])
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
        before = self.world.missing_before_others()
        assert not before, f"missing, and later ones came: {before[:3]}"
        assert account.unaccounted(DEVICE) == 0, "the device says that more has gone"
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
        self._records = Mailbox(RECORDS_QUEUED)
        recorder = Recorder(self._store, self._clock, self._bulletin, self._records)
        self._running = asyncio.gather(made.run(), recorder.run())

    async def _stop(self) -> None:
        assert self._running is not None
        self._running.cancel()
        with contextlib.suppress(asyncio.CancelledError, Killed):
            await self._running

    async def _produce(self, until_s: float) -> None:
        """Rows in bursts, and now and then a steady machine; some urgent."""
        chance = self.world.random
        number = 0
        while asyncio.get_running_loop().time() < until_s:
            await asyncio.sleep(chance.uniform(1.0, 800.0))
            steady = chance.random() < STEADY_SHARE
            urgent = not steady and chance.random() < 0.1
            for _ in range(chance.choice((1, 1, 5, 60))):
                number += 1
                self._tell(number, urgent)
                if steady:
                    await asyncio.sleep(chance.uniform(*STREAM_S))
                    await self._disturb(CUT_SHARE / 5)
            await self._disturb(CUT_SHARE)

    def _tell(self, number: int, urgent: bool) -> None:
        uplink = self._bulletin.get("uplink")
        lane = ALARM if urgent else LIVE if uplink and uplink["connected"] else HISTORY
        self._made[number] = (asyncio.get_running_loop().time(), COMMIT_INTERVAL_S[lane])
        self._records.put(Record("verdict", {"n": number}, None, urgent))

    async def _disturb(self, cut_share: float) -> None:
        chance = self.world.random
        what = chance.random()
        if what < CRASH_SHARE / 5:
            await self._crash(chance.randint(0, 200))
        elif what < cut_share:
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
            self._store.full = True
            asyncio.get_running_loop().call_later(chance.uniform(1.0, FULL_S_MAX), self._disk_free)
        elif what == "clock":
            self._clock.utc_step_s += chance.uniform(-1e9, 1e9)
        elif what == "refuse":
            world.poison = chance.randint(1, 50)
        else:
            self._heal()

    async def _crash(self, after_turns: int) -> None:
        """The process dies at whatever await it is at, some turns from here, and starts again."""
        async with self._crashing:
            for _ in range(after_turns):
                await asyncio.sleep(0)
            self.crashes += 1
            self.express_rows += len(self._store.waiting)
            self._note_full()
            full = self._store.full
            self._store = self._store.crashed()
            self._store.full = full
            self.world.cut()
            await self._stop()
            self._check_what_went()
            self._bulletin = Bulletin()
            self._start()

    def _disk_free(self) -> None:
        self._note_full()
        self._store.full = False

    def _note_full(self) -> None:
        if self._store.full:
            self._full_until_s = asyncio.get_running_loop().time() + STORE_RETRY_S

    def _check_what_went(self) -> None:
        """AssertionError when the crash took a row that should have been safe by then."""
        disk = self._store.disk
        kept = {json.loads(row.body).get("n") for rows in disk.rows.values() for row in rows}
        safe = self.world.arrived | kept | {json.loads(row.body).get("n") for row in disk.buried}
        now_s = asyncio.get_running_loop().time()
        for number, (made_s, interval_s) in self._made.items():
            late = now_s > max(made_s, self._full_until_s) + interval_s + SLACK_S
            assert number in safe or not late, f"row {number} of {made_s} s went at {now_s} s"
        self._made = {}

    def _heal(self) -> None:
        world = self.world
        world.up, world.puback_lost, world.poison = True, 0.0, None
        self._disk_free()
        world.cut()

    async def _all_gone(self) -> bool:
        return int((await self._store.stats()).backlog_rows) == 0


class Storm(Day):
    """Many short lives of a machine that tells something all the time, and a link that is cut."""

    async def run(self) -> None:
        chance, number = self.world.random, 0
        self._start()
        for _ in range(LIVES):
            loop = asyncio.get_running_loop()
            end_s = loop.time() + chance.uniform(1.0, 8.0)
            while loop.time() < end_s:
                number += 1
                self._tell(number, chance.random() < 0.01)
                await asyncio.sleep(chance.uniform(0.01, 0.3))
                if chance.random() < 0.02:
                    self.world.cut()
            await self._crash(chance.randint(0, 200))
        await self._end()


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


class SendsBehindTheUnsafe(MemoryStore):
    """The mutant: gives rows that are in memory alone while one before them is, and under way."""

    def _given(self, lane: str, after_id: int) -> list[Any]:
        return [row for row in self.waiting if lane == LIVE and row.id > after_id]


class ForgetsNumbers(MemoryStore):
    """The mutant: a life after a crash does not give up what the last one may have used."""

    def _end_boots_before(self) -> None:
        self.disk.marks.clear()
