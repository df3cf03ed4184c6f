"""A deliverer, a store in memory with rows, and a broker that behaves as badly as a test wants."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import jsonschema

from agent.core.bulletin import Bulletin
from agent.core.wire import payload_room
from agent.ports import ALARM, HISTORY, LIVE, LinkDown, NewRow
from agent.stages.deliver import Deliverer
from tests.links import PlainLink
from tests.memory_store import MemoryStore
from tests.mosquitto import SCHEMAS
from tests.sim_loop import SimClock

ROOT = "latido/a/b"
TRIP_S = 0.1


class Broker(PlainLink):
    """Confirms in any order. `faults`: what the nth publish of rows meets, instead of a PUBACK."""

    def __init__(self, faults: dict[int, Callable[[list[int]], Exception | None]] | None = None):
        self.received: list[tuple[str, int, float]] = []
        self.connections = 0
        self.published = 0
        self.most_in_flight = 0
        self.puback_s = 0.0  # after the rows have come
        self.inbox: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self.on_bundle: Callable[[dict[str, Any]], None] = lambda bundle: None
        self.fault: Callable[[list[int]], Exception | None] = lambda seqs: None
        self.refuses: Callable[[str, list[int]], Exception | None] = lambda lane, seqs: None
        self.status: list[dict[str, Any]] = []
        self.status_fault: Callable[[bytes], Exception | None] = lambda payload: None
        self.trial_fault: Exception | None = None
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
        if topic == f"{ROOT}/status":
            self._take_status(held, payload, retain)
            return
        if topic == f"{ROOT}/data/test":
            self._end_with(self.trial_fault)
            return
        room = payload_room(self.packet_bytes_max, topic)
        assert room is None or len(payload) <= room, f"{len(payload)} bytes, {room} at most"
        self.published += 1
        if self.published < 10:
            jsonschema.validate(held, SCHEMAS["data"])
        seqs = [row["seq"] for row in held["rows"]]
        fault = self._faults.get(self.published, self.fault)(seqs)
        fault = fault or self.refuses(held["lane"], seqs)
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            await self._take(held, seqs, fault)
        finally:
            self._in_flight -= 1

    def _take_status(self, held: dict[str, Any], payload: bytes, retain: bool) -> None:
        assert retain == self.retains
        self._end_with(self.status_fault(payload))
        self.status.append(held)

    def _end_with(self, fault: Exception | None) -> None:
        if isinstance(fault, LinkDown) and fault.code == "lost":
            self._error = fault
            self._down.set()
        if fault is not None:
            raise fault

    async def _take(self, held: dict[str, Any], seqs: list[int], fault: Exception | None) -> None:
        await asyncio.sleep(TRIP_S + 0.01 * (self.published % 3))  # later ones overtake earlier
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
        if self.puback_s:
            await asyncio.sleep(self.puback_s)

    async def messages(self) -> tuple[str, bytes]:
        down = asyncio.ensure_future(self._down.wait())
        come = asyncio.ensure_future(self.inbox.get())
        try:
            await asyncio.wait({down, come}, return_when=asyncio.FIRST_COMPLETED)
            if come.done():
                return come.result()
        finally:
            down.cancel()
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
