"""What samples: buses, drivers and their threads, by the settings. Alone imports bus adapters.

The agent opens them in a process of their own (`agent.sampling`), the words of the command line and
tests in theirs.
"""

from collections import namedtuple

from agent.adapters.gpio_linux import I2cRecovery
from agent.adapters.sensor import BusThread
from agent.boards import recovery_facts
from agent.chips import address_on, known_chips
from agent.config_relations import frame_s
from agent.drain import Drainer

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from agent.adapters.sensor import BusSensor
    from agent.config import Settings
    from agent.ports import Clock

SensorFacts = namedtuple(
    "SensorFacts",
    ("name", "chip", "layout", "rate_hz", "range_g", "simulated", "polled", "bandwidth_hz"),
    defaults=(None,),
)

BUS_ADAPTERS = {
    "smbus2": "i2c_smbus2",
    "spidev": "spi_linux",
    "blinka_i2c": "bus_blinka",
    "blinka_spi": "bus_blinka",
    "sim_i2c": "bus_sim",
    "sim_spi": "bus_sim",
}


class Buses:
    """The buses of the settings, each opened when it is first asked for, each with its thread."""

    def __init__(self, settings: "Settings", clock: "Clock", plant: "Any") -> None:
        """`plant`: what simulated chips feel."""
        self._settings = settings
        self._clock = clock
        self._plant = plant
        self._ports: "dict[str, Any]" = {}
        self.threads: "dict[str, BusThread]" = {}

    def open(self) -> "dict[str, BusSensor]":
        """Each sensor's adapter, none of them started, by name."""
        chips = known_chips()
        buses = {bus.name: bus for bus in self._settings.buses}
        sensors = {}
        for sensor in self._settings.sensors:
            chip, bus = chips[sensor.chip], buses[sensor.bus]
            address = address_on(bus, sensor, chip)
            port = self.port(bus).device(sensor, chip, address)
            driver = chip.driver(port, sensor.rate_hz, address, **dict(sensor.options))
            if bus.name not in self.threads:
                self.threads[bus.name] = self._thread(bus)
            drainer = Drainer(sensor.name, driver, self._clock, frame_s(sensor, bus))
            sensors[sensor.name] = self.threads[bus.name].add(drainer)
        return sensors

    def port(self, bus: "Any") -> "Any":
        """The adapter of a bus, made once: chips on one I2C bus share it."""
        if bus.name not in self._ports:
            module = __import__(
                f"agent.adapters.{BUS_ADAPTERS[bus.kind]}", None, None, ("open_bus",)
            )
            self._ports[bus.name] = module.open_bus(bus, self._plant, self._clock)
        return self._ports[bus.name]

    def stop(self) -> None:
        """Ends every thread; the chips are put to sleep."""
        for thread in self.threads.values():
            thread.ask_to_stop()  # all at once: a bus that hangs holds up no other
        for thread in self.threads.values():
            thread.stop()

    def _thread(self, bus: "Any") -> "BusThread":
        """A simulated bus has no recovery: nothing is open and nothing hangs."""
        port = self.port(bus)
        recovery = port if hasattr(port, "reopen") else None
        if bus.kind == "smbus2":
            facts, why_not = recovery_facts(self._settings.board, bus)
            recovery = I2cRecovery(bus.number, port, facts, why_not)
        return BusThread(bus.name, self._clock, recovery)


def facts_of(settings: "Settings") -> "dict[str, SensorFacts]":
    """What is known of each sensor without asking it, by name."""
    chips = known_chips()
    buses = {bus.name: bus for bus in settings.buses}
    facts = {}
    for sensor in settings.sensors:
        chip, bus = chips[sensor.chip], buses[sensor.bus]
        driver = chip.driver(
            None, sensor.rate_hz, address_on(bus, sensor, chip), **dict(sensor.options)
        )
        facts[sensor.name] = SensorFacts(
            sensor.name,
            sensor.chip,
            driver.layout,
            sensor.rate_hz,
            chip.range_g,
            bus.kind.startswith("sim_"),
            driver.fifo_frames == 1,
            chip.bandwidth_hz(sensor.rate_hz),
        )
    return facts


def plant_for(settings: "Settings", begun_ns: int) -> "Any":
    """What simulated buses feel, their time beginning at `begun_ns`; None without such a bus."""
    if not any(bus.kind.startswith("sim_") for bus in settings.buses):
        return None
    from agent.simulated.plant import Plant

    return Plant(settings.simulation, settings.machines[0].rpm, begun_ns / 1e9)
