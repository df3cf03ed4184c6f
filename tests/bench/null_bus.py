"""What draining costs without a chip, and so what a simulated chip costs beside it."""

import time
from collections.abc import Callable
from typing import Any

from agent.config import Simulation
from agent.drain import drain_interval_s
from agent.simulated.plant import Plant
from agent.simulated.play import SteppedClock
from hw.sim.bus import SimSpi

LEVEL = 24
REPEATS = 200
CLOCK_ERROR = 0.015


class NullSpi:
    """Answers at once: `status` to a transfer as long as it, and nothing to any other."""

    def __init__(self, status: bytes) -> None:
        self._status = b"\0" + status
        self._size = len(self._status)

    def write_readinto(self, sent: Any, received: Any) -> None:
        if len(received) == self._size:
            received[:] = self._status

    def write_readinto_repeated(self, sent: Any, received: Any, count: int) -> None:
        received[-1] = 0


class _Listening(SimSpi):
    """Keeps the answer to the first transfer since `first` was last cleared."""

    first: bytes = b""

    def write_readinto(self, write_buffer: Any, read_buffer: Any) -> None:
        super().write_readinto(write_buffer, read_buffer)
        self.first = self.first or bytes(read_buffer)


def status_of(chip: Any) -> bytes:
    """What a drain of `chip` reads first while LEVEL frames are held, as its simulation says."""
    clock = SteppedClock()
    simulated = chip.simulated(lambda t0_s, period_s, count: [0.0, 0.0, 1.0] * count, 0.0)
    bus = _Listening(simulated, clock.monotonic_ns, chip.speed_hz_max)
    driver = chip.driver(bus, chip.rates_hz[-1], None)
    for wait_ms in driver.start():
        clock.now_ns += wait_ms * 1_000_000
    buffer = bytearray((driver.fifo_frames + 1) * driver.layout.frame_bytes)
    for tick in range(100):  # the chip's own rate need not be its name's
        driver.drain_into(buffer)
        bus.first = b""
        clock.now_ns += int(1e9 * (LEVEL + 0.02 * tick - 1) / driver.rate_hz)
        if driver.drain_into(buffer).frames == LEVEL:
            return bus.first[1:]
    raise AssertionError(f"{chip.name} never held {LEVEL} frames")


def drain_s(chip: Any) -> float:
    """CPU seconds that draining one frame of `chip` takes from a bus that answers at once."""
    driver = chip.driver(NullSpi(status_of(chip)), chip.rates_hz[-1], None)
    buffer = bytearray((driver.fifo_frames + 1) * driver.layout.frame_bytes)
    frames = driver.drain_into(buffer).frames
    assert frames == LEVEL, f"{chip.name} drained {frames} frames"
    return seconds_a_call(lambda: driver.drain_into(buffer)) / LEVEL


def simulated_share(chip: Any, rate_hz: int, seconds: float = 10.0) -> float:
    """CPU seconds that a second of a simulated chip on a pump costs: drained, less a null bus."""
    plant = Plant(Simulation(1, 0.0, 60.0, CLOCK_ERROR, None), 1770.0, 0.0)
    clock = SteppedClock()
    simulated = chip.simulated(plant.healthy(chip.name), CLOCK_ERROR)
    driver = chip.driver(SimSpi(simulated, clock.monotonic_ns, chip.speed_hz_max), rate_hz, None)
    for wait_ms in driver.start():
        clock.now_ns += wait_ms * 1_000_000
    buffer = bytearray((driver.fifo_frames + 1) * driver.layout.frame_bytes)
    driver.drain_into(buffer)
    frames = 0
    began = time.process_time()
    interval_s = drain_interval_s(driver)
    for _ in range(int(seconds / interval_s)):
        clock.now_ns += int(interval_s * 1e9)
        frames += driver.drain_into(buffer).frames
    took_s = time.process_time() - began
    return (took_s - frames * drain_s(chip)) / seconds


def seconds_a_call(call: Callable[[], object]) -> float:
    """The fastest of some rounds: this machine is shared."""
    rounds = []
    for _ in range(7):
        began = time.process_time()
        for _ in range(REPEATS):
            call()
        rounds.append((time.process_time() - began) / REPEATS)
    return min(rounds)
