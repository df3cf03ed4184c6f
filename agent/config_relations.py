"""What no single value of a configuration can know: names that must exist, places, a bus's time."""

from agent.boards import wire_of
from agent.checked import one_of
from agent.chips import BUS_KINDS, known_chips
from agent.config_board import board_relations

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from agent.config import Bus, Sensor, Settings

CHIPS = known_chips()
WIRE_SHARE_MAX = 0.7  # of a bus's time: the rest is for retries, other programs and the kernel


def relations(settings: "Settings") -> "list[str]":
    """What no single value can know: names that must exist, places that only one may take."""
    complaints = (
        _twins("buses", settings.buses)
        + _twins("sensors", settings.sensors)
        + _twins("machines", settings.machines)
        + _sensor_relations(settings)
        + _machine_relations(settings)
        + _broker_relations(settings.broker)
    )
    return complaints or board_relations(settings) + _wire_relations(settings)


def _twins(key: str, parts: "Any") -> "list[str]":
    seen: "set[str]" = set()
    complaints = []
    for place, part in enumerate(parts):
        if part.name in seen:
            complaints.append(f'{key}[{place}].name: "{part.name}" is taken (expected a new name)')
        seen.add(part.name)
    return complaints


def _broker_relations(broker: "Any") -> "list[str]":
    complaints = []
    if broker is not None and (broker.tls_certificate is None) != (broker.tls_key is None):
        missing = "tls_key" if broker.tls_key is None else "tls_certificate"
        complaints.append(f"broker.{missing}: missing (a client certificate needs its key)")
    if broker is not None and broker.password is not None and broker.username is None:
        complaints.append("broker.username: missing (expected with a password)")
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
    chip = CHIPS[sensor.chip]
    addresses = chip.addresses
    if chip.wire_bits[0 if BUS_KINDS[bus.kind] else 1] is None:
        kind, other = ("I2C", "an SPI") if BUS_KINDS[bus.kind] else ("SPI", "an I2C")
        return f"{path}.bus: {sensor.chip} is not a chip for {kind} (expected {other} bus)", ()
    wrong = _wrong_clock(path, sensor, bus)
    if wrong:
        return wrong, ()
    share = _wire_share(sensor, bus)
    if share > WIRE_SHARE_MAX:
        return (
            f"{path}.rate_hz: {sensor.rate_hz} is not a rate that this bus carries"
            f" ({_arithmetic(sensor, bus)} is {100 * share:.1f} % of its time, at most"
            f" {100 * WIRE_SHARE_MAX:.0f} %: {_cure(sensor, bus)})"
        ), ()
    if BUS_KINDS[bus.kind]:
        address = addresses[0] if sensor.address is None else sensor.address
        return "", (*wire_of(bus), f"address 0x{address:02x}")
    if sensor.address is not None:
        return f"{path}.address: {sensor.address} is not used on SPI (expected chip_select)", ()
    return "", (*wire_of(bus), f"chip select {sensor.chip_select}")


def _wrong_clock(path: str, sensor: "Sensor", bus: "Bus") -> str:
    """A bus faster than the chip bears, or too slow for its rate; "" when neither."""
    chip = CHIPS[sensor.chip]
    i2c = BUS_KINDS[bus.kind]
    slowest = (chip.i2c_hz_min if i2c else chip.spi_hz_min).get(sensor.rate_hz, 0)
    if i2c and bus.speed_hz > chip.i2c_hz_max:
        return (
            f'{path}.bus: "{sensor.bus}" runs at {bus.speed_hz} Hz, too fast for {sensor.chip}'
            f" (expected a bus of at most {chip.i2c_hz_max} Hz{_set_by(bus)})"
        )
    if i2c and bus.speed_hz < slowest:
        fits = [hz for hz, least in chip.i2c_hz_min.items() if least <= bus.speed_hz]
        return (
            f"{path}.rate_hz: by its datasheet {sensor.chip} needs an I2C clock of {slowest} Hz"
            f' for {sensor.rate_hz} Hz, and "{sensor.bus}" runs at {bus.speed_hz} Hz: samples would'
            f" go missing (expected {max(fits, default=0)} Hz or less, or SPI{_set_by(bus)})"
        )
    if bus.speed_hz < slowest:
        return (
            f"{path}.rate_hz: {sensor.chip} loses samples at {sensor.rate_hz} Hz when"
            f' "{sensor.bus}" runs at {bus.speed_hz} Hz (expected a speed_hz of {slowest} or more)'
        )
    return ""


def _cure(sensor: "Sensor", bus: "Bus") -> str:
    """What helps a bus that is too slow: the clock of I2C is not set here, only told."""
    if BUS_KINDS[bus.kind]:
        return f"lower the rate, or SPI{_set_by(bus)}"
    if bus.speed_hz >= CHIPS[sensor.chip].speed_hz_max:
        return "lower the rate"
    return "lower the rate, or raise speed_hz"


def _set_by(bus: "Bus") -> str:
    """Where the clock of a real I2C bus comes from, which speed_hz repeats."""
    if wire_of(bus)[0] != "smbus2":
        return ""
    return (
        "; speed_hz only repeats the clock that dtparam=i2c_arm_baudrate=... in"
        " /boot/firmware/config.txt, or the device tree, sets"
    )


def frame_s(sensor: "Sensor", bus: "Bus") -> float:
    """Seconds that a sensor's frame takes on its bus."""
    i2c_bits, spi_bits, gap_us = CHIPS[sensor.chip].wire_bits
    if BUS_KINDS[bus.kind]:
        return float(i2c_bits / bus.speed_hz)
    speed_hz = min(bus.speed_hz, CHIPS[sensor.chip].speed_hz_max)
    return float(spi_bits / speed_hz + gap_us / 1e6)


def _wire_share(sensor: "Sensor", bus: "Bus") -> float:
    """The share of a bus's time that one sensor's frames take."""
    return float(sensor.rate_hz * frame_s(sensor, bus))


def _arithmetic(sensor: "Sensor", bus: "Bus") -> str:
    bits = CHIPS[sensor.chip].wire_bits[0 if BUS_KINDS[bus.kind] else 1]
    kbit_s = sensor.rate_hz * bits / 1e3
    return (
        f"{sensor.rate_hz} frames/s x {bits} bit = {kbit_s:.0f} kbit/s of {bus.speed_hz / 1e3:.0f}"
    )


def _wire_relations(settings: "Settings") -> "list[str]":
    """Wires that all their sensors together would fill, under however many names."""
    wires: "dict[Any, list[int]]" = {}
    for place, bus in enumerate(settings.buses):
        simulated = bus.kind.startswith("sim_")  # each name is a bus of its own
        wires.setdefault(bus.name if simulated else wire_of(bus), []).append(place)
    complaints = (
        _filled([settings.buses[n] for n in places], places, settings.sensors)
        for places in wires.values()
    )
    return [complaint for complaint in complaints if complaint]


def _filled(buses: "list[Bus]", places: "list[int]", sensors: "Any") -> str:
    """The arithmetic of a wire that its sensors fill; "" when they do not."""
    by_name = {bus.name: bus for bus in buses}
    seated = [(one, by_name[one.bus]) for one in sensors if one.bus in by_name]
    share = sum(_wire_share(one, bus) for one, bus in seated)
    if len(seated) < 2 or share <= WIRE_SHARE_MAX:
        return ""
    names = " and ".join(f'"{name}"' for name in by_name)
    same = ", which are one bus," if len(buses) > 1 else ""
    sums = ", ".join(f"{one.name} {_arithmetic(one, bus)}" for one, bus in seated)
    return (
        f"buses[{places[0]}]: {names}{same} {'are' if same else 'is'} filled to"
        f" {100 * share:.0f} % ({sums}; expected at most {100 * WIRE_SHARE_MAX:.0f} %: lower a"
        " rate, or another bus)"
    )


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
