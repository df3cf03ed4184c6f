"""A bus's thread and what becomes of its errors: passing, unexpected, and a transfer that hangs."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from agent.adapters.clock_os import OsClock
from agent.adapters.sensor import BusSensor, BusThread
from agent.core.mailbox import Mailbox
from agent.drain import Drainer
from agent.limits import SILENT_S
from agent.stages.acquire import Acquirer
from drivers.adxl345 import Adxl345
from hw.sim.adxl345 import SimAdxl345
from hw.sim.bus import SimSpi

RATE_HZ = 800
NS = 1_000_000_000


class Rig:
    """A simulated accelerometer on a bus of its own."""

    def __init__(self) -> None:
        clock = OsClock()
        self.chip = SimAdxl345(lambda t0_s, period_s, count: [0.1, 0.2, 1.0] * count)
        self.port = SimSpi(self.chip, clock.monotonic_ns)
        self.bus = BusThread("test", clock)
        self.sensor = self.bus.add(Drainer("de", Adxl345(self.port, RATE_HZ), clock))


def played(scene: Callable[[Rig], Awaitable[None]]) -> None:
    async def run() -> None:
        rig = Rig()
        await rig.sensor.start()
        try:
            await asyncio.wait_for(scene(rig), 30)
        finally:
            await rig.sensor.stop()

    asyncio.run(run())


async def until(sensor: BusSensor, wanted: Callable[[Any], bool]) -> Any:
    while True:
        batch = await sensor.next_batch()
        if wanted(batch):
            return batch


def test_an_error_of_the_bus_is_a_fault_that_passes() -> None:
    async def scene(rig: Rig) -> None:
        await until(rig.sensor, lambda batch: batch.frames > 0)
        rig.port.fail_with = OSError(110, "timed out")
        fault = await until(rig.sensor, lambda batch: bool(batch.fault))
        assert fault.fault[1]["text"] == "timed out" and fault.frames == 0
        rig.port.fail_with = None
        assert (await until(rig.sensor, lambda batch: batch.frames > 0)).fault == ""

    played(scene)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_unexpected_error_reaches_the_supervisor_and_a_restart_goes_on() -> None:
    async def scene(rig: Rig) -> None:
        await until(rig.sensor, lambda batch: batch.frames > 0)
        rig.port.fail_with = RuntimeError("a bus should not say this")  # type: ignore[assignment]
        with pytest.raises(RuntimeError, match="thread of the bus"):
            await until(rig.sensor, lambda batch: False)
        rig.port.fail_with = None
        await rig.sensor.start()
        assert (await until(rig.sensor, lambda batch: batch.frames > 0)).fault == ""

    played(scene)


def test_a_transfer_that_hangs_is_said() -> None:
    async def scene(rig: Rig) -> None:
        blocks, hanging = Mailbox(100), threading.Event()
        acquirer = Acquirer(rig.sensor, RATE_HZ, [blocks], False, OsClock())
        running = asyncio.ensure_future(acquirer.run())
        while not (await blocks.get()).frames:
            continue
        rig.port.write_readinto = lambda sent, received: hanging.wait()  # type: ignore[assignment]
        while not (block := await blocks.get()).reason[0]:
            continue
        assert block.status == "failure" and block.reason == ("bus_hangs", {"seconds": SILENT_S})
        hanging.set()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    played(scene)


def test_frames_that_a_fault_cost_are_counted() -> None:
    async def scene(rig: Rig) -> None:
        blocks = Mailbox(1000)
        acquirer = Acquirer(rig.sensor, RATE_HZ, [blocks], False, OsClock())
        running = asyncio.ensure_future(acquirer.run())
        while not (await blocks.get()).frames:
            continue
        rig.port.fail_with = OSError(5, "cut")
        while not (first := await blocks.get()).reason[0]:
            continue
        while (last := await blocks.get()).t0_ns < first.t0_ns + NS:
            continue  # the fault is told again at each attempt
        rig.port.fail_with = None
        while not (block := await blocks.get()).lost:
            continue
        away_s = (last.t0_ns - first.t0_ns) / NS
        assert away_s * RATE_HZ < block.lost < (away_s + 2.2) * RATE_HZ
        assert acquirer.maker.lost_total == block.lost
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    played(scene)


def test_a_chip_in_mid_bring_up_is_put_to_sleep_too() -> None:
    rig = Rig()
    (turn,) = rig.bus._turns
    turn.step(0)
    assert rig.chip.registers[0x2D] & 0x08 and not turn.runs, "told to measure, not yet running"
    turn.end()
    assert not rig.chip.registers[0x2D] & 0x08
