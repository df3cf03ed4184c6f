"""Whatever levels, stalls and faults come: a frame arrives once, in order, or is counted lost."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.core.block import GOOD
from agent.drain import drain_interval_s
from tests.fault_rig import ACCELEROMETERS, Place
from tests.held_up import Rig

EXAMPLES_MAX = 80
EXAMPLES_HZ = 400_000  # of the fastest chips there are fewer, as each takes longer
# The count is the clock's: right to so many frames at each break, and to what the rate of a chip
# that is not known yet leaves open.
FRAMES_A_BREAK = 3
RATE_UNKNOWN = 0.02

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
    before = rig.sampler.overruns
    full = rig.spoilt.driver.fifo_frames - 2
    for level in range(1, full, 1 if full < 100 else 50):
        rig.do(("batch", 1000.0 * level / rig.true_hz))
        for _ in range(3):  # what came while the burst took its time
            rig.do(("batch", 0.1))
    assert rig.sampler.overruns == before and rig.maker.lost_total == 0
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
    allowed = breaks * FRAMES_A_BREAK + RATE_UNKNOWN * missing
    assert abs(rig.maker.lost_total - missing) <= allowed, f"{rig.maker.lost_total} of {missing}"
