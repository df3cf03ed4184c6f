"""Whatever levels, stalls and faults come: a frame arrives once, in order, or is counted lost."""

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.analysis.decode import decode
from agent.core.block import GOOD
from agent.core.blockmaker import BlockMaker
from agent.drain import Drainer, reason_of
from agent.limits import FIT_SPAN_S, RATE_ERROR_MAX
from agent.play import SteppedClock
from drivers.adxl345 import Adxl345
from drivers.device import SensorFault
from hw.sim.adxl345 import SimAdxl345
from hw.sim.bus import SimSpi
from hw.sim.faults import Faulty

RATE_HZ = 800
COUNTS = 2000  # a frame's number, written into two axes, each in counts of 1/256 g


def numbered(t0_s: float, period_s: float, count: int) -> list[float]:
    first = round(t0_s / period_s)
    values: list[float] = []
    for number in range(first, first + count):
        values += [(number % COUNTS) / 256, (number // COUNTS) / 256, 1.0]
    return values


class Rig:
    """The drain loop of the agent in stepped time, a faulty chip before it."""

    def __init__(self) -> None:
        self.clock = SteppedClock()
        self.clock.now_ns = 5_000_000_000
        self.chip = Faulty(SimAdxl345(numbered))
        self.port = SimSpi(self.chip, self.clock.monotonic_ns)
        self.drainer = Drainer("de", Adxl345(self.port, RATE_HZ), self.clock)
        self.maker = BlockMaker("de", RATE_HZ, FIT_SPAN_S, RATE_ERROR_MAX)
        self.running = False
        self.blocks: list[Any] = []

    def do(self, action: tuple[str, float]) -> None:
        kind, value = action
        self.clock.now_ns += int(value * 1e6)
        if kind == "fault":
            self.port.fail_with = OSError(110, "timed out")
        elif kind == "reset":
            self.chip.brown_out()
        else:
            self.port.fail_with = None
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

    def numbers(self, block: Any) -> list[int]:
        values = np.rint(decode(block.raw, Adxl345.layout) * 256).astype(int)
        return [int(y) * COUNTS + int(x) for x, y, _ in values]


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("drain"), st.floats(1.0, 30.0)),
        st.tuples(st.just("batch"), st.floats(1.0, 30.0)),
        st.tuples(st.just("batch"), st.floats(30.0, 400.0)),
        st.tuples(st.just("fault"), st.floats(1.0, 300.0)),
        st.tuples(st.just("reset"), st.floats(1.0, 20.0)),
    ),
    min_size=5,
    max_size=60,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ACTIONS)
def test_each_frame_arrives_once_in_order_or_is_counted_as_lost(
    actions: list[tuple[str, float]],
) -> None:
    rig = Rig()
    rig.do(("batch", 5.0))
    begun = rig.clock.now_ns * RATE_HZ // 10**9  # the number of the frame before the first
    for action in actions:
        rig.do(action)
    rig.port.fail_with = None
    for _ in range(4):  # what is still held comes, and what was lost before it is counted
        rig.do(("batch", 400.0))
        rig.do(("batch", 5.0))
    last = None
    missing = 0
    for block in rig.blocks:
        numbers = rig.numbers(block)
        jumps = [b - a for a, b in pairwise(numbers)]
        if last is not None and numbers:
            jumps.insert(0, numbers[0] - last)
        elif numbers:
            missing += max(0, numbers[0] - begun - 1)
        assert all(jump >= 1 for jump in jumps), "a frame came twice or out of order"
        gap = sum(jump - 1 for jump in jumps)
        if block.status == GOOD:
            inside = sum(b - a - 1 for a, b in pairwise(numbers))
            assert inside == 0, "a good block holds a gap"
            assert gap == 0 or block.lost, "frames are missing and nobody says so"
        missing += gap
        last = numbers[-1] if numbers else last
    breaks = 1 + sum(block.status != GOOD for block in rig.blocks)
    # The count is the clock's: right to a few frames at each break.
    assert abs(rig.maker.lost_total - missing) <= 4 * breaks + 0.02 * missing
