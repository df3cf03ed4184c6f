"""Each accelerometer's self-test: a sound chip passes, a dead axis does not, nothing stays set."""

from drivers.device import SensorFault, decode_frame
from tests.contract.rig import ACCELEROMETERS, DRIVERS, THERMOCOUPLES, Rig, epsilon, rigs
from tests.contract.tools import near, raised

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any


def outcome_of(rig: "Rig") -> "Any":
    """What a self-test comes to while its time passes."""
    generator = rig.driver.self_test()
    while True:
        try:
            rig.time.pass_ms(next(generator))
        except StopIteration as end:
            return end.value


def test_a_sound_chip_is_pushed_as_far_as_its_datasheet_says() -> None:
    for rig in rigs(ACCELEROMETERS):
        rig.start()
        for change_g, low_g, high_g in outcome_of(rig):
            assert low_g < change_g < high_g, (rig.driver.CHIP, change_g)
            assert low_g * high_g > 0, "a dead axis would pass"


def test_an_axis_that_does_not_move_is_outside_its_limits() -> None:
    for rig in rigs(ACCELEROMETERS):
        for dead in range(3):
            rig.chip.sampler.stuck = {dead: 0.1}
            rig.start()
            for axis, (change_g, low_g, high_g) in enumerate(outcome_of(rig)):
                assert (low_g <= change_g <= high_g) == (axis != dead), (rig.driver.CHIP, axis)


def test_after_a_self_test_the_chip_measures_as_before() -> None:
    for rig in rigs(ACCELEROMETERS):
        rig.start()
        outcome_of(rig)
        rig.driver.verify()
        rig.drain()
        rig.time.pass_ms(5 * 1000 / rig.rate_hz)
        drained = rig.drain()
        assert 4 <= drained.frames <= 6, (rig.driver.CHIP, drained)
        values = decode_frame(rig.frame(drained.frames - 1), rig.driver.layout)
        for value, expected, channel in zip(values, rig.expected, rig.driver.layout.channels):
            assert near(value, expected, epsilon(rig, channel.name)), (rig.driver.CHIP, values)


def test_a_chip_that_stops_sampling_fails_its_self_test() -> None:
    for rig in rigs(ACCELEROMETERS):
        rig.start()
        rig.chip.sampler.speed = 1e-6  # its oscillator stands
        assert rig.driver.CHIP in raised(SensorFault, outcome_of, rig)


def test_thermocouple_chips_have_no_self_test() -> None:
    for name in THERMOCOUPLES:
        assert not hasattr(DRIVERS[name], "self_test"), name
