"""The agent's drain loop in stepped time: a faulty chip, a wire that takes time, a host held up."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from agent.analysis.decode import decode
from agent.chips import known_chips
from agent.drain import Drainer, reason_of
from agent.simulated.play import SteppedClock
from agent.stages.acquire import block_maker
from drivers.device import SensorFault
from hw.sim.bus import I2C_READ_BITS, I2C_WRITE_BITS
from tests.fault_rig import CLOCK_ERROR, I2C_HZ, NS, Place, Spoilt

COUNTS = 1000  # a frame's number, written into two axes, each in steps of the chip
SPI_HZ = 5_000_000


def numbered(quantum_g: float) -> Callable[[float, float, int], list[float]]:
    def feel(t0_s: float, period_s: float, count: int) -> list[float]:
        number = round(t0_s / period_s) + np.arange(count)
        counts = np.stack([number % COUNTS, number // COUNTS, np.ones(count)], axis=1)
        return list((quantum_g * counts).reshape(-1))

    return feel


@lru_cache
def step_g(place: Place) -> float:
    """Of the chip as its driver sets it up: between two values that it can give."""
    clock = SteppedClock()
    spoilt = Spoilt(place, lambda t0_s, period_s, count: [0.0] * 3 * count, clock)
    for wait_ms in spoilt.driver.start():
        clock.now_ns += wait_ms * 1_000_000
    return float(spoilt.chip.chip.epsilon())


class Slow:
    """A port on which time passes: the wire's own, and that of a host that is held up."""

    def __init__(self, port: Any, clock: SteppedClock, speed_hz: int) -> None:
        self._port = port
        self._clock = clock
        self._speed_hz = speed_hz
        self._transfers = 0  # until the host is held up
        self._held_ms = 0.0

    def hold(self, transfers: int, ms: float) -> None:
        """The host is held up for `ms` once that many more transfers are done."""
        self._transfers, self._held_ms = transfers, ms

    def write_readinto(self, sent: Any, received: Any) -> None:
        self._hold_up()
        self._port.write_readinto(sent, received)
        self._pass(8 * len(sent))

    def readfrom_mem_into(self, address: int, register: int, buffer: Any) -> None:
        self._hold_up()
        self._port.readfrom_mem_into(address, register, buffer)
        self._pass(I2C_READ_BITS + 9 * len(buffer))

    def writeto_mem(self, address: int, register: int, buffer: Any) -> None:
        self._hold_up()
        self._port.writeto_mem(address, register, buffer)
        self._pass(I2C_WRITE_BITS + 9 * len(buffer))

    def _hold_up(self) -> None:
        if self._transfers == 0:
            self._clock.now_ns += int(self._held_ms * 1e6)
        self._transfers -= 1

    def _pass(self, bits: int) -> None:
        self._clock.now_ns += bits * NS // self._speed_hz


class Rig:
    """The drain loop of the agent in stepped time, a faulty chip before it."""

    def __init__(self, place: Place, clock_error: float = CLOCK_ERROR) -> None:
        self.clock = SteppedClock()
        self.clock.now_ns = 2_000_000_000
        chip = known_chips()[place.chip]
        speed_hz = min(I2C_HZ if place.i2c else SPI_HZ, chip.speed_hz_max)
        self.spoilt = Spoilt(place, None, self.clock, self._slow(speed_hz))
        self.quantum_g = step_g(place)
        self.sampler = self.spoilt.chip.chip.sampler
        self.sampler.source = numbered(self.quantum_g)
        self.sampler.speed = 1 + clock_error
        frame_s = chip.wire_bits[0 if place.i2c else 1] / speed_hz
        self.drainer = Drainer("de", self.spoilt.driver, self.clock, frame_s)
        self.maker = block_maker("de", place.rate_hz, False)
        self.true_hz = place.rate_hz * self.sampler.speed
        self.running = False
        self.blocks: list[Any] = []
        self.stretches: set[int] = set()  # of drains between which nothing was lost

    def _slow(self, speed_hz: int) -> Callable[[Any], Any]:
        def through(port: Any) -> Slow:
            self.port = Slow(port, self.clock, speed_hz)
            return self.port

        return through

    def do(self, action: tuple[str, float] | tuple[str, float, int]) -> None:
        kind, value, *transfers = action
        if kind == "held":
            self.port.hold(transfers[0], value)
            value = 1000.0 * self.drainer.interval_s
        self.clock.now_ns += int(value * 1e6)
        if kind == "fault":
            self.spoilt.port.fail_with = OSError(110, "timed out")
        elif kind == "reset":
            self.spoilt.chip.brown_out()
        elif kind == "pulled":
            self.spoilt.chip.pulled = True
        else:
            self.spoilt.port.fail_with = None
            if self.spoilt.chip.pulled:
                self.spoilt.chip.brown_out()
            self.spoilt.chip.pulled = False
        self.turn(hand_over=kind == "batch")

    def turn(self, hand_over: bool) -> None:
        try:
            if not self.running:
                for wait_ms in self.drainer.bring_up():
                    self.clock.now_ns += wait_ms * 1_000_000
                self.running = True
            self.drainer.drain()
            if hand_over:
                self._hand_over(self.drainer.batch())
        except (OSError, SensorFault) as error:
            self.running = False
            self.blocks.append(self.maker.take(self.drainer.fault(reason_of(error))))

    def _hand_over(self, batch: Any) -> None:
        self.stretches.update(stretch for stretch, _, _ in batch.points)
        self.blocks.append(self.maker.take(batch))

    def numbers(self, block: Any) -> Any:
        """The number of each frame of a block, shape (frames,)."""
        values = decode(block.raw, self.spoilt.driver.layout)
        counts = np.rint(values / self.quantum_g).astype(int)
        return counts[:, 1] * COUNTS + counts[:, 0]
