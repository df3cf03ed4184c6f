"""What is counted as lost is what the chip lost, however soon one overrun follows another."""

import random
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from agent.core.blockmaker import UNKNOWN_ERROR, BlockMaker
from agent.core.losscount import SETTLED, LossCount
from agent.limits import BATCH_INTERVAL_S
from agent.ports import FrameBatch
from tests.fault_rig import ACCELEROMETERS, Place
from tests.held_up import Rig

NS = 1_000_000_000
EXAMPLES_HZ = 80_000  # of the fastest chips there are fewer, as each takes longer
STALL_MS = 15.0
STALLS = 0.05  # of all drains, each for 0 to STALL_MS
SHARE = 0.001  # of the frames sampled, and one at each break: the bound that LossCount states


class Overrun(NamedTuple):
    """The host is held up for as long as the FIFO lasts and `over_ms` more, `after_ms` on.

    `transfers`: within a drain, after so many of them; None: between two drains.
    """

    after_ms: float
    over_ms: float
    transfers: int | None


def overruns(soonest_ms: float, latest_ms: float) -> Any:
    one = st.builds(
        Overrun,
        st.floats(soonest_ms, latest_ms),
        st.floats(0.0, STALL_MS),
        st.none() | st.integers(0, 35),
    )
    return st.lists(one, min_size=12, max_size=18)


class HeldUp:
    """A host that drains a chip, hands over every 100 ms and is held up now and then."""

    def __init__(self, place: Place, clock_error: float, seed: int) -> None:
        self.rig = Rig(place, clock_error)
        self._chance = random.Random(seed)
        self._handed_ns = 0
        self._full_ms = 1000.0 * self.rig.spoilt.driver.fifo_frames / place.rate_hz
        self.rig.do(("batch", 5.0))
        self._begun_ns = self._handed_ns = self.rig.clock.now_ns
        self._before = self.rig.sampler.overruns

    def through(self, events: list[Overrun]) -> None:
        for event in events:
            self.listen(event.after_ms)
            self._held(self._full_ms + event.over_ms, event.transfers)
        self.rig.do(("batch", 5.0))  # the last of it is handed over, too

    def listen(self, ms: float) -> None:
        end_ns = self.rig.clock.now_ns + int(ms * 1e6)
        while self.rig.clock.now_ns < end_ns:
            if self._chance.random() < STALLS:
                within = self._chance.choice((None, self._chance.randint(0, 35)))
                self._held(self._chance.uniform(0.0, STALL_MS), within)
            self._turn(0.0)

    def _held(self, ms: float, transfers: int | None) -> None:
        if transfers is None:
            self._turn(ms)
        else:
            self.rig.port.hold(transfers, ms)
            self._turn(0.0)

    def _turn(self, late_ms: float) -> None:
        clock = self.rig.clock
        clock.now_ns += int(self.rig.drainer.interval_s * NS + late_ms * 1e6)
        due = clock.now_ns - self._handed_ns >= BATCH_INTERVAL_S * NS
        if due:
            self._handed_ns = clock.now_ns
        self.rig.turn(hand_over=due)

    @property
    def missing(self) -> int:
        return int(self.rig.sampler.overruns - self._before)

    @property
    def sampled(self) -> float:
        return float(self.rig.true_hz) * (self.rig.clock.now_ns - self._begun_ns) / NS

    @property
    def breaks(self) -> int:
        return len(self.rig.stretches) - 1

    def counts_within(self, frames: float) -> None:
        """What was counted is what is missing, to so many frames and one a break."""
        counted, missing = self.rig.maker.lost_total, self.missing
        told = f"{counted} of {missing} at {self.breaks} breaks"
        assert missing > 0 and abs(counted - missing) <= frames + self.breaks, told


CLOCK_ERRORS = st.sampled_from((-0.04, 0.04)) | st.floats(-0.04, 0.04)
SEEDS = st.integers(0, 999)


def held_up(holds: Any, place: Place, soonest_ms: float, latest_ms: float) -> None:
    """`holds(overruns, the oscillator's error, seed of the stalls)` by the dozen."""
    rules = settings(
        max_examples=min(10, EXAMPLES_HZ // place.rate_hz),
        deadline=None,
        derandomize=True,
        phases=(Phase.explicit, Phase.generate),  # to find a smaller one takes minutes
        suppress_health_check=[HealthCheck.too_slow],
    )
    rules(given(overruns(soonest_ms, latest_ms), CLOCK_ERRORS, SEEDS)(holds))()


@pytest.mark.parametrize("place", ACCELEROMETERS, ids=str)
def test_overruns_every_few_hundred_ms_are_counted_from_the_first_on(place: Place) -> None:
    def holds(events: list[Overrun], clock_error: float, seed: int) -> None:
        host = HeldUp(place, clock_error, seed)
        host.through(events)
        host.counts_within(SHARE * host.sampled)

    held_up(holds, place, 100.0, 700.0)


@pytest.mark.parametrize("place", ACCELEROMETERS, ids=str)
def test_overruns_in_each_batch_are_counted_by_the_rate_known_before(place: Place) -> None:
    def holds(events: list[Overrun], clock_error: float, seed: int) -> None:
        host = HeldUp(place, clock_error, seed)
        host.listen(3000.0)
        host.through(events)
        host.counts_within(SHARE * host.sampled)

    held_up(holds, place, 10.0, 100.0)


@pytest.mark.parametrize("place", ACCELEROMETERS, ids=str)
def test_of_a_chip_not_yet_known_the_count_is_off_by_what_its_rate_may_be(place: Place) -> None:
    def holds(events: list[Overrun], clock_error: float, seed: int) -> None:
        host = HeldUp(place, clock_error, seed)
        host.through(events)
        about_the_breaks = host.missing + 2 * host.rig.spoilt.driver.fifo_frames * host.breaks
        host.counts_within(UNKNOWN_ERROR * about_the_breaks)

    held_up(holds, place, 10.0, 100.0)


TRUE_HZ = 1040.0  # of a chip called 1000 Hz
DRAIN_S = 0.01


class Stream:
    """Batches of ten drains from a chip 4 % fast; frames lost are left out of its count."""

    def __init__(self) -> None:
        self.maker = BlockMaker("s", 1000.0, 20.0, 0.06)
        self.missing = 0
        self._drains = 0
        self._stretch = self._told = 1
        self._ticks = 0

    def lose(self, frames: int) -> None:
        """The chip is read later by so many frames, which are gone."""
        self._drains += round(frames / TRUE_HZ / DRAIN_S)
        self.missing += frames
        self._stretch += 1

    def batch(self) -> FrameBatch:
        before, points = self._ticks, []
        for _ in range(10):
            self._drains += 1
            at_ns = int(self._drains * DRAIN_S * NS)
            self._ticks = int(TRUE_HZ * self._drains * DRAIN_S) - self.missing
            points.append((self._stretch, self._ticks, at_ns))
        frames = self._ticks - before
        overrun, self._told = self._stretch > self._told, self._stretch
        return FrameBatch(
            "s", bytes(2 * frames), frames, self._ticks, at_ns, overrun, "", tuple(points)
        )

    def take(self) -> Any:
        return self.maker.take(self.batch())


def test_what_was_counted_before_the_rate_was_known_is_put_right() -> None:
    stream = Stream()
    stream.take()
    stream.lose(1040)
    assert stream.take().lost == pytest.approx(1000, abs=2), "by the name of the chip"
    for _ in range(30):
        assert stream.take().lost == 0
    assert stream.maker.lost_total == pytest.approx(1040, abs=1)


def test_the_rate_is_known_across_a_break() -> None:
    stream = Stream()
    for _ in range(30):
        block = stream.take()
    for _ in range(5):
        stream.lose(104)
        block = stream.take()
        assert block.rate_hz == pytest.approx(TRUE_HZ, rel=1e-3)
        assert block.rate_error < 1e-3
        assert block.lost == pytest.approx(104, abs=1)


def test_what_the_chip_lost_in_a_batch_that_a_queue_dropped_is_counted_too() -> None:
    stream = Stream()
    for _ in range(30):
        stream.take()
    stream.lose(520)
    dropped = stream.batch().frames
    assert stream.take().lost == pytest.approx(520 + dropped, abs=1)


def test_a_break_is_one_frame_at_least_and_many_of_them_hide_no_loss() -> None:
    count = LossCount(1000.0, 0.0)
    for step in range(1, 101):
        count.broke()
        count.saw(10 * step, 10_000_000 * step)
        assert count.take() == (step > 1)
    count.broke()
    count.saw(1010, 1_110_000_000)
    assert count.take() == 100


def test_what_a_late_count_added_is_taken_off_the_next() -> None:
    count = LossCount(1000.0, 0.0)
    count.saw(0, 0)
    count.broke()
    count.saw(10, 130_000_000)  # 100 were lost, and this was seen 20 ms late
    assert count.take() == 120
    count.saw(20, 120_000_000)
    count.broke()
    count.saw(30, 180_000_000)
    assert (count.take(), 120 + 30) == (30, 150)


def test_a_rate_known_well_enough_changes_no_count_of_before() -> None:
    count = LossCount(1000.0, 0.06)
    count.saw(0, 0)
    count.broke()
    count.saw(0, NS)
    assert count.take() == 1000
    count.knows(1010.0, SETTLED)
    assert count.take() == 10
    count.knows(1040.0, SETTLED)
    assert count.take() == 0
