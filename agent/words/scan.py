"""Who answers on the buses: every place where a known chip could be is asked for its id.

It must never change a register. On I2C an id is read by a transfer that no chip takes for a write.
On SPI one chip's read can be another's write, so a chip is asked only when every chip for which its
question would be a write has been asked before and was not there. The chip that the configuration
has at a place is never taken to be absent because it is silent: its wire may be broken. What cannot
be asked then is left unasked, and said.
"""

import errno
from collections import namedtuple

from agent import app
from agent.boards import bus_of, read_board
from agent.chips import BUS_KINDS, address_on, known_chips
from agent.config import Sensor
from agent.drain import reason_of
from drivers.device import SensorFault

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from agent.config import Settings

CHIP_SELECTS = (0, 1)
LINE_AT_REST = ({"0"}, {"f"})  # the digits of what MISO reads while no chip drives it
NOTHING: "tuple[str, dict[str, Any]]" = ("", {})

# `at`: an I2C address or a chip select. `chip`: who answers, "" for nobody known; `reason`, (code,
# facts): then why. `sensor`, `expected`: name and chip that the configuration has here, or "".
# `unasked`: chips that could not be asked without harm to another. `stretches`: the chip here
# stretches the clock, and no board is named that says whether the bus bears it. `wired_to`: the
# board's bus, for its pins; None where no board is named. `hint`: what may be wrong, (code, facts).
Place = namedtuple(
    "Place",
    (
        "bus",
        "i2c",
        "at",
        "chip",
        "sensor",
        "expected",
        "reason",
        "unasked",
        "stretches",
        "wired_to",
        "hint",
    ),
    defaults=((), False, None, NOTHING),
)


def scan(settings: "Settings") -> "list[Place]":
    """Every place of every bus that answers, or that should."""
    agent = app.Agent(settings)
    for bus in settings.buses:
        if bus.kind.startswith("sim_"):
            wire(agent, bus)
    return scan_by(agent)


def wire(agent: "app.Agent", bus: "Any") -> None:
    """Simulated chips where the configuration has them."""
    for sensor in agent.settings.sensors:
        if sensor.bus == bus.name:
            chip = known_chips()[sensor.chip]
            agent.bus_port(bus).wire(sensor, chip, address_on(bus, sensor, chip))


def scan_by(agent: "app.Agent") -> "list[Place]":
    """As `scan`, with an agent's own buses."""
    settings = agent.settings
    expected = {_place_of(one, settings): (one.name, one.chip) for one in settings.sensors}
    places = [place for bus in settings.buses for place in _scan_bus(agent, bus, expected)]
    return [place._replace(hint=_hint(place, places)) for place in places]


def _hint(place: "Place", places: "list[Place]") -> "tuple[str, dict[str, Any]]":
    """What a sensor that is not where it should be has probably come to."""
    if not place.sensor or place.chip == place.expected:
        return NOTHING
    for other in places:
        if other.chip == place.expected and other.expected != other.chip:
            return "elsewhere", {"chip": other.chip, "place": other}
    code, facts = place.reason
    if place.chip or code != "chip":
        return NOTHING
    if not place.i2c and at_rest(place.reason):
        return "line", {"found": facts["found"]}
    return "stranger_i2c" if place.i2c else "stranger_spi", {}


def places_of(settings: "Settings", bus: "Any") -> "list[int]":
    """The addresses or chip selects of a bus where a chip could be."""
    mine = [one for one in settings.sensors if one.bus == bus.name]
    configured = {_place_of(one, settings)[1] for one in mine}
    if not BUS_KINDS[bus.kind]:
        return sorted(configured | set(CHIP_SELECTS))
    return sorted(configured | {at for chip in known_chips().values() for at in chip.addresses})


def asked_in_order(chips: "list[Any]", wanted: str) -> "tuple[list[Any], list[Any]]":
    """(chips in an order in which no question is a write for one not yet asked, those left out)."""
    questions = {chip.name: _question(chip) for chip in chips}
    present = list(chips)
    order: "list[Any]" = []
    left = sorted(chips, key=lambda chip: (chip.driver.WEAK_PROOF, chip.name != wanted))
    while left:
        chip = next((c for c in left if _harmless(questions[c.name], c, present)), None)
        if chip is None:
            return order, left
        order.append(chip)
        left.remove(chip)
        if chip.name != wanted:
            present = [one for one in present if one.name != chip.name]
    return order, []


def _question(chip: "Any") -> "list[bytes]":
    """What a chip is asked on SPI, as a line that stays low would hear it."""
    heard = _Silent()
    try:
        chip.driver(heard, chip.rates_hz[-1], None).recognise()
    except SensorFault:
        pass  # nobody answered: as it should be
    return heard.sent


def _harmless(question: "list[bytes]", chip: "Any", present: "list[Any]") -> bool:
    others = [one for one in present if one.driver is not chip.driver]
    return not any(one.driver.hears_write(sent) for one in others for sent in question)


class _Silent:
    """An SPI device on which nothing answers; it keeps what was sent."""

    def __init__(self) -> None:
        self.sent: "list[bytes]" = []

    def write_readinto(self, write_buffer: "Any", read_buffer: "Any") -> None:
        self.sent.append(bytes(write_buffer))
        for place in range(len(read_buffer)):
            read_buffer[place] = 0


def _scan_bus(
    agent: "app.Agent", bus: "Any", expected: "dict[tuple[str, int], tuple[str, str]]"
) -> "list[Place]":
    chips = known_chips().values()
    i2c = BUS_KINDS[bus.kind]
    board = agent.settings.board
    wired_to = None if board is None else bus_of(read_board(board), bus.kind, bus.number)
    found = []
    for at in places_of(agent.settings, bus):
        wanted = expected.get((bus.name, at), ("", ""))
        unasked: "list[Any]" = []
        if i2c:
            able = [chip for chip in chips if at in chip.addresses]
            order = sorted(able, key=lambda chip: chip.name != wanted[1])
        else:
            able = [chip for chip in chips if chip.spi_mode is not None]
            order, unasked = asked_in_order(able, wanted[1])
        place = _who(agent, bus, at, order, wanted)
        if place.chip or place.sensor or not i2c or place.reason[0] == "chip":
            names = () if place.chip else tuple(sorted({chip.answers_as for chip in unasked}))
            stretches = _unsure_of_clock(agent.settings, bus, place)
            found.append(place._replace(unasked=names, stretches=stretches, wired_to=wired_to))
    return found if i2c else _without_selects(found)


def _without_selects(places: "list[Place]") -> "list[Place]":
    """Where one chip select's node is there, the bus is not what another one lacks."""
    absent = [place for place in places if place.reason[1].get("errno") == errno.ENOENT]
    if len(absent) == len(places):
        return places
    kept = []
    for place in places:
        if place not in absent:
            kept.append(place)
        elif place.sensor:
            reason = ("no_select", {"place": place.reason[1]["place"]})
            kept.append(place._replace(reason=reason))
    return kept


def _unsure_of_clock(settings: "Settings", bus: "Any", place: "Place") -> bool:
    chip = known_chips().get(place.chip or place.expected)
    simulated = bus.kind.startswith("sim_")
    return settings.board is None and not simulated and chip is not None and chip.stretches_clock


def _who(
    agent: "app.Agent", bus: "Any", at: int, chips: "list[Any]", wanted: "tuple[str, str]"
) -> "Place":
    i2c, faults = BUS_KINDS[bus.kind], {}
    for chip in chips:
        address = at if i2c else None
        sensor = Sensor(
            "scan", chip.name, bus.name, address, chip.rates_hz[-1], 0 if i2c else at, ()
        )
        try:
            port = agent.bus_port(bus).device(sensor, chip, address)
            chip.driver(port, chip.rates_hz[-1], address).recognise()
        except (OSError, SensorFault) as error:
            faults[chip.name] = reason_of(error)
            continue
        name = chip.name if chip.name == wanted[1] else chip.answers_as
        return Place(bus.name, i2c, at, name, *wanted, NOTHING)
    first = next(iter(faults.values()), NOTHING)
    if not wanted[1] and not i2c and at_rest(first):
        first = ("free", {})
    return Place(bus.name, i2c, at, "", *wanted, faults.get(wanted[1], first))


def at_rest(reason: "tuple[str, dict[str, Any]]") -> bool:
    """Whether a chip was not found because nobody drives MISO."""
    code, facts = reason
    return code == "chip" and set(facts["found"][2:]) in LINE_AT_REST


def _place_of(sensor: "Any", settings: "Settings") -> "tuple[str, int]":
    bus = next(bus for bus in settings.buses if bus.name == sensor.bus)
    address = address_on(bus, sensor, known_chips()[sensor.chip])
    return bus.name, sensor.chip_select if address is None else address
