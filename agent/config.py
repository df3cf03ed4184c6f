"""Configuration: JSON to checked, frozen settings. What it does not know, it refuses by name.

Every complaint is one line: the path in the file, the value, and what was expected. All of them are
found at once, not one a run.
"""

from collections import namedtuple

from agent.analysis.bearings import BearingFault, bearing_for
from agent.boards import known_boards
from agent.checked import (
    ConfigFault,
    Part,
    is_text,
    number,
    one_of,
    one_of_these,
    read_object,
    whole,
)
from agent.chips import BUS_KINDS, known_chips
from agent.config_relations import relations
from agent.limits import LEARN_MIN, STOPPED_BELOW_MM_S, STORE_MB, STORE_MB_MIN

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from agent.chips import Chip

SCHEMA = 1
LANGUAGES = ("es", "en")
PROTOCOLS = ("auto", "5", "3.1.1")
RECEIPTS = ("broker", "receiver")  # whose word frees a row
MACHINE_KINDS = ("pump", "motor", "fan", "compressor", "gearbox", "other")
SUPPORTS = ("rigid", "flexible")
CATEGORIES = ("I", "II")  # of pumps: ISO 10816-7
RISING = "three limits above 0 that rise: A/B, B/C, C/D"
AXES = ("x", "y", "z")  # of the sensor; the axial one lies along the shaft
MAINS_HZ = (50, 60)
CHIPS = known_chips()
BOARDS = known_boards()
I2C_SPEED_HZ, SPI_SPEED_HZ = 100_000, 2_000_000  # a Raspberry Pi's own defaults

Device = namedtuple("Device", ("site", "name"))
Page = namedtuple("Page", ("host", "port"))
Store = namedtuple("Store", ("limit_mb",))
Broker = namedtuple(
    "Broker",
    (
        "host",
        "port",
        "protocol",
        "username",
        "password",
        "tls",
        "tls_ca",
        "tls_certificate",
        "tls_key",
        "receipt",
    ),
)
Bus = namedtuple("Bus", ("name", "kind", "number", "speed_hz"))
# `options`: the chip's own, as pairs of name and value.
Sensor = namedtuple(
    "Sensor", ("name", "chip", "bus", "address", "rate_hz", "chip_select", "options")
)
Machine = namedtuple(
    "Machine",
    (
        "name",
        "kind",
        "power_kw",
        "support",
        "rpm",
        "bearing",
        "vanes",
        "mains_hz",
        "axial",
        "vibration",
        "temperature",
        "stopped_below_mm_s",
        "pump_category",
        "limits_mm_s",
        "limits_um",
        "mounting",
        "learn_minutes",
    ),
)
Simulation = namedtuple(
    "Simulation", ("seed", "defect_from_s", "defect_over_s", "clock_error", "learn_ahead_s")
)
Settings = namedtuple(
    "Settings",
    (
        "version",
        "device",
        "language",
        "state_dir",
        "store",
        "page",
        "broker",
        "model_dir",
        "board",
        "buses",
        "sensors",
        "machines",
        "simulation",
        "text",
    ),
    defaults=("",),
)


def read_settings(text: str) -> "Settings":
    """Checked settings of a configuration's text; ConfigFault with every complaint."""
    complaints: "list[str]" = []
    settings = _settings(read_object(text, complaints))
    if not complaints:
        complaints = relations(settings)
    if complaints:
        raise ConfigFault(complaints)
    return settings._replace(text=text)


def _settings(root: "Part") -> "Settings":
    root.take("schema", f"{SCHEMA}", lambda v: v == SCHEMA and not isinstance(v, bool))
    settings = Settings(
        root.take("version", "a whole number, 0 or more", whole(0, 2**53), 0),
        _device(root.part("device")),
        root.take("language", one_of(LANGUAGES), one_of_these(LANGUAGES), "es"),
        root.take("state_dir", "a folder's path", is_text),
        _store(root.part("store", {})),
        _page(root.part("page", {})),
        _broker(root.part("broker")) if root.has("broker") else None,
        root.take("model_dir", "a folder's path", is_text, None),
        root.take("board", one_of(BOARDS), one_of_these(BOARDS), None),
        tuple(_bus(part) for part in root.parts("buses")),
        tuple(_sensor(part) for part in root.parts("sensors")),
        tuple(_machine(part) for part in root.parts("machines")),
        _simulation(root.part("simulation", {})),
    )
    root.done()
    return settings


def _device(part: "Part") -> "Device":
    plain = "1 to 32 letters, digits, - or _"
    device = Device(part.take("site", plain, _is_topic), part.take("name", plain, _is_topic))
    part.done()
    return device


def _store(part: "Part") -> "Store":
    sizes = f"a size of {STORE_MB_MIN} to 100000 MB"
    fits = number(STORE_MB_MIN - 1e-9, 1e5)
    store = Store(part.take("limit_mb", sizes, fits, STORE_MB))
    part.done()
    return store


def _page(part: "Part") -> "Page":
    page = Page(
        part.take("host", "an address", is_text, "127.0.0.1"),
        part.take("port", "a port, 0 to 65535", whole(0, 65535), 8080),
    )
    part.done()
    return page


def _broker(part: "Part") -> "Broker":
    broker = Broker(
        part.take("host", "a host name or address", is_text),
        part.take("port", "a port, 1 to 65535", whole(1, 65535), 1883),
        part.take("protocol", one_of(PROTOCOLS), one_of_these(PROTOCOLS), "auto"),
        part.take("username", "a text", is_text, None),
        part.take("password", "a text", is_text, None),
        part.take("tls", "true or false", lambda v: isinstance(v, bool), False),
        part.take("tls_ca", "a file's path", is_text, None),
        part.take("tls_certificate", "a file's path", is_text, None),
        part.take("tls_key", "a file's path", is_text, None),
        part.take("receipt", one_of(RECEIPTS), one_of_these(RECEIPTS), "broker"),
    )
    part.done()
    return broker


def _bus(part: "Part") -> "Bus":
    kind = part.take("kind", one_of(tuple(BUS_KINDS)), one_of_these(BUS_KINDS))
    speed_hz = I2C_SPEED_HZ if BUS_KINDS.get(kind) else SPI_SPEED_HZ
    bus = Bus(
        part.take("name", "a name", is_text),
        kind,
        part.take("number", "a bus number, 0 to 99", whole(0, 99), 0),
        part.take("speed_hz", "a clock, 10000 to 20000000 Hz", whole(10_000, 20_000_000), speed_hz),
    )
    part.done()
    return bus


def _sensor(part: "Part") -> "Sensor":
    chip = part.take("chip", one_of(tuple(CHIPS)), one_of_these(CHIPS))
    rates = CHIPS[chip].rates_hz if chip else ()
    addresses = CHIPS[chip].addresses if chip else ()
    sensor = Sensor(
        part.take("name", "a name", is_text),
        chip,
        part.take("bus", "a bus's name", is_text),
        part.take(
            "address",
            f"an address of {chip} {one_of(addresses)}",
            lambda v: chip is None or (whole(0, 127)(v) and v in addresses),
            None,
        ),
        part.take(
            "rate_hz",
            f"a rate of {chip} {one_of(rates)}",
            lambda v: chip is None or (whole(1, 10**6)(v) and v in rates),
            rates[-1] if rates else None,
        ),
        part.take("chip_select", "a chip select, 0 to 9", whole(0, 9), 0),
        _options(part, CHIPS[chip]) if chip else (),
    )
    part.done()
    return sensor


def _options(part: "Part", chip: "Chip") -> "tuple[tuple[str, Any], ...]":
    """The chip's own options; those of other chips are refused by name."""
    for key in sorted({key for one in CHIPS.values() for key in one.options} - set(chip.options)):
        if part.has(key):
            having = tuple(name for name, one in CHIPS.items() if key in one.options)
            part.take(
                key, f"an option of {chip.name}; of {' '.join(having)} it is", lambda v: False
            )
    return tuple(
        (key, part.take(key, f"a {key} of {chip.name} {one_of(choices)}", _in(choices), choices[0]))
        for key, choices in chip.options.items()
    )


def _in(choices: "tuple[Any, ...]") -> "Callable[[Any], bool]":
    """Of the same type too: JSON's true is not 1."""
    return lambda v: any(type(v) is type(choice) and v == choice for choice in choices)


def _machine(part: "Part") -> "Machine":
    machine = Machine(
        part.take("name", "1 to 64 characters", lambda v: is_text(v) and len(v) <= 64),
        part.take("kind", one_of(MACHINE_KINDS), one_of_these(MACHINE_KINDS), "other"),
        part.take("power_kw", "a power in kW above 0", number(0.0, 1e5), None),
        part.take("support", "rigid or flexible", one_of_these(SUPPORTS), "rigid"),
        part.take("rpm", "a speed of 30 to 60000 r/min", number(30.0 - 1e-9, 60000.0), None),
        _bearing(part),
        part.take("vanes", "a number of vanes, 2 to 50", whole(2, 50), None),
        part.take("mains_hz", "50 or 60", lambda v: whole(50, 60)(v) and v in MAINS_HZ, 60),
        part.take("axial", one_of(AXES), one_of_these(AXES), None),
        part.take("vibration", "a sensor's name", is_text),
        part.take("temperature", "a sensor's name", is_text, None),
        part.take(
            "stopped_below_mm_s", "a velocity above 0", number(0.0, 100.0), STOPPED_BELOW_MM_S
        ),
        part.take("pump_category", "I or II", one_of_these(CATEGORIES), "II"),
        part.take("limits_mm_s", RISING, _is_rising, None),
        part.take("limits_um", RISING, _is_rising, None),
        part.take("mounting", "a whole number, 1 or more", whole(1, 10**6), 1),
        part.take("learn_minutes", "minutes, 1 to 10080", number(1.0 - 1e-9, 10080.0), LEARN_MIN),
    )
    part.done()
    return machine


def _bearing(part: "Part") -> "str | None":
    """The bearing's text as it stands, once it is known to mean one."""
    held: "str | None" = part.take("bearing", "a text", is_text, None)
    try:
        if held is not None:
            bearing_for(held)
    except BearingFault as fault:
        part.refuse("bearing", held, f"a bearing that is known ({fault})")
    return held


def _simulation(part: "Part") -> "Simulation":
    simulation = Simulation(
        part.take("seed", "a whole number, 0 or more", whole(0, 2**31), 1),
        part.take("defect_from_s", "seconds, 0 or more", number(-1e-9, 1e9), None),
        part.take("defect_over_s", "seconds above 0", number(0.0, 1e9), 60.0),
        part.take("clock_error", "a share, -0.05 to 0.05", number(-0.0501, 0.05), 0.015),
        part.take("learn_ahead_s", "seconds, 35 to 600", number(35.0 - 1e-9, 600.0), None),
    )
    part.done()
    return simulation


def _is_rising(value: "Any") -> bool:
    above_0 = number(0.0, 1e6)
    if not (isinstance(value, list) and len(value) == 3 and all(above_0(one) for one in value)):
        return False
    return bool(value[0] < value[1] < value[2])


def _is_topic(value: "Any") -> bool:
    """A level of an MQTT topic that no broker, shell or file system reads as more than a name."""
    plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
    return isinstance(value, str) and 0 < len(value) <= 32 and all(c in plain for c in value)
