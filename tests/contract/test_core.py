"""The portable core on both interpreters: clock fit, windows, alarm, mailbox, bulletin."""

import asyncio

from agent.core.alarm import ALARM, NORMAL, WARNING, new_alarm
from agent.core.block import GOOD, OUT_OF_SPEC, Block
from agent.core.bulletin import Bulletin
from agent.core.clockfit import ClockFit
from agent.core.ladder import (
    CLOCKS,
    ISOLATED,
    REOPEN,
    RESTART,
    RETRY,
    Ladder,
    Rules,
    kind_of_errno,
)
from agent.core.losscount import LossCount
from agent.core.mailbox import Mailbox
from agent.core.operating_state import REST, RUNNING, STOPPED, unseen_machine
from agent.core.window import WindowCutter
from tests.contract.tools import Chance, near, raised

NS = 1_000_000_000
LADDER = Rules((0.5, 1.0, 2.0), 10, True)


def test_the_recovery_ladder_climbs_by_the_kind_of_failure_and_falls_by_work() -> None:
    for number, rungs in (
        (121, (RETRY, RESTART, REOPEN, ISOLATED)),
        (110, (RETRY, RESTART, CLOCKS, REOPEN, ISOLATED)),
        (2, (REOPEN, ISOLATED)),
    ):
        ladder = Ladder(LADDER)
        for rung in rungs:
            ladder = ladder.failed(kind_of_errno(number))
            assert ladder.rung == rung and ladder.words()
        for delay_s in (1.0, 2.0, 2.0):
            ladder = ladder.failed(kind_of_errno(number))
            assert ladder.delay_s == delay_s and ladder.clocks == (number == 110)
        for _ in range(9):
            ladder = ladder.worked()
        assert ladder.rung == ISOLATED and ladder.worked().words() == ""


def test_a_chips_true_rate_is_fitted_through_late_readings() -> None:
    for seed in range(5):
        chance = Chance(seed)
        fit = ClockFit(3200.0, 20.0)
        for place in range(100):
            at_ns = NS + place * NS // 10
            late_ns = int(chance.number() * 15e6) if chance.number() > 0.5 else 20_000
            fit.observe(int(3264.0 * place / 10), at_ns + late_ns)
        found = fit.fit()
        assert found is not None
        assert near(found.rate_hz, 3264.0, 3.3), (seed, found)


def test_stretches_between_overruns_tell_one_rate() -> None:
    chance = Chance(3)
    fit = ClockFit(3200.0, 20.0)
    index = 0
    for stretch in range(20):  # of 0.3 s, 50 frames lost between two of them
        fit.broke()
        for place in range(4):
            at_ns = NS + (stretch * 4 + place) * NS // 10
            fit.observe(index, at_ns + int(chance.number() * 2e5))
            index += 333 - (50 if place == 3 else 0)
    found = fit.fit()
    assert found is not None
    assert near(found.rate_hz, 3330.0, 6.0), found
    assert found.rate_error < 0.005


def test_each_loss_of_a_chip_4_percent_fast_is_counted() -> None:
    chance = Chance(7)
    count = LossCount(3200.0, 0.06)
    count.knows(3328.0, 0.001)
    lost = counted = 0
    for drain in range(2000):  # every 4 ms; each twentieth time 40 frames were lost
        if drain % 20 == 10:
            count.broke()
            lost += 40
        late_ns = int(chance.number() * 1e6)
        count.saw(13312 * drain // 1000 - lost, drain * 4_000_000 + late_ns)
        counted += count.take()
        assert counted >= lost - 2, (drain, counted, lost)
    assert counted <= lost + 20, (counted, lost)  # of 26624, at 100 breaks


def _block(seq: int, raw: bytes, status: str = GOOD, lost: int = 0) -> Block:
    return Block("s", seq, seq * NS, 10.0, 1e-4, raw, len(raw) // 2, lost, status, ("", {}))


def test_each_frame_enters_a_window_once_and_in_order() -> None:
    cutter = WindowCutter(4, 4, 2)
    sent = bytes(range(80))
    windows = []
    at = 0
    for seq, frames in enumerate((1, 7, 3, 9, 2, 6, 12)):
        windows += cutter.take(_block(seq, sent[2 * at : 2 * (at + frames)]))
        at += frames
    assert b"".join([window.raw for window in windows]) == sent


def test_a_loss_starts_the_window_anew() -> None:
    cutter = WindowCutter(4, 2, 2)
    assert cutter.take(_block(1, b"aabbcc")) == []
    assert cutter.take(_block(2, b"dd", OUT_OF_SPEC)) == []
    assert cutter.take(_block(3, b"eeff")) == []
    (window,) = cutter.take(_block(4, b"gghh"))
    assert window.raw == b"eeffgghh"


def test_an_alarm_needs_n_of_m_and_clears_when_m_are_clean() -> None:
    alarm = new_alarm(2, 3)
    assert alarm.after(ALARM).level == NORMAL
    alarm = alarm.after(ALARM).after(None).after(ALARM)
    assert alarm.level == ALARM
    for _ in range(3):
        alarm = alarm.after(NORMAL)
    assert alarm.level == NORMAL
    assert alarm.after(WARNING).after(WARNING).level == WARNING
    raised(ValueError, new_alarm, 4, 3)


def test_a_machine_counts_as_running_when_it_has_settled() -> None:
    state = unseen_machine(2, 0.05)
    assert state.after(1.0).name != RUNNING
    assert state.after(1.0).after(1.0).name == RUNNING
    running = state.after(1.0).after(1.0)
    for _ in range(REST):
        running = running.after(0.01)
    assert running.name == STOPPED


def test_a_full_mailbox_drops_the_oldest_and_counts_it() -> None:
    async def scene() -> None:
        box = Mailbox(2)
        for item in (1, 2, 3):
            box.put(item)
        assert box.dropped == 1 and await box.get() == 2 and box.get_nowait() == 3
        assert box.get_nowait() is None

    asyncio.run(scene())


def test_a_bulletin_wakes_its_reader_when_something_changed() -> None:
    async def scene() -> None:
        bulletin = Bulletin()
        seen = []

        async def read() -> None:
            seen.append(await bulletin.changed(0))

        reader = asyncio.create_task(read())
        await asyncio.sleep(0)
        bulletin.post("a", 1)
        await reader
        assert seen == [1]
        bulletin.post("a", 1)
        assert bulletin.version == 1
        bulletin.degrade("store", "in memory")
        assert bulletin.get("degraded") == {"store": "in memory"}

    asyncio.run(scene())
