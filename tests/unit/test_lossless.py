"""Whatever levels, stalls and faults come: a frame arrives once, in order, or is counted lost."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.analysis.decode import decode
from agent.chips import known_chips
from agent.core.block import GOOD
from agent.drain import Drainer, drain_interval_s, reason_of
from agent.simulated.play import SteppedClock
from agent.stages.acquire import block_maker
from drivers.device import SensorFault
from hw.sim.bus import I2C_READ_BITS, I2C_WRITE_BITS
from tests.fault_rig import ACCELEROMETERS, CLOCK_ERROR, I2C_HZ, NS, Place, Spoilt

COUNTS = 1000  # a frame's number, written into two axes, each in steps of the chip
SPI_HZ = 5_000_000
EXAMPLES_MAX = 80
EXAMPLES_HZ = 400_000  # of the fastest chips there are fewer, as each takes longer
# The count is the clock's: right to so many frames, or so many seconds of them, at each break.
FRAMES_A_BREAK = 4
SECONDS_A_BREAK = 0.002


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

    def __init__(self, place: Place) -> None:
        self.clock = SteppedClock()
        self.clock.now_ns = 2_000_000_000
        chip = known_chips()[place.chip]
        speed_hz = min(I2C_HZ if place.i2c else SPI_HZ, chip.speed_hz_max)
        self.spoilt = Spoilt(place, None, self.clock, self._slow(speed_hz))
        self.quantum_g = step_g(place)
        self.spoilt.chip.chip.sampler.source = numbered(self.quantum_g)
        frame_s = chip.wire_bits[0 if place.i2c else 1] / speed_hz
        self.drainer = Drainer("de", self.spoilt.driver, self.clock, frame_s)
        self.maker = block_maker("de", place.rate_hz, False)
        self.true_hz = place.rate_hz * (1 + CLOCK_ERROR)
        self.running = False
        self.blocks: list[Any] = []

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
                self.blocks.append(self.maker.take(self.drainer.batch()))
        except (OSError, SensorFault) as error:
            self.running = False
            self.blocks.append(self.maker.take(self.drainer.fault(reason_of(error))))

    def numbers(self, block: Any) -> Any:
        """The number of each frame of a block, shape (frames,)."""
        values = decode(block.raw, self.spoilt.driver.layout)
        counts = np.rint(values / self.quantum_g).astype(int)
        return counts[:, 1] * COUNTS + counts[:, 0]


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("drain"), st.floats(1.0, 30.0)),
        st.tuples(st.just("held"), st.floats(0.1, 60.0), st.integers(0, 35)),
        st.tuples(st.just("held"), st.floats(1.0, 60.0), st.just(1)),
        st.tuples(st.just("batch"), st.floats(1.0, 30.0)),
        st.tuples(st.just("batch"), st.floats(30.0, 400.0)),
        st.tuples(st.just("fault"), st.floats(1.0, 300.0)),
        st.tuples(st.just("pulled"), st.floats(1.0, 300.0)),
        st.tuples(st.just("reset"), st.floats(1.0, 20.0)),
    ),
    min_size=5,
    max_size=60,
)


@pytest.mark.parametrize("place", ACCELEROMETERS, ids=str)
def test_each_frame_arrives_once_in_order_or_is_counted_as_lost(place: Place) -> None:
    @settings(
        max_examples=min(EXAMPLES_MAX, EXAMPLES_HZ // place.rate_hz),
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(ACTIONS)
    def holds(actions: list[Any]) -> None:
        delivered_or_counted(place, actions)

    holds()


@pytest.mark.parametrize("place", ACCELEROMETERS, ids=str)
@pytest.mark.parametrize("ms", [5.0, 15.0, 30.0, 60.0])
@pytest.mark.parametrize("transfers", [1, 2, 9])
def test_a_host_held_up_within_a_drain_loses_nothing_in_silence(
    place: Place, ms: float, transfers: int
) -> None:
    running = [("batch", 1000.0 * drain_interval_s(Rig(place).spoilt.driver))] * 20
    delivered_or_counted(place, [*running, ("held", ms, transfers), *running])


@pytest.mark.parametrize("place", ACCELEROMETERS, ids=str)
def test_a_drain_that_only_takes_its_time_on_the_wire_is_no_overrun(place: Place) -> None:
    rig = Rig(place)
    rig.do(("batch", 5.0))
    sampler = rig.spoilt.chip.chip.sampler
    before = sampler.overruns
    full = rig.spoilt.driver.fifo_frames - 2
    for level in range(1, full, 1 if full < 100 else 50):
        rig.do(("batch", 1000.0 * level / rig.true_hz))
        for _ in range(3):  # what came while the burst took its time
            rig.do(("batch", 0.1))
    assert sampler.overruns == before and rig.maker.lost_total == 0
    assert not any(block.reason[0] == "overrun" for block in rig.blocks)


def delivered_or_counted(place: Place, actions: list[Any]) -> None:
    rig = Rig(place)
    for action in [("batch", 5.0), ("batch", 5.0), *actions]:
        rig.do(action)
    for _ in range(4):  # what is still held comes, and what was lost before it is counted
        rig.do(("batch", 400.0))
        rig.do(("batch", 5.0))
    missing, last = 0, None
    for block in rig.blocks:
        numbers = rig.numbers(block)
        jumps = np.diff(numbers)
        assert (jumps >= 1).all(), "a frame came twice or out of order"
        if block.status == GOOD:
            assert (jumps == 1).all(), "a good block holds a gap"
        if not len(numbers):
            continue
        jump = 1 if last is None else int(numbers[0]) - last
        assert jump >= 1, "a frame came twice or out of order"
        assert jump == 1 or block.lost, "missing, and nobody says so"
        missing += jump - 1 + int((jumps - 1).sum())
        last = int(numbers[-1])
    breaks = 1 + sum(block.status != GOOD for block in rig.blocks)
    allowed = breaks * (FRAMES_A_BREAK + SECONDS_A_BREAK * rig.true_hz) + 0.02 * missing
    assert abs(rig.maker.lost_total - missing) <= allowed, f"{rig.maker.lost_total} of {missing}"
