"""The chips that are there: every driver file announces its own. Nothing else lists them."""

from collections import namedtuple
from pathlib import Path

import drivers

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

BUS_KINDS = {  # kind: whether it is an I2C bus (else SPI)
    "smbus2": True,
    "blinka_i2c": True,
    "sim_i2c": True,
    "spidev": False,
    "blinka_spi": False,
    "sim_spi": False,
}

# Facts for the configuration. `wire_bits`: of one frame on I2C, on SPI (None: not there), and the
# microseconds of silence that a frame on SPI needs. `burst_bytes`: the longest read. `options`:
# {name: choices, the first being the default}. `file`: the driver's, which a variant shares;
# `answers_as`: the chip that scan names, as a variant with the same id cannot be told from it.
# `spi_hz_min`, `i2c_hz_min`: {rate: the slowest clock that it needs}.
# `driver(bus, rate_hz, address, **options)` and `simulated(source, clock_error)` make one.
# `bandwidth_hz(rate_hz)`: what the part's own filter lets through; None where it is not known.
Chip = namedtuple(
    "Chip",
    (
        "name",
        "measures",
        "rates_hz",
        "addresses",
        "range_g",
        "spi_mode",
        "speed_hz_max",
        "i2c_hz_max",
        "spi_hz_min",
        "i2c_hz_min",
        "wire_bits",
        "burst_bytes",
        "stretches_clock",
        "options",
        "file",
        "answers_as",
        "driver",
        "simulated",
        "bandwidth_hz",
    ),
)


def known_chips() -> "dict[str, Chip]":
    """Every chip by name, in the order of the alphabet; behind them the variants of their files."""
    folder = Path(drivers.__file__).parent
    chips, variants = {}, {}
    for path in sorted(folder.glob("*.py")):
        module = __import__(f"drivers.{path.stem}", None, None, ("DRIVER",))
        if not hasattr(module, "DRIVER"):
            continue
        chips[path.stem] = _chip(path.stem, module.DRIVER, module.DRIVER)
        for driver in getattr(module, "VARIANTS", ()):
            variants[driver.CHIP] = _chip(path.stem, driver, module.DRIVER)
    return {**chips, **variants}


def _chip(file: str, driver: "Any", first: "Any") -> "Chip":
    return Chip(
        driver.CHIP,
        driver.MEASURES,
        driver.RATES_HZ,
        driver.ADDRESSES,
        driver.RANGE_G,
        driver.SPI_MODE,
        driver.SPEED_HZ_MAX,
        driver.I2C_HZ_MAX,
        driver.SPI_HZ_MIN,
        driver.I2C_HZ_MIN,
        driver.WIRE_BITS,
        driver.BURST_BYTES,
        driver.STRETCHES_CLOCK,
        driver.OPTIONS,
        file,
        file if driver.IDS == first.IDS else driver.CHIP,
        driver,
        lambda source, clock_error: simulated_type(file, driver.CHIP)(source, clock_error),
        lambda rate_hz: driver.BANDWIDTH_OF_RATE and driver.BANDWIDTH_OF_RATE * rate_hz,
    )


def simulated_type(file: str, name: str) -> "Any":
    """The class of the simulated chip `name`, in hw/sim/`file`.py."""
    module = __import__(f"hw.sim.{file}", None, None, ("SIMULATED",))
    return module.SIMULATED if name == file else module.VARIANTS[name]


def address_on(bus: "Any", sensor: "Any", chip: "Any") -> "int | None":
    """The sensor's I2C address; None on SPI."""
    if not BUS_KINDS[bus.kind]:
        return None
    address: int = chip.addresses[0] if sensor.address is None else sensor.address
    return address
