"""What is said of a channel: status apart from judgement, glitches, thermocouples, slow changes."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from agent.analysis.fitted import (
    DRIFT_G,
    LEARN_WINDOWS,
    MOVED_DEG,
    Fitted,
    from_json,
    to_json,
)
from agent.chips import known_chips
from agent.core.block import CHECK, FAILURE, GOOD, MAINTENANCE, OUT_OF_SPEC, judgeable
from agent.core.blockmaker import BlockMaker
from agent.core.channel import Channel
from agent.core.clockfit import ClockFit
from agent.core.thermocouple import (
    BELOW_COLD_S,
    JUMP_HOLD_S,
    SAME_S,
    STEP_DEGC,
    Thermocouple,
    finest_step_degc,
)
from agent.limits import RATE_ERROR_MAX, RATE_OUT_OF_SPEC
from agent.ports import FrameBatch

NS = 1_000_000_000
SOUND: Any = (GOOD, ("", {}))
GLITCH = (CHECK, ("frames", {"said": "a bit", "frames": 1}))


# The rate


def fitted_after(seconds: float, nominal_hz: float, seed: int) -> tuple[Any, float]:
    """(the fit, the true rate): 4 % off, every batch seen 0 to 15 ms late."""
    chance = random.Random(seed)
    true_hz = nominal_hz * (1 + chance.choice((-0.04, 0.04)))
    fit, phase = ClockFit(nominal_hz, 20.0), chance.random()
    for step in range(int(10 * seconds)):
        at_ns = step * NS // 10
        fit.observe(int(true_hz * at_ns / NS + phase), at_ns + int(chance.random() * 15e6))
    return fit.fit(), true_hz


@pytest.mark.parametrize("nominal_hz", [100.0, 1344.0, 3200.0, 26667.0])
def test_stalls_of_15_ms_leave_a_thousandth_after_ten_seconds(nominal_hz: float) -> None:
    held = 0
    for seed in range(100):
        fit, true_hz = fitted_after(10.0, nominal_hz, seed)
        off = abs(fit.rate_hz / true_hz - 1)
        assert off <= 1e-3, f"seed {seed}: {off:.2e}"
        held += off <= fit.rate_error
    assert held >= 95, f"the stated uncertainty held the true rate in {held} of 100"


@pytest.mark.parametrize("seconds", [1.0, 2.0, 5.0, 20.0])
def test_the_stated_uncertainty_holds_from_the_first_second_on(seconds: float) -> None:
    held = 0
    for seed in range(100):
        fit, true_hz = fitted_after(seconds, 3200.0, seed)
        held += abs(fit.rate_hz / true_hz - 1) <= fit.rate_error
    assert held >= 95, held


def blocks_of(rate_share: float) -> list[Any]:
    """Blocks of three seconds from a chip whose clock is off by `rate_share`."""
    maker = BlockMaker("s", 1000.0, 20.0, RATE_ERROR_MAX, RATE_OUT_OF_SPEC)
    made, before = [], 0
    for step in range(1, 31):
        ticks = round(step * 100 * (1 + rate_share))
        frames, before = ticks - before, ticks
        raw, at_ns = bytes(2 * frames), step * NS // 10
        points = ((1, ticks, at_ns),)
        made.append(maker.take(FrameBatch("s", raw, frames, ticks, at_ns, False, "", points)))
    return made


@pytest.mark.parametrize(
    ("share", "status", "code", "judged"),
    [
        (-0.019, GOOD, "", True),
        (0.019, GOOD, "", True),
        (0.021, OUT_OF_SPEC, "rate_off", True),
        (-0.04, OUT_OF_SPEC, "rate_off", True),
        (0.07, OUT_OF_SPEC, "rate_wrong", False),
    ],
)
def test_an_oscillator_off_is_out_of_spec_and_yet_judged(
    share: float, status: str, code: str, judged: bool
) -> None:
    last = [block for block in blocks_of(share) if block.rate_error < 0.06][-1]
    assert (last.status, last.reason[0], judgeable(last)) == (status, code, judged)


def test_every_block_carries_a_rate_that_its_uncertainty_holds() -> None:
    for block in blocks_of(0.04):
        assert abs(block.rate_hz / 1040.0 - 1) <= block.rate_error + 1e-9


# The channel


def test_a_channel_is_being_configured_until_something_comes() -> None:
    channel = Channel(2, 8)
    assert channel.trust == (CHECK, ("starting", {}))
    assert channel.after("block", SOUND).trust == SOUND


def test_the_worst_that_is_said_is_the_status() -> None:
    channel = Channel(2, 8).after("block", (OUT_OF_SPEC, ("rate_off", {})))
    worse = channel.after("fitted", (MAINTENANCE, ("moved", {}))).after("window", GLITCH)
    assert worse.trust == GLITCH
    assert worse.after("window", SOUND).trust[1][0] == "rate_off"


def test_a_single_glitch_is_no_failure_and_many_are() -> None:
    channel = Channel(2, 8).after("block", SOUND)
    for trust in (GLITCH, SOUND, SOUND, SOUND, SOUND, SOUND, SOUND, SOUND, GLITCH):
        channel = channel.after_window(trust)
        assert channel.trust[0] != FAILURE
    assert channel.after_window(GLITCH).trust[0] == CHECK
    assert channel.after_window(GLITCH).after_window(GLITCH).trust == (FAILURE, GLITCH[1])


# Thermocouples: ten readings a second


def felt(
    hot: Callable[[float], float],
    cold: float,
    seconds: float,
    running: bool = True,
    step_s: float = 0.1,
) -> list[Thermocouple]:
    state, states = Thermocouple(), []
    for step in range(int(seconds / step_s)):
        state = state.after(hot(step * step_s), cold, int(step * step_s * NS), running)
        states.append(state)
    return states


def breath(t_s: float) -> float:
    return 44.0 + 0.25 * (int(t_s) % 3)


def test_a_healthy_thermocouple_is_believed_all_day() -> None:
    states = felt(breath, 27.0, 8 * 3600.0, step_s=1.0)
    assert all(state.trust == SOUND and state.degc is not None for state in states)


def test_jumps_beside_a_motor_give_no_temperature() -> None:
    states = felt(lambda t_s: 44.0 + (40.0 if 5.0 <= t_s < 5.15 else 0.0), 27.0, 20.0)
    during = [s for n, s in enumerate(states) if 50 <= n < 50 + 10 * JUMP_HOLD_S]
    assert all(s.degc is None and s.trust[1][0] == "jump" for s in during)
    assert states[49].degc == 44.0 and states[-1].degc == 44.0


def test_a_temperature_that_stays_is_believed_after_a_jump() -> None:
    states = felt(lambda t_s: 44.0 if t_s < 5.0 else 95.0, 27.0, 20.0)
    assert states[-1].degc == 95.0


def test_all_bits_zero_are_no_reading_and_no_jump() -> None:
    states = felt(breath, 27.0, 5.0)
    silent = states[-1].after(0.0, 0.0, 5 * NS, True)
    assert silent.trust[1][0] == "all_zero" and silent.degc is None
    assert silent.after(44.0, 27.0, 5 * NS + NS // 10, True).degc == 44.0
    assert felt(lambda t_s: 0.0, 0.5, 1.0)[-1].degc == 0.0


def test_a_running_machine_colder_than_its_room_has_swapped_wires() -> None:
    states = felt(lambda t_s: 12.0, 27.0, BELOW_COLD_S + 1.0)
    assert states[-1].trust[1][0] == "below_room" and states[-1].degc is None
    assert felt(lambda t_s: 12.0, 27.0, 60.0, running=False)[-1].trust == SOUND
    assert felt(lambda t_s: 18.0, 27.0, 60.0)[-1].trust == SOUND


def test_the_same_as_the_room_for_long_is_a_short_at_the_connector() -> None:
    def wander(t_s: float) -> float:
        return 27.0 + 0.25 * (int(t_s) % 2)

    states = felt(wander, 27.0, SAME_S + 2.0, step_s=1.0)
    assert states[-1].trust[1][0] == "same_as_room"
    assert states[int(SAME_S) - 1].trust == SOUND
    assert felt(wander, 27.0, SAME_S + 2.0, running=False, step_s=1.0)[-1].trust == SOUND


@pytest.mark.parametrize(
    ("chip", "seconds"), [("max31855", 900), ("mcp9600", 900), ("max31856", 113)]
)
def test_not_one_count_in_the_time_of_a_step_is_a_frozen_chip(chip: str, seconds: int) -> None:
    state = Thermocouple(finest_step_degc(known_chips()[chip].driver.layout))
    for t_s in range(seconds + 1):
        assert state.trust == SOUND, t_s
        state = state.after(44.25, 27.0, t_s * NS, True)
    assert state.trust[1][0] == "constant" and state.degc is None
    assert state.after(44.25, 27.0 + STEP_DEGC, (seconds + 2) * NS, True).trust == SOUND


@pytest.mark.parametrize(
    ("cold", "code"), [(-31.0, "cold_range"), (86.0, "cold_range"), (84.0, "")]
)
def test_a_chip_too_hot_or_cold_is_out_of_spec(cold: float, code: str) -> None:
    state = felt(lambda t_s: 90.0, cold, 1.0)[-1]
    assert state.trust[1][0] == code and (state.trust[0] == OUT_OF_SPEC) == bool(code)


# A fitted accelerometer, over windows


def windows(
    fitted: Fitted, count: int, gravity: tuple[float, float, float], noise_g: float, at_rest: bool
) -> Fitted:
    chance = np.random.default_rng(7)
    for _ in range(count):
        values = np.asarray(gravity) + noise_g * chance.normal(size=(512, 3))
        fitted = fitted.after(values, at_rest)
    return fitted


def turned(degrees: float) -> tuple[float, float, float]:
    angle = np.radians(degrees)
    return 0.0, float(np.sin(angle)), float(np.cos(angle))


def learned() -> Fitted:
    return windows(Fitted(), LEARN_WINDOWS + 1, turned(0.0), 0.01, True)


def test_noise_doubled_at_rest_asks_for_maintenance() -> None:
    assert windows(learned(), 200, turned(0.0), 0.015, True).trust == SOUND
    status, (code, facts) = windows(learned(), 200, turned(0.0), 0.03, True).trust
    assert (status, code) == (MAINTENANCE, "noise_floor") and facts["times"] > 2


def test_a_coarse_chip_that_begins_to_flicker_is_not_worn() -> None:
    still = np.tile([0.0, 0.0, 0.984], (512, 1))
    fitted = Fitted()
    for _ in range(LEARN_WINDOWS + 1):
        fitted = fitted.after(still, True)
    flicker = still.copy()
    flicker[::50, 0] += 0.012
    for _ in range(200):
        fitted = fitted.after(flicker, True)
    assert fitted.trust == SOUND


def test_vibration_of_a_running_machine_is_not_its_sensor_s_noise() -> None:
    assert windows(learned(), 200, turned(0.0), 0.3, False).trust == SOUND


def test_a_sensor_that_was_turned_is_told_by_its_angle() -> None:
    assert windows(learned(), 300, turned(MOVED_DEG - 2), 0.01, False).trust == SOUND
    status, (code, facts) = windows(learned(), 300, turned(30.0), 0.01, False).trust
    assert (status, code) == (MAINTENANCE, "moved") and facts["degrees"] == pytest.approx(30, abs=1)


def test_a_restart_excuses_neither_a_drift_nor_a_turn_nor_noise() -> None:
    assert to_json(windows(Fitted(), LEARN_WINDOWS - 1, turned(0.0), 0.01, True)) == ""
    text = to_json(learned())
    again = from_json(text)
    assert to_json(again) == text
    for now, noise_g, code in (
        ((0.0, 0.0, 1.15), 0.01, "drift"),
        (turned(30.0), 0.01, "moved"),
        (turned(0.0), 0.03, "noise_floor"),
    ):
        assert windows(again, LEARN_WINDOWS - 1, now, noise_g, True).trust == SOUND, "too early"
        assert windows(again, LEARN_WINDOWS, now, noise_g, True).trust[1][0] == code
    assert windows(again, 200, turned(0.0), 0.01, True).trust == SOUND
    assert to_json(windows(again, 200, turned(5.0), 0.02, True)) == text, "learned once"


def test_what_is_known_of_gravity_alone_is_kept_and_noise_is_learned_later() -> None:
    running = windows(Fitted(), LEARN_WINDOWS, turned(0.0), 0.3, False)
    again = from_json(to_json(running))
    assert again.known[1] is None
    stood = windows(again, LEARN_WINDOWS, turned(0.0), 0.01, True)
    assert to_json(stood) != to_json(running) and from_json(to_json(stood)).known[1] is not None


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"gravity_g": [1, 2], "floor_g": null}']
    + [f'{{"gravity_g": null, "floor_g": {floor}}}' for floor in ("[0, 1, 1]", '"x"', "[NaN,1,1]")],
)
def test_damaged_words_of_how_it_was_fitted_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="fitted"):
        from_json(text)


def test_a_zero_that_drifted_is_told_from_a_turn() -> None:
    assert windows(learned(), 300, (0.0, 0.0, 1.0 + DRIFT_G - 0.02), 0.01, True).trust == SOUND
    status, (code, facts) = windows(learned(), 300, (0.0, 0.0, 1.15), 0.01, True).trust
    assert (status, code) == (MAINTENANCE, "drift")
    assert facts["drift_g"] == pytest.approx(0.15, abs=0.01)


def test_one_knock_moves_nothing() -> None:
    assert windows(learned(), 1, turned(90.0), 0.5, True).trust == SOUND
