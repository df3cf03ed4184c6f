"""What cables and dying boards do to an accelerometer: said within three windows, and gone again.

Nothing but `unknown` may be said of tainted frames. A window of which less than `TAINTED_MAX` is
tainted may still be judged: two repeated frames among a thousand cannot be told from chance.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agent.analysis.fitted import from_json
from agent.drain import drain_interval_s
from agent.limits import BATCH_INTERVAL_S
from tests.fault_rig import ACCELEROMETERS, Place, Rig, Told
from tests.flips import fixed_bits, value_bits

WINDOWS = 3
RECOVERY_S = 5.0
TAINTED_MAX = 0.15
SETTLE_S = 6.0  # until the machine counts as running, also through the noisiest chip
REST_S = 120.0
HEALTHY_S = 60.0  # an hour of each chip is `make soak-healthy`
HEALTHY_FRAMES = 160_000  # of the fastest chips, which get less time for them
Clear = Callable[[], None]


def nak_storm(rig: Rig) -> Clear:
    """Two of three transfers are not acknowledged."""
    return _set(rig, nak_every=1)


def stuck_line(rig: Rig) -> Clear:
    """SDA held low: every transfer times out. On SPI, MISO held low: every bit reads 0."""
    if not rig.vibration.place.i2c:
        return _set(rig, garbled=0x00)
    rig.vibration.port.fail_with = OSError(110, "Connection timed out")

    def back() -> None:
        rig.vibration.port.fail_with = None

    return back


def frozen_registers(rig: Rig) -> Clear:
    rig.vibration.chip.frozen = True
    return rig.vibration.chip.thaw


def flipped_bits(rig: Rig) -> Clear:
    """A bit that never changes does."""
    every, byte, mask = fixed_bits(rig.vibration.place)
    return _set(rig, flip_every=every, flip_byte=byte, flip_mask=mask)


def flipped_value_bits(rig: Rig) -> Clear:
    """A bit of some values flips, none of those that never change: in the high byte of x."""
    every, byte, mask = value_bits(rig.vibration.place)
    return _set(rig, flip_every=every, flip_byte=byte, flip_mask=mask)


def wrong_id(rig: Rig) -> Clear:
    """Another chip answers, or wires are crossed: no register reads what it should."""
    return _set(rig, garbled=0x5A)


def duplicate_entries(rig: Rig) -> Clear:
    sampler = rig.vibration.chip.chip.sampler
    sampler.duplicate_every = 3

    def back() -> None:
        sampler.duplicate_every = 0

    return back


def brown_out(rig: Rig) -> Clear:
    rig.vibration.chip.brown_out()
    return lambda: None


def pulled_cable(rig: Rig) -> Clear:
    rig.vibration.chip.pulled = True

    def back() -> None:
        rig.vibration.chip.pulled = False
        rig.vibration.chip.brown_out()

    return back


def _set(rig: Rig, **faults: Any) -> Clear:
    chip = rig.vibration.chip
    before = {name: getattr(chip, name) for name in faults}
    for name, value in faults.items():
        setattr(chip, name, value)

    def back() -> None:
        for name, value in before.items():
            setattr(chip, name, value)

    return back


FAULTS = (
    nak_storm,
    stuck_line,
    frozen_registers,
    flipped_bits,
    flipped_value_bits,
    wrong_id,
    duplicate_entries,
    brown_out,
    pulled_cable,
)
# Nobody acknowledges on SPI: a NAK storm is a fault of I2C alone.
MATRIX = [
    (place, fault)
    for place in ACCELEROMETERS
    for fault in FAULTS
    if place.i2c or fault != nak_storm
]


@pytest.fixture
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    made = Rig(request.param)
    yield made
    made.close()


def named(value: Any) -> str:
    return value.__name__ if callable(value) else str(value)


def normal(told: list[Told]) -> bool:
    return any(one.state == "normal" for one in told)


def distrusted(told: list[Told]) -> bool:
    return any(one.reason[0] == "sensor" for one in told)


@pytest.mark.parametrize(("rig", "fault"), MATRIX, indirect=["rig"], ids=named)
def test_a_fault_is_said_in_three_windows_and_gone_in_five_seconds(rig: Rig, fault: Any) -> None:
    assert rig.run_until(normal, RECOVERY_S) is not None
    rig.run(0.5)
    begun_s = rig.now_s
    # A window's last frames come with the next batch.
    batch_s = BATCH_INTERVAL_S + drain_interval_s(rig.vibration.driver)
    clear = fault(rig)
    told: list[Told] = []
    while rig.now_s < begun_s + WINDOWS * rig.window_s + batch_s:
        told += rig.step()
    assert distrusted(told), f"not said; told {told}"
    assert rig.status() != ("good", "") or fault is brown_out
    tainted_s = begun_s + batch_s + TAINTED_MAX * rig.window_s
    clean_s = float("inf")
    if fault is brown_out:  # is over at once: what is judged again was sampled after it was said
        said_s = next(one.at_s for one in told if one.reason[0] == "sensor")
        clean_s = said_s + (1 - TAINTED_MAX) * rig.window_s
    judged = [one for one in told if tainted_s < one.at_s < clean_s and one.state != "unknown"]
    assert not judged, f"tainted and judged: {judged}"
    clear()
    back_s = rig.run_until(normal, RECOVERY_S)
    assert back_s is not None, f"not back: {rig.status()}"


@pytest.mark.parametrize("rig", ACCELEROMETERS, indirect=True, ids=str)
def test_a_healthy_sensor_is_never_called_a_failure(rig: Rig) -> None:
    rig.run(SETTLE_S)
    healthy_s = min(HEALTHY_S, HEALTHY_FRAMES / rig.vibration.place.rate_hz)
    told = rig.run(healthy_s)
    assert len(told) > healthy_s / rig.window_s
    assert {one.state for one in told} == {"normal"} and not distrusted(told)
    assert rig.lost == 0


AT_REST = (
    Place("adxl345", 100, True),
    Place("lis3dh", 100, True),
    Place("lis3dh", 400, True),
    Place("lis2dw12", 100, True),
    Place("adxl355", 125, True),
)


@pytest.mark.parametrize("place", AT_REST, ids=lambda place: f"{place} at {place.rate_hz} Hz")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_quiet_chip_on_a_machine_at_rest_is_sound(place: Place, seed: int) -> None:
    rig = Rig(place, at_rest=True, seed=seed)
    rig.run(4.0)
    told = rig.run(REST_S)
    assert told and not distrusted(told), [one for one in told if one.reason[0] == "sensor"][:3]
    rig.close()


def test_what_a_sensor_was_like_when_it_was_fitted_is_kept() -> None:
    rig = Rig(Place("lis2dw12", 400, True), at_rest=True)
    rig.run(20.0)
    rig.close()
    (key,) = [key for key in rig.kept if key.startswith("fitted/")]
    gravity_g, floor_g = from_json(rig.kept[key]).learned
    assert "lis2dw12 at 400 Hz" in key and gravity_g is not None and floor_g is not None
    assert gravity_g[2] == pytest.approx(1.0, abs=0.01) and (floor_g < 0.01).all()
