"""What a real broker has against a device, and what the device makes of it: rows go on."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.adapters.clock_os import OsClock
from agent.adapters.upstream_aiomqtt import AiomqttUpstream
from agent.config import Broker
from agent.core.bulletin import Bulletin
from agent.ports import ALARM, HISTORY, LIVE, NewRow
from agent.stages.deliver import Deliverer
from tests.memory_store import MemoryStore
from tests.mosquitto import Mosquitto, Receiver

ROOT = "latido/s/d"
WITHIN_S = 15.0
pytestmark = pytest.mark.mosquitto


class Device:
    """A deliverer on a store in memory; `facts`: as large as an agent's status message."""

    def __init__(self, port: int, boot: int = 1, **more: Any) -> None:
        self.store, self.bulletin = MemoryStore(boot), Bulletin()
        plain: dict[str, Any] = dict.fromkeys(Broker._fields)
        settings = Broker(**{**plain, "host": "127.0.0.1", "port": port, **more})
        self.deliverer = Deliverer(
            self.store,
            AiomqttUpstream(settings, "latido-s-d", f"{ROOT}/status"),
            OsClock(),
            self.bulletin,
            ROOT,
            "broker",
            lambda: {"config": {"version": 1, "state": "x" * 600, "accepts": []}},
            lambda low, high: low,
        )

    @property
    def said(self) -> object:
        """What stands in the way, for a test that fails."""
        return self.bulletin.get("uplink")["reason"], self.modes

    @property
    def modes(self) -> dict[str, str]:
        held: dict[str, str] = self.bulletin.get("degraded")
        return held

    async def produce(self, lane: str, count: int, size: int = 10) -> None:
        body = '{"a":"' + "x" * size + '"}'
        await self.store.append([NewRow(lane, 0, "corrupt", body)] * count, [])

    @contextlib.asynccontextmanager
    async def runs(self) -> AsyncIterator[None]:
        running = asyncio.ensure_future(self.deliverer.run())
        try:
            yield
            assert not running.done(), running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def until(holds: Callable[[], bool], what: Callable[[], object]) -> None:
    end_s = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < end_s, what()
        await asyncio.sleep(0.05)


@contextlib.contextmanager
def receiving(folder: Path, more: str) -> Iterator[tuple[Mosquitto, Receiver]]:
    broker = Mosquitto(folder, more)
    broker.start()
    try:
        receiver = Receiver(broker.port)
        try:
            yield broker, receiver
        finally:
            receiver.close()
    finally:
        broker.stop()


@pytest.mark.parametrize("protocol", [None, "3.1.1"])
def test_a_status_message_beyond_the_limit_ends_nothing(
    tmp_path: Path, protocol: str | None
) -> None:
    async def scene(port: int, receiver: Receiver) -> None:
        device = Device(port, protocol=protocol)
        await device.produce(LIVE, 3)
        async with device.runs():
            await until(lambda: len(receiver.rows) == 3, lambda: receiver.rows)
            assert "status" in device.modes, device.modes

    limit = 300 if protocol is None else 500
    with receiving(tmp_path, f"max_packet_size {limit}\n") as (broker, receiver):
        asyncio.run(scene(broker.port, receiver))
        told = [one for one in receiver.status if one["state"] == "online"]
        assert all("config" not in one for one in told) and bool(told) is (protocol is None)


def test_rows_beyond_the_limit_wait_and_others_go(tmp_path: Path) -> None:
    async def scene(port: int, receiver: Receiver) -> None:
        device = Device(port)
        await device.produce(LIVE, 40)
        await device.produce(LIVE, 1, size=1300)
        await device.produce(HISTORY, 300)
        await device.produce(ALARM, 1, size=1300)
        await device.produce(ALARM, 10)
        async with device.runs():
            await until(lambda: len(receiver.rows) == 350, lambda: len(receiver.rows))
            await until(lambda: "too_large.live" in device.modes, lambda: device.modes)
            assert "1200" in device.modes["too_large.alarm"]
        stats = await device.store.stats()
        assert {lane.lane: lane.refused for lane in stats.lanes} == dict.fromkeys(
            (ALARM, LIVE, HISTORY), 0
        )

    with receiving(tmp_path, "max_packet_size 1200\n") as (broker, receiver):
        asyncio.run(scene(broker.port, receiver))
        assert receiver.seqs(1, LIVE) == list(range(1, 41))
        assert receiver.seqs(1, ALARM) == list(range(2, 12))


@pytest.mark.parametrize("protocol", [None, "3.1.1"])
def test_a_broker_that_keeps_no_messages_gets_rows_and_status(
    tmp_path: Path, protocol: str | None
) -> None:
    async def scene(port: int, receiver: Receiver) -> None:
        device = Device(port, protocol=protocol)
        await device.produce(LIVE, 20)
        async with device.runs():
            await until(lambda: len(receiver.rows) == 20, lambda: device.said)
            assert "keeps no messages" in device.modes["retain"]

    with receiving(tmp_path, "retain_available false\n") as (broker, receiver):
        asyncio.run(scene(broker.port, receiver))
        assert any(one["state"] == "online" for one in receiver.status)


def test_no_right_to_the_status_topic_holds_up_no_row(tmp_path: Path) -> None:
    rights = tmp_path / "rights"
    rights.write_text(f"topic read latido/#\ntopic write {ROOT}/data/#\n")

    async def scene(port: int, receiver: Receiver) -> None:
        device = Device(port)
        await device.produce(LIVE, 20)
        async with device.runs():
            await until(lambda: len(receiver.rows) == 20, lambda: device.said)
            assert "Not authorized" in device.modes["status"]

    with receiving(tmp_path, f"acl_file {rights}\n") as (broker, receiver):
        asyncio.run(scene(broker.port, receiver))


def test_two_devices_of_one_name_are_told(tmp_path: Path) -> None:
    """Mosquitto 2.0.11 says nothing to the one that it sends away."""

    async def scene(port: int) -> None:
        one, other = Device(port), Device(port, boot=2)
        async with one.runs(), other.runs():
            await until(
                lambda: "twin" in one.modes or "twin" in other.modes,
                lambda: (one.said, other.said),
            )

    with receiving(tmp_path, "") as (broker, _):
        asyncio.run(scene(broker.port))
