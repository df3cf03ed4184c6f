"""A link in simulated time whose bytes keep their order, and a receiver that accounts for them."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable

from agent.ports import LANES
from firmware_tools.ledger.account import TOMBSTONE, Account
from firmware_tools.ledger.read import read_bundle, read_status
from tests.links import PlainLink

ROUND_TRIP_S = 0.1
BYTES_PER_S = 1_000_000.0


class Receiver:
    """The ledger's account, and when each row came. `now_ns`: the device's own clock, so that ages
    need no second one.
    """

    def __init__(self, device: str, now_ns: Callable[[], int]) -> None:
        self.account = Account()
        self.arrivals: list[str] = []  # each row's lane, in the order in which they came
        self.ages_s: dict[str, list[float]] = {lane: [] for lane in LANES}
        self._device = device
        self._now_ns = now_ns

    def take(self, topic: str, payload: bytes) -> None:
        kind = topic.rpartition("/")[2]
        if kind == "status":
            self.account.status(self._device, *read_status(payload))
            return
        bundle, rows = read_bundle(self._device, kind, payload)
        self.arrivals += [kind] * len(rows)
        self.ages_s[kind] += [(self._now_ns() - row.mono_ns) / 1e9 for row in rows]
        for row in self.account.take(self._device, bundle, rows):
            if row.kind == TOMBSTONE:
                self.account.bury_all(self._device, json.loads(row.body))


class Wire(PlainLink):
    """The Link port: so many bytes a second, half a round trip each way, first in, first out."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._turn = asyncio.Lock()

    async def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        async with self._turn:
            await asyncio.sleep(len(payload) / BYTES_PER_S)
        await asyncio.sleep(ROUND_TRIP_S / 2)
        self._receiver.take(topic, payload)
        await asyncio.sleep(ROUND_TRIP_S / 2)

    async def subscribe(self, topics: list[str]) -> None:
        await asyncio.sleep(ROUND_TRIP_S)

    async def messages(self) -> tuple[str, bytes]:
        """Nobody writes to this device."""
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


class WireUpstream:
    """The Upstream port: there from now on."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[Wire]:
        await asyncio.sleep(ROUND_TRIP_S)
        yield Wire(self._receiver)
