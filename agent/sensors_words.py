"""`latido sensors scan | test | watch`: who answers on the buses, is it sound, what it says.

Exit codes: 0 all well, 1 a fault was found (and which wire to check), 2 usage or configuration.
"""

import asyncio
import sys
from collections import namedtuple

from agent import app, start
from agent.analysis.assess import joined
from agent.analysis.decode import decode
from agent.analysis.trust import frames_trust, window_trust
from agent.chips import BUS_KINDS, known_chips
from agent.config import Sensor
from agent.core.block import FAILURE, GOOD, NO_REASON
from agent.page.words import sensor_detail
from agent.stages.acquire import block_maker
from drivers.device import SensorFault

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from typing import Any

    from agent.config import Settings

WELL, FAULT, USAGE = 0, 1, 2
NO_ID = ("max31855", "max31856")  # known by what they send only: named when nobody else answers
CHIP_SELECTS = (0, 1)

# What a bus's place answered: `chip` is "" and `fault` says why when nobody known did.
Place = namedtuple("Place", ("bus", "place", "chip", "fault"))

# What a sensor gave in some seconds. `channels`: {name: (mean, rms about it, unit)}.
Heard = namedtuple("Heard", ("name", "chip", "status", "reason", "rate_hz", "lost", "channels"))


def run(options: "argparse.Namespace", print_object: "Callable[[object], None]") -> int:
    """`options`: action, config, seconds, json."""
    settings, code = start.settings_of(options.config, "sensors")
    if settings is None:
        return code
    if options.action == "scan":
        return _scan(settings, options.json, print_object)
    return asyncio.run(_listen(settings, options, print_object))


def _scan(settings: "Settings", as_json: bool, print_object: "Callable[[object], None]") -> int:
    if any(bus.kind.startswith("sim_") for bus in settings.buses):
        print("latido sensors: simulated buses have nothing to scan", file=sys.stderr)
        return USAGE
    found = [place for bus in settings.buses for place in scan_bus(app.Agent(settings), bus)]
    for place in found:
        if as_json:
            print_object(dict(zip(("bus", "place", "chip", "fault"), place)))
        else:
            print(f"{place.bus:10} {place.place:16} {place.chip or '-':10} {place.fault}")
    configured = {(sensor.bus, _place_of(sensor, settings)): sensor for sensor in settings.sensors}
    code = WELL
    for place in found:
        sensor = configured.get((place.bus, place.place))
        if sensor is not None and known_chips()[sensor.chip].answers_as != place.chip:
            code = FAULT
            why = place.fault or f"a {place.chip} answers"
            print(f"latido sensors: {sensor.name}: expected {sensor.chip}: {why}", file=sys.stderr)
    return code


def scan_bus(agent: "app.Agent", bus: "Any") -> "list[Place]":
    """Every place of a bus where a known chip could be, and who answers there."""
    chips = known_chips()
    i2c = BUS_KINDS[bus.kind]
    if i2c:
        places = sorted({address for chip in chips.values() for address in chip.addresses})
    else:
        places = list(CHIP_SELECTS)
    found = []
    for place in places:
        fitting = [
            c for c in chips.values() if (place in c.addresses if i2c else c.spi_mode is not None)
        ]
        fitting.sort(key=lambda chip: chip.name in NO_ID)
        found.append(_who(agent, bus, place, fitting, i2c))
    return [place for place in found if place.chip or not i2c]


def _who(agent: "app.Agent", bus: "Any", place: int, chips: "list[Any]", i2c: bool) -> "Place":
    named = f"address 0x{place:02x}" if i2c else f"chip select {place}"
    fault = ""
    for chip in chips:
        address = place if i2c else None
        sensor = Sensor(
            "scan", chip.name, bus.name, address, chip.rates_hz[-1], 0 if i2c else place, ()
        )
        try:
            port = agent.bus_port(bus).device(sensor, chip, address)
            chip.driver(port, chip.rates_hz[-1], address).identify()
        except (OSError, SensorFault) as error:
            fault = fault or str(error)
            continue
        return Place(bus.name, named, chip.name, "")
    return Place(bus.name, named, "", fault)


def _place_of(sensor: "Any", settings: "Settings") -> str:
    bus = next(bus for bus in settings.buses if bus.name == sensor.bus)
    address = app.address_on(bus, sensor, known_chips()[sensor.chip])
    return f"chip select {sensor.chip_select}" if address is None else f"address 0x{address:02x}"


async def _listen(
    settings: "Settings", options: "argparse.Namespace", print_object: "Callable[[object], None]"
) -> int:
    """`test` listens once for some seconds, `watch` every second until it is ended."""
    stop = asyncio.Event()
    start.prepare_process()
    start.stop_on_signals(stop)
    agent = app.Agent(settings)
    agent.open_sensors()
    seconds = options.seconds or (4.0 if options.action == "test" else 1.0)
    ears = [Ear(adapter, facts) for adapter, facts in agent.sensors.values()]
    code = WELL
    try:
        await asyncio.gather(*(ear.start() for ear in ears))
        while not stop.is_set():
            heard = await asyncio.gather(*(ear.listen(seconds) for ear in ears))
            for one in heard:
                _tell(one, options.json, print_object)
                code = FAULT if one.status != GOOD else code
            if options.action == "test":
                break
    finally:
        await asyncio.gather(*(ear.stop() for ear in ears))
    return code


class Ear:
    """One sensor listened to outside the agent: the same thread, drain loop and clock fit."""

    def __init__(self, adapter: "Any", facts: "Any") -> None:
        self._adapter = adapter
        self._facts = facts
        self._maker = block_maker(facts.name, facts.rate_hz, facts.polled)

    async def start(self) -> None:
        await self._adapter.start()

    async def stop(self) -> None:
        await self._adapter.stop()

    async def listen(self, seconds: float) -> "Heard":
        """What it gave in the next seconds."""
        blocks = []
        try:
            async with asyncio.timeout(seconds):
                while True:
                    blocks.append(self._maker.take(await self._adapter.next_batch()))
        except TimeoutError:
            return self._heard(blocks)

    def _heard(self, blocks: "list[Any]") -> "Heard":
        facts = self._facts
        raw = b"".join(block.raw for block in blocks)
        status, reason = GOOD, NO_REASON
        for block in blocks[1:]:  # the first may hold what waited before
            if block.status != GOOD:
                status, reason = block.status, block.reason
        rate_hz = blocks[-1].rate_hz if blocks else 0.0
        lost = sum(block.lost for block in blocks)
        if status == GOOD and not raw:
            status, reason = FAILURE, ("nothing", {})
        values = decode(raw, facts.layout)
        if status == GOOD and facts.range_g is not None:
            (status, reason), values = window_trust(raw, facts.layout, facts.range_g)
        elif status == GOOD:
            status, reason = frames_trust(raw, facts.layout)
        channels = {
            channel.name: (*_mean_and_rms(values[:, place]), channel.unit)
            for place, channel in enumerate(facts.layout.channels)
            if len(values)
        }
        return Heard(facts.name, facts.chip, status, reason, rate_hz, lost, channels)


def _mean_and_rms(values: "Any") -> "tuple[float, float]":
    flat = joined([values])
    return float(flat.mean()), float(flat.std())


def _tell(heard: "Heard", as_json: bool, print_object: "Callable[[object], None]") -> None:
    if as_json:
        channels = {
            name: {"mean": round(mean, 5), "rms": round(rms, 5), "unit": unit}
            for name, (mean, rms, unit) in heard.channels.items()
        }
        print_object(
            {
                "name": heard.name,
                "chip": heard.chip,
                "status": heard.status,
                "reason": heard.reason,
                "rate_hz": round(heard.rate_hz, 2),
                "lost": heard.lost,
                "channels": channels,
            }
        )
        return
    parts = [
        f"{name} {mean:+.3f} {unit} (rms {rms:.4f})"
        for name, (mean, rms, unit) in heard.channels.items()
    ]
    line = f"{heard.name:14} {heard.chip:9} {heard.status:12} {heard.rate_hz:8.1f} Hz  "
    why = sensor_detail(heard.reason, "en")
    print(line + ", ".join(parts) + (f"  {why}" if why else ""), flush=True)
