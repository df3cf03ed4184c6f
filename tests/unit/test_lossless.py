"""Whatever levels, stalls and faults come: a frame arrives once, in order, or is counted lost."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.analysis.decode import decode
from agent.core.block import GOOD
from agent.drain import Drainer, reason_of
from agent.play import SteppedClock
from agent.stages.acquire import block_maker
from drivers.device import SensorFault
from tests.fault_rig import ACCELEROMETERS, CLOCK_ERROR, Place, Spoilt

COUNTS = 1000  # a frame's number, written into two axes, each in steps of the chip
STEPS = {"adxl345": 2, "lis3dh": 16, "lis2dw12": 4}  # of the decoder's, in one of the chip's
EXAMPLES = {"iis3dwb": 15}
EXAMPLES_USUALLY = 80
# The count is the clock's: right to so many frames, or so many seconds of them, at each break.
FRAMES_A_BREAK = 4
SECONDS_A_BREAK = 0.002


def numbered(quantum_g: float) -> Callable[[float, float, int], list[float]]:
    def feel(t0_s: float, period_s: float, count: int) -> list[float]:
        number = round(t0_s / period_s) + np.arange(count)
        counts = np.stack([number % COUNTS, number // COUNTS, np.ones(count)], axis=1)
        return list((quantum_g * counts).reshape(-1))

    return feel


class Rig:
    """The drain loop of the agent in stepped time, a faulty chip before it."""

    def __init__(self, place: Place) -> None:
        self.clock = SteppedClock()
        self.clock.now_ns = 2_000_000_000
        self.spoilt = Spoilt(place, None, self.clock)
        scale_g = self.spoilt.driver.layout.channels[0].scale
        self.quantum_g = STEPS.get(place.chip, 1) * scale_g
        self.spoilt.chip.chip.sampler.source = numbered(self.quantum_g)
        self.drainer = Drainer("de", self.spoilt.driver, self.clock)
        self.maker = block_maker("de", place.rate_hz, False)
        self.true_hz = place.rate_hz * (1 + CLOCK_ERROR)
        self.running = False
        self.blocks: list[Any] = []

    def do(self, action: tuple[str, float]) -> None:
        kind, value = action
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

    def number_now(self) -> int:
        return int(self.clock.now_ns * self.true_hz / 1e9)


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("drain"), st.floats(1.0, 30.0)),
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
        max_examples=EXAMPLES.get(place.chip, EXAMPLES_USUALLY),
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(ACTIONS)
    def holds(actions: list[tuple[str, float]]) -> None:
        delivered_or_counted(place, actions)

    holds()


def delivered_or_counted(place: Place, actions: list[tuple[str, float]]) -> None:
    rig = Rig(place)
    rig.do(("batch", 5.0))
    last = rig.number_now()
    for action in actions:
        rig.do(action)
    for _ in range(4):  # what is still held comes, and what was lost before it is counted
        rig.do(("batch", 400.0))
        rig.do(("batch", 5.0))
    missing = 0
    for block in rig.blocks:
        numbers = rig.numbers(block)
        jumps = np.diff(numbers)
        assert (jumps >= 1).all(), "a frame came twice or out of order"
        if block.status == GOOD:
            assert (jumps == 1).all(), "a good block holds a gap"
        if not len(numbers):
            continue
        jump = int(numbers[0]) - last
        assert jump >= 1 or block is rig.blocks[0], "a frame came twice or out of order"
        assert jump <= 1 or block.lost or block is rig.blocks[0], "missing, and nobody says so"
        missing += max(0, jump - 1) + int((jumps - 1).sum())
        last = int(numbers[-1])
    breaks = 1 + sum(block.status != GOOD for block in rig.blocks)
    allowed = breaks * (FRAMES_A_BREAK + SECONDS_A_BREAK * rig.true_hz) + 0.02 * missing
    assert abs(rig.maker.lost_total - missing) <= allowed
