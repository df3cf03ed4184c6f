"""Who answers on the buses: every place where a known chip could be is asked for its id."""

from collections import namedtuple

from agent import app
from agent.chips import BUS_KINDS, known_chips
from agent.config import Sensor
from agent.drain import reason_of
from drivers.device import SensorFault

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from agent.config import Settings

NO_ID = ("max31855", "max31856")  # known by what they send only: named when nobody else answers
CHIP_SELECTS = (0, 1)
NOTHING: "tuple[str, dict[str, Any]]" = ("", {})

# `at`: an I2C address or a chip select. `chip`: who answers, "" for nobody known; `reason`, (code,
# facts): then why. `sensor`, `expected`: name and chip that the configuration has here, or "".
Place = namedtuple("Place", ("bus", "i2c", "at", "chip", "sensor", "expected", "reason"))


def scan(settings: "Settings") -> "list[Place]":
    """Every place of every bus that answers, or that should."""
    agent = app.Agent(settings)
    expected = {_place_of(one, settings): (one.name, one.chip) for one in settings.sensors}
    return [place for bus in settings.buses for place in _scan_bus(agent, bus, expected)]


def _scan_bus(
    agent: "app.Agent", bus: "Any", expected: "dict[tuple[str, int], tuple[str, str]]"
) -> "list[Place]":
    chips = known_chips()
    i2c = BUS_KINDS[bus.kind]
    places = {address for chip in chips.values() for address in chip.addresses} if i2c else set()
    places |= {at for name, at in expected if name == bus.name}
    found = []
    for at in sorted(places if i2c else places | set(CHIP_SELECTS)):
        wanted = expected.get((bus.name, at), ("", ""))
        place = _who(agent, bus, at, _fitting(chips, at, i2c, wanted[1]), wanted)
        if place.chip or place.sensor or not i2c or place.reason[0] == "chip":
            found.append(place)
    return found


def _fitting(chips: "dict[str, Any]", at: int, i2c: bool, wanted: str) -> "list[Any]":
    """The chips that can be at a place: first the one that should be, last those without an id."""
    able = [c for c in chips.values() if (at in c.addresses if i2c else c.spi_mode is not None)]
    return sorted(able, key=lambda chip: (chip.name != wanted, chip.name in NO_ID))


def _who(
    agent: "app.Agent", bus: "Any", at: int, chips: "list[Any]", wanted: "tuple[str, str]"
) -> "Place":
    i2c, why = BUS_KINDS[bus.kind], NOTHING
    for chip in chips:
        address = at if i2c else None
        sensor = Sensor(
            "scan", chip.name, bus.name, address, chip.rates_hz[-1], 0 if i2c else at, ()
        )
        try:
            port = agent.bus_port(bus).device(sensor, chip, address)
            chip.driver(port, chip.rates_hz[-1], address).identify()
        except (OSError, SensorFault) as error:
            why = why if why != NOTHING else reason_of(error)
            continue
        name = chip.name if chip.name == wanted[1] else chip.answers_as
        return Place(bus.name, i2c, at, name, *wanted, NOTHING)
    return Place(bus.name, i2c, at, "", *wanted, why)


def _place_of(sensor: "Any", settings: "Settings") -> "tuple[str, int]":
    bus = next(bus for bus in settings.buses if bus.name == sensor.bus)
    address = app.address_on(bus, sensor, known_chips()[sensor.chip])
    return bus.name, sensor.chip_select if address is None else address
