"""Configuration: JSON to checked, frozen settings. What it does not know, it refuses by name.

Every complaint is one line: the path in the file, the value, and what was expected. All of them are
found at once, not one a run.
"""

from collections import namedtuple

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
from agent.chips import known_chips
from agent.limits import STOPPED_BELOW_MM_S

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

SCHEMA = 1
FILE_BYTES_MAX = 256 * 1024  # a hundred machines fit in a tenth of it
LANGUAGES = ("es", "en")
MACHINE_KINDS = ("pump", "motor", "fan", "compressor", "gearbox", "other")
SUPPORTS = ("rigid", "flexible")
BUS_KINDS = {  # kind: whether it is an I2C bus (else SPI)
    "smbus2": True,
    "blinka_i2c": True,
    "sim_i2c": True,
    "spidev": False,
    "blinka_spi": False,
    "sim_spi": False,
}

CHIPS = known_chips()
I2C_FRAME_BITS = 102  # 30 of addressing and 9 for each of 8 bytes
I2C_RATE_HZ_MAX = 1600  # ADXL345, frame by frame at 400 kHz: half of the wire kept free

Device = namedtuple("Device", ("site", "name"))
Page = namedtuple("Page", ("host", "port"))
Broker = namedtuple("Broker", ("host", "port", "username", "password", "tls_ca"))
Bus = namedtuple("Bus", ("name", "kind", "number", "speed_hz"))
Sensor = namedtuple("Sensor", ("name", "chip", "bus", "address", "rate_hz", "chip_select"))
Machine = namedtuple(
    "Machine",
    (
        "name",
        "kind",
        "power_kw",
        "support",
        "rpm",
        "vibration",
        "temperature",
        "stopped_below_mm_s",
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
        "page",
        "broker",
        "model_dir",
        "buses",
        "sensors",
        "machines",
        "simulation",
    ),
)


def read_settings(text: str) -> "Settings":
    """Checked settings of a configuration's text; ConfigFault with every complaint."""
    complaints: "list[str]" = []
    settings = _settings(read_object(text, complaints))
    if not complaints:
        complaints = _relations(settings)
    if complaints:
        raise ConfigFault(complaints)
    return settings


def _settings(root: "Part") -> "Settings":
    root.take("schema", f"{SCHEMA}", lambda v: v == SCHEMA and not isinstance(v, bool))
    settings = Settings(
        root.take("version", "a whole number, 0 or more", whole(0, 2**53), 0),
        _device(root.part("device")),
        root.take("language", one_of(LANGUAGES), one_of_these(LANGUAGES), "es"),
        root.take("state_dir", "a folder's path", is_text),
        _page(root.part("page", {})),
        _broker(root.part("broker")) if root.has("broker") else None,
        root.take("model_dir", "a folder's path", is_text, None),
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
        part.take("username", "a text", is_text, None),
        part.take("password", "a text", is_text, None),
        part.take("tls_ca", "a file's path", is_text, None),
    )
    part.done()
    return broker


def _bus(part: "Part") -> "Bus":
    bus = Bus(
        part.take("name", "a name", is_text),
        part.take("kind", one_of(tuple(BUS_KINDS)), one_of_these(BUS_KINDS)),
        part.take("number", "a bus number, 0 to 99", whole(0, 99), 0),
        part.take(
            "speed_hz", "a clock, 10000 to 20000000 Hz", whole(10_000, 20_000_000), 2_000_000
        ),
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
    )
    part.done()
    return sensor


def _machine(part: "Part") -> "Machine":
    machine = Machine(
        part.take("name", "1 to 64 characters", lambda v: is_text(v) and len(v) <= 64),
        part.take("kind", one_of(MACHINE_KINDS), one_of_these(MACHINE_KINDS), "other"),
        part.take("power_kw", "a power in kW above 0", number(0.0, 1e5), None),
        part.take("support", "rigid or flexible", one_of_these(SUPPORTS), "rigid"),
        part.take("rpm", "a speed of 30 to 60000 r/min", number(30.0 - 1e-9, 60000.0), None),
        part.take("vibration", "a sensor's name", is_text),
        part.take("temperature", "a sensor's name", is_text, None),
        part.take(
            "stopped_below_mm_s", "a velocity above 0", number(0.0, 100.0), STOPPED_BELOW_MM_S
        ),
    )
    part.done()
    return machine


def _simulation(part: "Part") -> "Simulation":
    simulation = Simulation(
        part.take("seed", "a whole number, 0 or more", whole(0, 2**31), 1),
        part.take("defect_from_s", "seconds, 0 or more", number(-1e-9, 1e9), None),
        part.take("defect_over_s", "seconds above 0", number(0.0, 1e9), 60.0),
        part.take("clock_error", "a share, -0.05 to 0.05", number(-0.0501, 0.05), 0.02),
        part.take("learn_ahead_s", "seconds, 35 to 600", number(35.0 - 1e-9, 600.0), None),
    )
    part.done()
    return simulation


def _relations(settings: "Settings") -> "list[str]":
    """What no single value can know: names that must exist, places that only one may take."""
    return (
        _twins("buses", settings.buses)
        + _twins("sensors", settings.sensors)
        + _twins("machines", settings.machines)
        + _sensor_relations(settings)
        + _machine_relations(settings)
    )


def _twins(key: str, parts: "Any") -> "list[str]":
    seen: "set[str]" = set()
    complaints = []
    for place, part in enumerate(parts):
        if part.name in seen:
            complaints.append(f'{key}[{place}].name: "{part.name}" is taken (expected a new name)')
        seen.add(part.name)
    return complaints


def _sensor_relations(settings: "Settings") -> "list[str]":
    buses = {bus.name: bus for bus in settings.buses}
    taken: "dict[tuple[Any, ...], str]" = {}
    complaints = []
    for place, sensor in enumerate(settings.sensors):
        path = f"sensors[{place}]"
        if sensor.bus not in buses:
            complaints.append(f'{path}.bus: "{sensor.bus}" is not a bus {one_of(tuple(buses))}')
            continue
        complaint, where = _seat(path, sensor, buses[sensor.bus])
        if complaint:
            complaints.append(complaint)
        elif where in taken:
            complaints.append(
                f'{path}: "{sensor.name}" is at {where[-1]} of bus "{sensor.bus}", where'
                f' "{taken[where]}" already is (expected a place of its own)'
            )
        taken.setdefault(where, sensor.name)
    return complaints


def _seat(path: str, sensor: "Sensor", bus: "Bus") -> "tuple[str, tuple[Any, ...]]":
    """(complaint or "", the place on the bus that the sensor takes)."""
    addresses = CHIPS[sensor.chip].addresses
    if BUS_KINDS[bus.kind]:
        if not addresses:
            return f"{path}.bus: {sensor.chip} is not a chip for I2C (expected an SPI bus)", ()
        if sensor.rate_hz > I2C_RATE_HZ_MAX:
            return (
                f"{path}.rate_hz: {sensor.rate_hz} is not a rate that I2C carries"
                f" ({sensor.rate_hz} frames/s x {I2C_FRAME_BITS} bit ="
                f" {sensor.rate_hz * I2C_FRAME_BITS / 1e3:.0f} kbit/s of"
                f" 400, choose {I2C_RATE_HZ_MAX} or less, or SPI)"
            ), ()
        address = addresses[0] if sensor.address is None else sensor.address
        return "", (bus.kind, bus.number, f"address 0x{address:02x}")
    if sensor.address is not None:
        return f"{path}.address: {sensor.address} is not used on SPI (expected chip_select)", ()
    return "", (bus.kind, bus.number, f"chip select {sensor.chip_select}")


def _machine_relations(settings: "Settings") -> "list[str]":
    chips = {sensor.name: sensor.chip for sensor in settings.sensors}
    complaints = []
    for place, machine in enumerate(settings.machines):
        for key in ("vibration", "temperature"):
            name = getattr(machine, key)
            if name is None:
                continue
            fitting = tuple(n for n, chip in chips.items() if CHIPS[chip].measures == key)
            if name not in fitting:
                complaints.append(
                    f'machines[{place}].{key}: "{name}" is not a {key} sensor {one_of(fitting)}'
                )
    return complaints


def _is_topic(value: "Any") -> bool:
    """A level of an MQTT topic that no broker, shell or file system reads as more than a name."""
    plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
    return isinstance(value, str) and 0 < len(value) <= 32 and all(c in plain for c in value)
