"""What cables and dying boards do: said within three windows, never a verdict, and gone again.

The bus thread's own turns, acquire and analyse stages and the real driver; only time is stepped.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from agent.adapters.sensor import BusThread
from agent.analysis.anomaly import StatisticsModel
from agent.app import SensorFacts, severity_table
from agent.chips import known_chips
from agent.core.blockmaker import BlockMaker
from agent.core.bulletin import Bulletin
from agent.core.mailbox import Mailbox
from agent.drain import Drainer
from agent.limits import FIT_SPAN_S, RATE_ERROR_MAX
from agent.play import SteppedClock
from agent.stages.analyse import Analyser
from agent.stages.machine import MachineWatch
from hw.machines.part import PARTS, felt_by
from hw.machines.pump import Pump
from hw.sim.bus import SimSpi
from hw.sim.faults import Faulty
from tests.machines import machine_settings

WINDOW_S = 0.32
RECOVERY_S = 5.0
HEALTHY = ("learning", "starting")


class Rig:
    """One machine with one faulty sensor, second by second."""

    def __init__(self, name: str, rate_hz: int) -> None:
        self.name = name
        chip = known_chips()[name]
        self.clock = SteppedClock()
        self.clock.now_ns = 10_000_000_000
        self.chip = Faulty(chip.simulated(felt_by(PARTS[name], Pump(1, 1770), 1), 0.01))
        self.port = SimSpi(self.chip, self.clock.monotonic_ns, chip.speed_hz_max)
        driver = chip.driver(self.port, rate_hz, None)
        self.bus = BusThread("spi0", self.clock)
        self.bus.add(Drainer("de", driver, self.clock))
        (self.turn,) = self.bus._turns
        self.maker = BlockMaker("de", rate_hz, FIT_SPAN_S, RATE_ERROR_MAX)
        self.turn.deliver = self._take
        machine = machine_settings(name="M")._replace(vibration="de", temperature=None)
        self.watch = MachineWatch(machine, severity_table(machine), StatisticsModel())
        facts = {"de": SensorFacts("de", name, driver.layout, rate_hz, chip.range_g, False, False)}
        self.records = Mailbox(100_000)
        self.analyser = Analyser(
            machine, self.watch, facts, Mailbox(9), self.records, Bulletin(), self.clock, _keep
        )
        self.loop = asyncio.new_event_loop()

    def _take(self, batch: Any) -> None:
        self.loop.run_until_complete(self.analyser._listen(self.maker.take(batch)))

    def run(self, seconds: float) -> list[Any]:
        """The verdicts of the next seconds: (state, reason)."""
        end_ns = self.clock.now_ns + int(seconds * 1e9)
        while self.clock.now_ns < end_ns:
            self.clock.now_ns = max(self.clock.now_ns + 500_000, min(self.turn.due_ns, end_ns))
            self.turn.step(self.clock.now_ns)
        found = []
        while (record := self.records.get_nowait()) is not None:
            if record.kind == "verdict":
                found.append((record.body["state"], record.body["reason"]))
        return found


async def _keep(key: str, value: str) -> None:
    """Baselines are not kept here."""


def pull(rig: Rig) -> Callable[[], None]:
    rig.chip.pulled = True

    def back() -> None:
        rig.chip.pulled = False
        rig.chip.brown_out()

    return back


def bus_error(rig: Rig) -> Callable[[], None]:
    rig.port.fail_with = OSError(110, "timed out")

    def back() -> None:
        rig.port.fail_with = None

    return back


def freeze(rig: Rig) -> Callable[[], None]:
    rig.chip.frozen = True
    return rig.chip.thaw


def flip(rig: Rig) -> Callable[[], None]:
    rig.chip.flip_byte, rig.chip.flip_mask = FIXED[rig.name]
    rig.chip.flip_every = 1

    def back() -> None:
        rig.chip.flip_every = 0

    return back


def brown_out(rig: Rig) -> Callable[[], None]:
    rig.chip.brown_out()
    return lambda: None


def wrong_id(rig: Rig) -> Callable[[], None]:
    back = pull(rig)
    rig.chip.floats = 0x5A
    return back


def duplicates(rig: Rig) -> Callable[[], None]:
    sampler = rig.chip.chip.sampler
    sampler.duplicate_every = 3

    def back() -> None:
        sampler.duplicate_every = 0

    return back


# A byte of a frame's transfer with a bit that is fixed or repeats its neighbour, and that bit. Of
# the bits below the sign of an ADXL345's value none can be told from a true one.
FIXED = {
    "adxl345": (4, 0x20),
    "lis3dh": (1, 0x02),
    "lis2dw12": (1, 0x02),
    "adxl355": (3, 0x02),
}
FAULTS = [pull, bus_error, freeze, flip, brown_out, wrong_id, duplicates]
CHIPS = [("adxl345", 3200), ("lis3dh", 1344), ("lis2dw12", 1600), ("adxl355", 4000)]


@pytest.mark.parametrize(("name", "rate_hz"), CHIPS, ids=[name for name, _ in CHIPS])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_is_said_within_three_windows_and_goes_away(
    name: str, rate_hz: int, fault: Any
) -> None:
    rig = Rig(name, rate_hz)
    before = rig.run(5.0)
    assert {state for state, _ in before} == {"unknown"} and before[-1][1][0] == "learning"
    learned = len(rig.watch._learned)
    clear = fault(rig)
    said = rig.run(3 * WINDOW_S + 1.0)
    told = [reason for _, reason in said if reason[0] == "sensor"]
    assert told, (name, said[-3:])
    tainted = len(rig.watch._learned) - learned
    if fault is not brown_out:  # which is over at once: what follows is healthy again
        assert tainted <= 3, "windows of a faulty sensor taught the baseline"
    clear()
    rig.run(RECOVERY_S)
    after = rig.run(2.0)
    assert after and all(reason[0] in HEALTHY for _, reason in after), (name, after[-3:])


@pytest.mark.parametrize(("name", "rate_hz"), CHIPS, ids=[name for name, _ in CHIPS])
def test_a_healthy_sensor_is_never_called_faulty(name: str, rate_hz: int) -> None:
    rig = Rig(name, rate_hz)
    verdicts = rig.run(120.0)
    assert len(verdicts) > 300
    settled = verdicts[int(2.0 / (WINDOW_S / 2)) :]
    assert not [reason for _, reason in settled if reason[0] == "sensor"]
    assert np.isfinite(rig.maker.lost_total) and rig.maker.lost_total == 0
