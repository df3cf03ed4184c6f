"""What may be chosen of a chip, and what may not: rates, places, options, variants of a name."""

from drivers.device import broken_check
from tests.contract.rig import DRIVERS, THERMOCOUPLES, Rig, rigs
from tests.contract.tools import raised

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any


def test_a_rate_that_the_chip_does_not_have_is_refused() -> None:
    for rig in rigs():
        assert "3000" in raised(ValueError, rig.driver_type, rig.bus, 3000)


def test_a_chip_is_refused_on_a_bus_that_it_has_not() -> None:
    for name in sorted(DRIVERS):
        driver = DRIVERS[name]
        if driver.SPI_MODE is None:
            assert driver.CHIP in raised(ValueError, driver, None, driver.RATES_HZ[0])
        if not driver.ADDRESSES:
            assert driver.CHIP in raised(ValueError, driver, None, driver.RATES_HZ[0], 0x18)


def test_an_option_is_a_closed_choice() -> None:
    for name in sorted(DRIVERS):
        driver = DRIVERS[name]
        address = None if driver.SPI_MODE is not None else driver.ADDRESSES[0]
        for option in list(driver.OPTIONS) + ["colour"]:
            text = raised(ValueError, chosen, driver, address, option)
            assert option in text and "Q" in text and name in text


def chosen(driver: "Any", address: "int | None", option: str) -> object:
    return driver(None, driver.RATES_HZ[0], address, **{option: "Q"})


def test_the_first_choice_of_an_option_is_its_default() -> None:
    for rig in rigs(THERMOCOUPLES):
        for option, choices in rig.driver_type.OPTIONS.items():
            assert rig.driver.options[option] == choices[0]


def test_type_and_mains_filter_reach_the_chip() -> None:
    codes = {"B": 0, "E": 1, "J": 2, "K": 3, "N": 4, "R": 5, "S": 6, "T": 7}  # CR1, bits 3:0
    assert set(DRIVERS["max31856"].OPTIONS["thermocouple"]) == set(codes)
    for letter, code in codes.items():
        for mains_hz, bit in ((60, 0), (50, 1)):
            rig = Rig("max31856", thermocouple=letter, mains_hz=mains_hz)
            rig.start()
            assert rig.chip.registers[1] == code and rig.chip.registers[0] == 0x90 | bit
    codes = {"K": 0, "J": 1, "T": 2, "N": 3, "S": 4, "E": 5, "B": 6, "R": 7}  # bits 6:4
    for letter, code in codes.items():
        rig = Rig("mcp9600", "i2c", thermocouple=letter)
        rig.start()
        assert rig.chip.registers[5][0] == code << 4


def test_variants_have_names_of_their_own() -> None:
    assert DRIVERS["adxl343"].IDS == DRIVERS["adxl345"].IDS
    assert DRIVERS["mcp9601"].IDS != DRIVERS["mcp9600"].IDS
    assert "adxl343" in raised(ValueError, DRIVERS["adxl343"], None, 3000)


def test_the_mcp9601_tells_a_short_and_the_mcp9600_cannot() -> None:
    for name, told in (("mcp9600", False), ("mcp9601", True)):
        rig = Rig(name, "i2c")
        rig.start()
        rig.feel((20.0, 20.0), "short")
        rig.time.pass_ms(400)
        rig.drain()
        assert (broken_check(rig.frame(0), rig.driver.layout) is not None) == told
