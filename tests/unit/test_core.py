"""Clock fit, blocks, windows, alarm and operating state: the portable core, on CPython."""

import random
from typing import Any

import pytest

from agent.core.alarm import ALARM, NORMAL, WARNING, new_alarm
from agent.core.block import FAILURE, GOOD, OUT_OF_SPEC, Block
from agent.core.blockmaker import BlockMaker
from agent.core.clockfit import ClockFit
from agent.core.mailbox import Mailbox
from agent.core.operating_state import REST, unseen_machine
from agent.core.window import WindowCutter
from agent.ports import FrameBatch

NS = 1_000_000_000


def observe_for(fit: ClockFit, seconds: float, true_hz: float, seed: int) -> None:
    """Batches every 100 ms, each seen late by up to 15 ms of scheduling stalls."""
    chance = random.Random(seed)
    t_ns = 5 * NS
    while t_ns < (5 + seconds) * NS:
        tick = int(true_hz * (t_ns - 5 * NS) / NS)
        late_ns = int(chance.choice([2e4, 1e5, 3e5, 15e6]) * chance.random())
        fit.observe(tick, t_ns + late_ns)
        t_ns += NS // 10


@pytest.mark.parametrize("error", [-0.04, 0.0, 0.02, 0.04])
@pytest.mark.parametrize("seed", range(8))
def test_the_rate_is_known_to_a_thousandth_after_ten_seconds(error: float, seed: int) -> None:
    fit = ClockFit(3200.0, 20.0)
    true_hz = 3200.0 * (1 + error)
    observe_for(fit, 10.0, true_hz, seed)
    found = fit.fit()
    assert found is not None
    assert found.rate_hz == pytest.approx(true_hz, rel=1e-3), f"seed {seed}"


def test_no_line_is_drawn_through_too_few_points() -> None:
    fit = ClockFit(3200.0, 20.0)
    observe_for(fit, 0.3, 3200.0, 1)
    assert fit.fit() is None


def test_the_stated_uncertainty_holds_the_true_rate() -> None:
    held = 0
    for seed in range(40):
        fit = ClockFit(3200.0, 20.0)
        observe_for(fit, 10.0, 3264.0, seed)
        found = fit.fit()
        assert found is not None
        held += abs(found.rate_hz / 3264.0 - 1) <= found.rate_error
    assert held >= 30, held


def batch(
    frames: int,
    ticks: int,
    at_s: float,
    overrun: bool = False,
    fault: Any = "",
    stretch: int = 1,
) -> FrameBatch:
    """As a drain loop makes it that drained once."""
    at_ns = int(at_s * NS)
    points = ((stretch + overrun, ticks, at_ns),) if frames else ()
    return FrameBatch("s", bytes(frames * 2), frames, ticks, at_ns, overrun, fault, points)


def steady_maker() -> tuple[BlockMaker, int]:
    """A maker that has seen 2 s of 1000 Hz in batches of 100."""
    maker = BlockMaker("s", 1000.0, 20.0, 0.06)
    for step in range(1, 21):
        maker.take(batch(100, step * 100, step * 0.1))
    return maker, 2000


def test_blocks_follow_one_another_in_time() -> None:
    maker, ticks = steady_maker()
    one = maker.take(batch(100, ticks + 100, 2.1))
    two = maker.take(batch(100, ticks + 200, 2.2))
    assert one.status == two.status == GOOD
    assert two.t0_ns - one.t0_ns == pytest.approx(0.1 * NS, rel=1e-3)
    assert two.rate_hz == pytest.approx(1000.0, rel=1e-6)


def test_an_overrun_says_how_many_frames_are_missing() -> None:
    maker, ticks = steady_maker()
    block = maker.take(batch(32, ticks + 32, 2.0 + 0.332, overrun=True))
    assert block.status == OUT_OF_SPEC and block.reason[0] == "overrun"
    assert block.lost == pytest.approx(300, abs=5)
    assert maker.lost_total == block.lost


@pytest.mark.parametrize("dropped", [1, 5, 20])
def test_batches_that_a_full_mailbox_dropped_are_counted_to_the_frame(dropped: int) -> None:
    maker, ticks = steady_maker()
    box = Mailbox(3)
    for step in range(1, dropped + 4):
        box.put(batch(100, ticks + 100 * step, 2.0 + 0.1 * step))
    first, *others = [maker.take(box.get_nowait()) for _ in range(3)]
    assert (first.lost, first.status, first.reason[0]) == (100 * dropped, OUT_OF_SPEC, "gap")
    assert [block.lost for block in others] == [0, 0]
    assert maker.lost_total == 100 * dropped == box.dropped_frames


@pytest.mark.parametrize("ticks_again", [100, 4000])
def test_a_dropped_fault_is_found_by_a_count_that_began_anew(ticks_again: int) -> None:
    maker, _ = steady_maker()
    block = maker.take(batch(100, ticks_again, 2.0 + 30.0, stretch=3))
    assert block.lost == pytest.approx(30_000, rel=0.01)


def test_a_window_is_never_cut_across_blocks_that_a_full_mailbox_dropped() -> None:
    maker, cutter, box = BlockMaker("s", 1000.0, 20.0, 0.06), WindowCutter(8, 8, 2), Mailbox(3)
    assert cutter.take(numbered(maker, 0, 4, 4, 0.004)) == []
    for step in range(1, 7):
        box.put(numbered(maker, 4 * step, 4, 4 * step + 4, (4 * step + 4) / 1000))
    windows = [window for _ in range(3) for window in cutter.take(box.get_nowait())]
    (numbers,) = [
        [int.from_bytes(w.raw[i : i + 2], "big") for i in range(0, 16, 2)] for w in windows
    ]
    assert numbers == list(range(16, 24))
    assert box.dropped_frames == 12


def test_a_bus_fault_is_a_failure_with_its_text() -> None:
    maker, _ = steady_maker()
    block = maker.take(batch(0, 0, 2.5, fault=("bus", {"errno": 121})))
    assert (block.status, block.frames) == (FAILURE, 0)
    assert block.reason == ("bus", {"errno": 121})


def test_a_rate_that_no_oscillator_has_is_out_of_spec() -> None:
    maker = BlockMaker("s", 1000.0, 20.0, 0.06)
    for step in range(1, 21):
        block = maker.take(batch(110, step * 110, step * 0.1))
    assert block.status == OUT_OF_SPEC and block.reason[1]["rate_hz"] == 1100


def numbered(maker: BlockMaker, first: int, count: int, ticks: int, at_s: float) -> Block:
    raw = b"".join(n.to_bytes(2, "big") for n in range(first, first + count))
    at_ns = int(at_s * NS)
    points = ((1, ticks, at_ns),) if count else ()
    return maker.take(FrameBatch("s", raw, count, ticks, at_ns, False, "", points))


def test_each_frame_enters_each_window_once_and_in_order() -> None:
    cutter = WindowCutter(8, 4, 2)
    maker = BlockMaker("s", 1000.0, 20.0, 0.06)
    chance, sent, seen = random.Random(4), 0, []
    for step in range(1, 60):
        count = chance.randint(0, 11)
        block = numbered(maker, sent, count, sent + count, (sent + count) / 1000)
        sent += count
        for window in cutter.take(block):
            numbers = [int.from_bytes(window.raw[i : i + 2], "big") for i in range(0, 16, 2)]
            assert numbers == list(range(numbers[0], numbers[0] + 8)), step
            seen.append(numbers[0])
    assert seen == list(range(0, 4 * len(seen), 4))
    assert len(seen) == (sent - 8) // 4 + 1


def test_no_window_spans_a_gap() -> None:
    cutter = WindowCutter(200, 200, 2)
    maker, ticks = steady_maker()
    assert cutter.take(maker.take(batch(150, ticks + 150, 2.15))) == []
    assert cutter.take(maker.take(batch(150, ticks + 300, 2.6, overrun=True))) == []
    assert cutter.take(maker.take(batch(150, ticks + 450, 2.75))) == []
    assert len(cutter.take(maker.take(batch(150, ticks + 600, 2.9)))) == 1


def test_n_of_m_windows_raise_and_m_clean_ones_clear() -> None:
    alarm = new_alarm(3, 4)
    for level, expected in [
        (WARNING, NORMAL),
        (WARNING, NORMAL),
        (NORMAL, NORMAL),
        (WARNING, WARNING),
        (NORMAL, WARNING),
        (NORMAL, WARNING),
        (NORMAL, WARNING),
        (NORMAL, NORMAL),
    ]:
        alarm = alarm.after(level)
        assert alarm.level == expected


def test_an_alarm_outranks_warnings_and_falls_back_to_them() -> None:
    alarm = new_alarm(2, 3)
    for level in (ALARM, ALARM):
        alarm = alarm.after(level)
    assert alarm.level == ALARM
    for level in (WARNING, WARNING, WARNING):
        alarm = alarm.after(level)
    assert alarm.level == WARNING


def test_an_untrusted_window_changes_nothing() -> None:
    alarm = new_alarm(1, 2).after(ALARM)
    assert alarm.after(None) is alarm


def test_a_machine_runs_only_after_it_settled_and_stops_once_it_is_still() -> None:
    state = unseen_machine(3, 0.05)
    names = []
    for velocity in [0.01, 0.2, 0.2, 0.2] + REST * [0.01] + [0.2]:
        state = state.after(velocity)
        names.append(state.name)
    moving = ["stopped", "starting", "starting"] + REST * ["running"]
    assert names == [*moving, "stopped", "starting"]
