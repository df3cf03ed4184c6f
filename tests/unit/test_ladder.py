"""The recovery ladder, and a bus thread's turns that climb it; time is stepped."""

import itertools
import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.adapters.clock_os import OsClock
from agent.adapters.sensor import BusThread
from agent.core.ladder import (
    ABSENT,
    CLOCKS,
    ISOLATED,
    REOPEN,
    RESTART,
    RETRY,
    RUNNING,
    SILENT,
    STUCK,
    WRONG,
    Ladder,
    Rules,
    kind_of_errno,
)
from agent.drain import Drainer
from agent.limits import ISOLATED_S, STEADY_BATCHES
from agent.simulated.play import SteppedClock
from drivers.lis3dh import Lis3dh
from hw.sim.bus import SimI2c
from hw.sim.faults import Faulty
from hw.sim.lis3dh import SimLis3dh

NAK, TIMED_OUT = 121, 110
RULES = Rules(ISOLATED_S, STEADY_BATCHES, True)
RECOVERY_S = 5.0


@pytest.mark.parametrize(
    ("kind", "rungs"),
    [
        (SILENT, [RETRY, RESTART, REOPEN, ISOLATED, ISOLATED]),
        (STUCK, [RETRY, RESTART, CLOCKS, REOPEN, ISOLATED, ISOLATED]),
        (ABSENT, [REOPEN, ISOLATED, ISOLATED]),
        (WRONG, [RESTART, REOPEN, ISOLATED, ISOLATED]),
    ],
)
def test_each_kind_of_failure_climbs_the_rungs_that_help(kind: str, rungs: list[int]) -> None:
    ladder, climbed = Ladder(RULES), []
    for _ in rungs:
        ladder = ladder.failed(kind)
        climbed.append(ladder.rung)
    assert climbed == rungs


def test_a_bus_without_a_clock_line_is_never_clocked() -> None:
    ladder = Ladder(Rules(ISOLATED_S, STEADY_BATCHES, False))
    for _ in range(9):
        ladder = ladder.failed(STUCK)
        assert ladder.rung != CLOCKS and not ladder.clocks
    assert ladder.rung == ISOLATED


def test_an_isolated_sensor_is_left_alone_longer_and_longer_and_never_for_ever() -> None:
    ladder, delays = Ladder(RULES), []
    for _ in range(20):
        ladder = ladder.failed(STUCK)
        if ladder.rung == ISOLATED:
            delays.append(ladder.delay_s)
    assert delays == [0.5, 1.0] + [2.0] * (len(delays) - 2)


def test_one_good_batch_is_no_recovery() -> None:
    ladder = Ladder(RULES).failed(WRONG).worked()
    assert ladder.rung == RESTART
    assert ladder.failed(WRONG).rung == REOPEN
    for _ in range(STEADY_BATCHES - 1):
        ladder = ladder.worked()
    assert ladder.rung == RUNNING and ladder.failed(WRONG).rung == RESTART


@given(st.lists(st.sampled_from([SILENT, STUCK, ABSENT, WRONG, "worked"]), max_size=60))
def test_the_ladder_falls_only_by_steady_work(events: list[str]) -> None:
    ladder, good = Ladder(RULES), 0
    for event in events:
        before = ladder.rung
        ladder = ladder.worked() if event == "worked" else ladder.failed(event)
        good = good + 1 if event == "worked" else 0
        assert 0.0 <= ladder.delay_s <= max(ISOLATED_S)
        steady = good >= STEADY_BATCHES or before == RETRY
        assert ladder.rung >= before or (ladder.rung == RUNNING and steady)
        assert event == "worked" or ladder.rung > before or ladder.rung == ISOLATED


@pytest.mark.parametrize(
    ("number", "kind"),
    [(121, SILENT), (6, SILENT), (2, ABSENT), (13, ABSENT), (19, ABSENT)]
    + [(110, STUCK), (5, STUCK), (11, STUCK), (95, STUCK), (None, STUCK)],
)
def test_an_errno_tells_what_the_failure_looks_like(number: int | None, kind: str) -> None:
    assert kind_of_errno(number) == kind


class Recovery:
    """Counts what is done for the bus; `frees`: what nine clocks do; `refuses`: why they cannot."""

    has_clock_line = True

    def __init__(self) -> None:
        self.clocked = self.reopened = 0
        self.frees: Any = lambda: None
        self.refuses = ""

    def clocks(self) -> None:
        self.clocked += 1
        if self.refuses:
            raise OSError(1, self.refuses)
        self.frees()

    def reopen(self) -> None:
        self.reopened += 1


class Rig:
    """LIS3DHs at 0x18 and 0x19 on one I2C bus, whose thread's turns are stepped by hand."""

    def __init__(self, addresses: tuple[int, ...] = (0x18,)) -> None:
        self.clock = SteppedClock()
        self.clock.now_ns = 10**10
        self.chips = {a: Faulty(SimLis3dh(still)) for a in addresses}
        self.port = SimI2c(dict(self.chips), self.clock.monotonic_ns)
        self.recovery = Recovery()
        self.bus = BusThread("i2c1", self.clock, self.recovery)
        self.batches: dict[int, list[Any]] = {a: [] for a in addresses}
        for address in addresses:
            driver = Lis3dh(self.port, 100, address)
            self.bus.add(Drainer(f"s{address}", driver, self.clock))
            self.bus._turns[-1].deliver = self.batches[address].append

    def run(self, seconds: float) -> None:
        end_ns = self.clock.now_ns + int(seconds * 1e9)
        while self.clock.now_ns < end_ns:
            for turn in self.bus._turns:
                if turn.due_ns <= self.clock.now_ns:
                    turn.step(self.clock.now_ns)
            self.clock.now_ns += 1_000_000

    def faults(self, address: int = 0x18) -> list[str]:
        """What is done next, after each failure that was told."""
        return [batch.fault[1]["next"] for batch in self.batches[address] if batch.fault]

    def frames(self, address: int = 0x18) -> int:
        return sum(batch.frames for batch in self.batches[address])

    def climbed(self, address: int = 0x18) -> dict[int, int]:
        place = list(self.chips).index(address)
        return self.bus._turns[place].climbed


def still(t0_s: float, period_s: float, count: int) -> list[float]:
    return [0.0, 0.0, 1.0] * count


def test_each_step_is_told_and_counted() -> None:
    rig = Rig()
    rig.run(1.0)
    rig.chips[0x18].pulled = True
    rig.run(1.0)
    told = ["transfer retried", "chip re-initialised", "bus reopened", "left alone for 0.5 s"]
    told += ["left alone for 1 s"]
    assert len(rig.faults()) == len(told)
    for words, fault in zip(told, rig.faults(), strict=True):
        assert fault == words
    assert rig.climbed() == {RETRY: 1, RESTART: 1, REOPEN: 1, ISOLATED: 2}
    assert rig.recovery.clocked == 0, "a bus that says NAK does not hang"


@pytest.mark.parametrize("pulled_s", [0.05, 0.7, 3.0, 30.0])
def test_a_sensor_pulled_and_put_back_returns_by_itself(pulled_s: float) -> None:
    rig = Rig()
    rig.run(1.0)
    rig.chips[0x18].pulled = True
    rig.run(pulled_s)
    rig.chips[0x18].pulled = False
    rig.chips[0x18].brown_out()
    rig.run(RECOVERY_S - 2.0)
    rig.batches[0x18].clear()
    rig.run(1.0)
    assert rig.faults() == [] and rig.frames() >= 80, "two drains may lie outside the second"


def test_one_refused_transfer_costs_no_start_of_the_chip() -> None:
    rig = Rig()
    rig.run(1.0)
    before = rig.frames()
    rig.clock.now_ns += 250_000_000
    rig.port.fail_with = OSError(NAK, "no acknowledge")
    rig.bus._turns[0].step(rig.clock.now_ns)
    rig.port.fail_with = None
    rig.run(1.0)
    assert rig.climbed() == {RETRY: 1}
    assert rig.frames() - before >= 122, "the FIFO kept what was not read"


def test_a_storm_of_refusals_is_retried_and_costs_no_sample() -> None:
    rig = Rig()
    rig.run(1.0)
    before = rig.frames()
    rig.chips[0x18].nak_every = 7
    rig.run(10.0)
    assert set(rig.climbed()) == {RETRY} and rig.climbed()[RETRY] > 20
    assert rig.frames() - before >= 980
    assert not any(batch.overrun for batch in rig.batches[0x18])


def test_transfers_that_hang_now_and_then_are_not_retried_for_ever() -> None:
    rig = Rig((0x18, 0x19))
    rig.run(1.0)

    class Hanging(Faulty):
        asked = 0

        def advance(self, now_ns: int) -> None:
            self.asked += 1
            if self.asked % 20 == 0:
                raise OSError(TIMED_OUT, "timed out")
            super().advance(now_ns)

    rig.port._chips[0x18] = Hanging(rig.chips[0x18])
    rig.run(10.0)
    assert rig.climbed()[ISOLATED] >= 3 and rig.climbed().get(RETRY, 0) <= 2


def test_a_bus_that_hangs_is_freed_by_clocks() -> None:
    rig = Rig()
    rig.run(1.0)
    rig.port.fail_with = OSError(TIMED_OUT, "timed out")

    def free() -> None:
        rig.port.fail_with = None

    rig.recovery.frees = free
    rig.run(1.0)
    assert rig.recovery.clocked == 1 and rig.climbed() == {RETRY: 1, RESTART: 1, CLOCKS: 1}
    rig.batches[0x18].clear()
    rig.run(1.0)
    assert rig.faults() == [] and rig.frames() >= 98


def test_a_bus_that_cannot_be_clocked_says_why() -> None:
    rig = Rig()
    rig.recovery.refuses = "no rights to /sys/bus"
    rig.port.fail_with = OSError(TIMED_OUT, "timed out")
    rig.run(1.0)
    assert CLOCKS not in rig.climbed(), "what was not given is not counted"
    assert rig.faults()[-1].endswith("; nine clocks were not possible: no rights to /sys/bus")
    assert rig.recovery.reopened >= 2


def test_a_bus_on_which_another_chip_answers_is_not_clocked() -> None:
    rig = Rig((0x18, 0x19))
    rig.run(1.0)
    chip = rig.port._chips[0x18] = Refusing()
    rig.run(5.0)
    assert chip.asked > 4 and rig.recovery.clocked == 0
    assert rig.frames(0x19) >= 580 and rig.faults(0x19) == []
    assert not any(batch.overrun for batch in rig.batches[0x19])


class Refusing:
    """A chip that hangs the transfer instead of answering."""

    asked = 0

    def advance(self, now_ns: int) -> None:
        self.asked += 1
        raise OSError(TIMED_OUT, "timed out")


def test_a_chip_that_times_out_takes_little_of_its_neighbours_time() -> None:
    rig = Rig((0x18, 0x19))
    rig.run(1.0)

    class Slow(Refusing):
        def advance(self, now_ns: int) -> None:
            rig.clock.now_ns += 10**9  # what i2c-dev waits
            super().advance(now_ns)

    rig.port._chips[0x18] = Slow()
    rig.run(20.0)
    rig.batches[0x19].clear()
    rig.run(30.0)
    drained = [b.mono_ns for b in rig.batches[0x19]]
    waits = sum(1 for a, b in itertools.pairwise(drained) if b - a > 0.9e9)
    assert 8 <= waits <= 11, "one attempt of a second in three"
    assert rig.faults(0x19) == []


def test_a_bus_that_hangs_costs_the_other_bus_no_sample() -> None:
    hanging, released = threading.Event(), threading.Event()

    class Hanging(SimI2c):
        def readfrom_mem_into(self, address: int, register: int, buffer: Any) -> None:
            hanging.set()
            released.wait(10)
            raise OSError(TIMED_OUT, "timed out")

    clock = OsClock()
    chips = [SimLis3dh(still), SimLis3dh(still)]
    ports = [
        Hanging({0x18: chips[0]}, clock.monotonic_ns),
        SimI2c({0x18: chips[1]}, clock.monotonic_ns),
    ]
    threads: list[BusThread] = []
    got: list[Any] = []
    for place, port in enumerate(ports):
        thread = BusThread(f"i2c{place}", clock)
        thread.add(Drainer("s", Lis3dh(port, 100, 0x18), clock))
        threads.append(thread)
    threads[1]._turns[0].deliver = got.append
    for thread in threads:
        thread.start()
    assert hanging.wait(5)
    began = time.monotonic()
    while sum(batch.frames for batch in got) < 100 and time.monotonic() - began < 10:
        released.wait(0.05)
    released.set()
    for thread in threads:
        thread.stop()
    assert sum(batch.frames for batch in got) >= 100
    assert not any(batch.fault or batch.overrun for batch in got)
