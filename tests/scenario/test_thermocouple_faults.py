"""What goes wrong with a thermocouple: no temperature and no alarm of it from what is not true.

What the chip or the bus can tell is said within three readings. A jump is said at once and for ten
seconds after; a frozen chip can only be told from a steady machine when a room must have moved by
more than the chip's finest step.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agent.core.thermocouple import JUMP_HOLD_S, finest_step_degc, frozen_s
from tests.fault_rig import THERMOCOUPLES, Place, Rig, healthy_degc

VIBRATION = Place("adxl355", 250, False)
READINGS = 3
RECOVERY_S = 5.0
WINDOW_S = 0.64
HEALTHY_S = 60.0
Clear = Callable[[], None]


def faulty_source(fault: str) -> Callable[[Rig], Clear]:
    def spoil(rig: Rig) -> Clear:
        rig.hot = lambda t_s: (*healthy_degc(t_s)[:2], fault)
        return lambda: setattr(rig, "hot", healthy_degc)

    spoil.__name__ = fault
    return spoil


def stuck_line(rig: Rig) -> Clear:
    """SDA held low: every transfer times out. On SPI, MISO held low: every bit reads 0."""
    if not rig.temperature.place.i2c:
        return _set(rig, garbled=0x00)
    rig.temperature.port.fail_with = OSError(110, "Connection timed out")
    return lambda: setattr(rig.temperature.port, "fail_with", None)


def wrong_id(rig: Rig) -> Clear:
    """Another chip answers, or wires are crossed."""
    return _set(rig, garbled=0x5A)


def nak_storm(rig: Rig) -> Clear:
    return _set(rig, nak_every=1)


def flipped_bits(rig: Rig) -> Clear:
    """A bit that is always 0 reads 1."""
    byte, mask = {"max31855": (1, 0x02), "max31856": (5, 0x01)}[rig.temperature.place.chip]
    return _set(rig, flip_every=1, flip_byte=byte, flip_mask=mask)


def pulled_cable(rig: Rig) -> Clear:
    rig.temperature.chip.pulled = True

    def back() -> None:
        rig.temperature.chip.pulled = False
        rig.temperature.chip.brown_out()

    return back


def brown_out(rig: Rig) -> Clear:
    rig.temperature.chip.brown_out()
    return lambda: None


def _set(rig: Rig, **faults: Any) -> Clear:
    chip = rig.temperature.chip
    for name, value in faults.items():
        setattr(chip, name, value)

    def back() -> None:
        chip.garbled, chip.nak_every, chip.flip_every = None, 0, 0

    return back


MAX31855, MAX31856, MCP9600 = THERMOCOUPLES
MCP9601 = Place("mcp9601", 3, True)  # as the MCP9600, but tells a short
OF_ALL = (stuck_line, wrong_id, pulled_cable, faulty_source("open"))
# A NAK storm is a fault of I2C; the MCP9600's registers have no bits that never change, the
# MAX31855 no setting that a brown-out could take, and none of them a FIFO with entries to double.
MATRIX = [(place, fault) for place in THERMOCOUPLES for fault in OF_ALL] + [
    (MAX31855, faulty_source("short_gnd")),
    (MAX31855, faulty_source("short_vcc")),
    (MAX31855, flipped_bits),
    (MAX31856, faulty_source("voltage")),
    (MAX31856, flipped_bits),
    (MCP9601, faulty_source("short")),
    (MCP9600, nak_storm),
]


@pytest.fixture
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    made = Rig(VIBRATION, request.param)
    made.run(5.0)
    assert made.status("t") == ("good", "")
    yield made
    made.close()


def named(value: Any) -> str:
    return value.__name__ if callable(value) else str(value)


def hot_alarms(told: list[Any]) -> list[Any]:
    return [one for one in told if one.reason[0] == "temperature"]


@pytest.mark.parametrize(("rig", "fault"), MATRIX, indirect=["rig"], ids=named)
def test_a_fault_is_said_in_three_readings_and_gone_in_five_seconds(rig: Rig, fault: Any) -> None:
    clear = fault(rig)
    rig.run(READINGS / rig.temperature.place.rate_hz + 0.1)
    assert rig.status("t")[0] in ("failure", "check", "out_of_spec"), rig.status("t")
    told = rig.run(2 * WINDOW_S)
    assert told and all(one.degc is None for one in told) and not hot_alarms(told)
    assert {one.state for one in told} == {"normal"}, "vibration is judged without a temperature"
    clear()
    back_s = rig.run_until(lambda _: rig.status("t") == ("good", ""), RECOVERY_S)
    assert back_s is not None, f"not back: {rig.status('t')}"
    told = rig.run(2 * WINDOW_S)
    assert told[-1].degc == pytest.approx(44.0, abs=2.0)


@pytest.mark.parametrize("rig", [MAX31856, MCP9600], indirect=True, ids=str)
def test_a_reset_in_mid_stream_is_set_right(rig: Rig) -> None:
    rig.temperature.chip.brown_out()
    told = rig.run(RECOVERY_S)
    assert all(one.degc is None or one.degc > 40 for one in told), told
    assert rig.status("t") == ("good", "") and not hot_alarms(rig.run(WINDOW_S))


@pytest.mark.parametrize("rig", THERMOCOUPLES, indirect=True, ids=str)
def test_jumps_of_forty_degrees_give_no_temperature(rig: Rig) -> None:
    def noisy(t_s: float) -> tuple[float, float, str]:
        hot, cold, _ = healthy_degc(t_s)
        return hot + (0.0, 60.0, -40.0)[int(2 * t_s) % 3], cold, ""

    rig.hot = noisy
    told = rig.run(8.0)
    later = [one for one in told if one.at_s > told[0].at_s + 1.0]
    assert later and all(one.degc is None for one in later) and not hot_alarms(told)
    assert rig.status("t") == ("check", "jump")
    rig.hot = healthy_degc
    back_s = rig.run_until(lambda _: rig.status("t") == ("good", ""), JUMP_HOLD_S + RECOVERY_S)
    assert back_s is not None and back_s > RECOVERY_S


@pytest.mark.parametrize("rig", THERMOCOUPLES, indirect=True, ids=str)
def test_a_chip_that_stands_still_longer_than_a_room_can_is_frozen(rig: Rig) -> None:
    turn = seldom(rig)
    wait_s = frozen_s(finest_step_degc(turn._drainer.layout))
    assert wait_s <= 900.0
    rig.temperature.chip.frozen = True
    rig.run(wait_s - 30.0)
    assert rig.status("t") == ("good", "")
    rig.run(80.0)
    assert rig.status("t") == ("check", "constant")
    rig.temperature.chip.thaw()
    assert rig.run_until(lambda _: rig.status("t") == ("good", ""), 20.0) is not None


@pytest.mark.parametrize("rig", THERMOCOUPLES, indirect=True, ids=str)
def test_an_hour_of_a_sound_chip_is_never_called_frozen(rig: Rig) -> None:
    seldom(rig)
    end_s = rig.now_s + 3600.0
    while rig.now_s < end_s:
        rig.step()
        assert rig.status("t") == ("good", "")


def seldom(rig: Rig) -> Any:
    """The thermocouple alone, asked every eight seconds: an hour is affordable."""
    *_, turn = rig.bus._turns
    rig.bus._turns[:] = [turn]
    turn._drainer.interval_s = 8.0
    turn._drainer._silence_ns = 1 << 62
    return turn


@pytest.mark.parametrize("rig", THERMOCOUPLES, indirect=True, ids=str)
def test_a_healthy_thermocouple_is_never_called_faulty(rig: Rig) -> None:
    begun_s = rig.now_s
    while rig.now_s - begun_s < HEALTHY_S:
        rig.step()
        assert rig.status("t") == ("good", "")
