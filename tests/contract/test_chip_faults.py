"""What cables and dying boards do: an error with its number, or a fault that names the wire."""

from drivers.device import SensorFault, decode_frame
from hw.sim.faults import Faulty
from tests.contract.rig import Rig, counting, rigs
from tests.contract.tools import raised

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any


def test_a_silent_line_is_a_fault_that_names_the_wire() -> None:
    for rig in rigs():
        rig.chip.transfer = _silence
        rig.chip.read_registers = _silent_registers
        text = raised(SensorFault, rig.driver.identify)
        assert rig.driver.CHIP in text and "check" in text
        assert "MISO" in text or "SDA" in text, text


def _silence(sent: "Any", received: "Any") -> None:
    for place in range(len(received)):
        received[place] = 0


def _silent_registers(register: int, buffer: "Any") -> None:
    _silence(buffer, buffer)


def test_a_bus_error_passes_through_with_its_number() -> None:
    for rig in rigs():
        rig.start()
        rig.bus.fail_with = OSError(110, "timed out")
        for call in (rig.driver.identify, rig.drain):
            try:
                call()
            except OSError as error:
                assert error.errno == 110
            else:
                raise AssertionError("no OSError")


def test_a_missing_chip_on_i2c_is_a_bus_error() -> None:
    rig = Rig("adxl345", "i2c", 800)
    driver = rig.driver_type(rig.bus, 800, 0x1D)
    assert "0x1d" in raised(OSError, driver.identify)


def test_a_flip_in_the_registers_read_with_the_level_is_a_fault() -> None:
    for byte, mask in ((1, 0x01), (1, 0x80), (2, 0x40), (2, 0x80)):
        rig = Rig("adxl345")
        rig.bus._chip = faulty = Faulty(rig.chip)
        rig.start()
        faulty.flip_every, faulty.flip_byte, faulty.flip_mask = 1, byte, mask
        assert "MISO" in raised(SensorFault, rig.drain)


def test_a_write_that_does_not_arrive_is_a_fault() -> None:
    rig = Rig("adxl345")
    rig.chip._write = _deaf
    text = raised(SensorFault, lambda: list(rig.driver.start()))
    assert "MOSI" in text and "register 0x" in text, text


def _deaf(register: int, value: int) -> None:
    """A chip whose MOSI is cut."""


def test_a_chip_that_was_reset_in_mid_stream_is_noticed() -> None:
    for rig in rigs():
        rig.start()
        rig.driver.verify()
        if rig.driver.CHIP in ("max31855", "mcp9600", "mcp9601"):
            continue  # no settings to lose; type K at 18 bits is what it wakes up with
        rig.chip.reset()
        text = raised(SensorFault, rig.driver.verify)
        assert rig.driver.CHIP in text and "supply" in text, text


def test_a_type_of_thermocouple_that_was_lost_is_noticed() -> None:
    for name in ("mcp9600", "mcp9601"):
        rig = Rig(name, "i2c", thermocouple="T")
        rig.start()
        rig.driver.verify()
        rig.chip.reset()
        assert "supply" in raised(SensorFault, rig.driver.verify)


def test_a_pulled_chip_is_a_fault_and_comes_back() -> None:
    for rig in rigs():
        faulty = Faulty(rig.chip)
        if hasattr(rig.bus, "_chips"):
            for address in rig.bus._chips:
                rig.bus._chips[address] = faulty
        else:
            rig.bus._chip = faulty
        rig.start()
        for floats in (0x00, 0xFF):
            faulty.pulled, faulty.floats = True, floats
            raised((SensorFault, OSError), rig.driver.identify)
            faulty.pulled = False
            faulty.brown_out()
            rig.start()
            rig.time.pass_ms(5 * 1000 / rig.rate_hz)
            assert rig.drain().frames >= 1


def test_a_frozen_chip_gives_the_same_frame_for_ever() -> None:
    rig = Rig("lis3dh")
    rig.bus._chip = faulty = Faulty(rig.chip)
    rig.chip.sampler.source = counting
    rig.start()
    seen = []
    for frozen in (False, True):
        faulty.frozen = frozen
        for _ in range(3):
            rig.time.pass_ms(10)
            if rig.drain().frames:
                seen.append(decode_frame(rig.frame(0), rig.driver.layout)[0])
    assert seen[0] != seen[1] and seen[-1] == seen[-2]
