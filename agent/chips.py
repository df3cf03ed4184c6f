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
# microseconds of silence that a frame on SPI needs. `burst_bytes`: the longest read. `driver(bus,
# rate_hz, address)` and `simulated(source, clock_error)` make one.
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
        "wire_bits",
        "burst_bytes",
        "stretches_clock",
        "driver",
        "simulated",
    ),
)


def known_chips() -> "dict[str, Chip]":
    """Every chip by name, in the order of the alphabet."""
    folder = Path(drivers.__file__).parent
    found = {path.stem: _module(path.stem) for path in sorted(folder.glob("*.py"))}
    return {name: _chip(name, m.DRIVER) for name, m in found.items() if hasattr(m, "DRIVER")}


def _module(name: str) -> "Any":
    return __import__(f"drivers.{name}", None, None, ("DRIVER",))


def _chip(name: str, driver: "Any") -> "Chip":
    return Chip(
        name,
        driver.MEASURES,
        driver.RATES_HZ,
        driver.ADDRESSES,
        driver.RANGE_G,
        driver.SPI_MODE,
        driver.SPEED_HZ_MAX,
        driver.WIRE_BITS,
        getattr(driver, "BURST_BYTES", 1),
        getattr(driver, "STRETCHES_CLOCK", False),
        driver,
        lambda source, clock_error: _simulated(name)(source, clock_error),
    )


def _simulated(name: str) -> "Any":
    return __import__(f"hw.sim.{name}", None, None, ("SIMULATED",)).SIMULATED
