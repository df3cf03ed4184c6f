"""A driver, its simulated chip, a bus and time: what every contract test arranges.

Drivers and simulated chips are found by their files: a new one is tested by being there.
"""

import os
import sys

import drivers
from hw.sim.bus import SimI2c, SimSpi
from tests.contract.tools import Time, unloaded

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any


ON_MICROPYTHON = sys.implementation.name == "micropython"


class _Files:
    """Every chip's two files. On MicroPython one chip's at a time: its heap holds them in turn."""

    def __init__(self) -> None:
        self.file_of: "dict[str, str]" = {}
        self.measures: "dict[str, str]" = {}
        self._held: "tuple[Any, ...]" = ("", None, None)
        for name in sorted(os.listdir(_folder(drivers))):
            if name.endswith(".py"):
                self._discover(name[:-3])

    def _discover(self, file: str) -> None:
        module = _module(f"drivers.{file}")
        if not hasattr(module, "DRIVER"):
            return
        for driver in (module.DRIVER,) + getattr(module, "VARIANTS", ()):
            self.file_of[driver.CHIP] = file
            self.measures[driver.CHIP] = driver.MEASURES
        if ON_MICROPYTHON:
            unloaded(f"drivers.{file}")

    def of(self, name: str) -> "tuple[Any, Any]":
        """(driver's module, simulated chip's module)."""
        file = self.file_of[name]
        held, driver, chip = self._held
        if held == file:
            return driver, chip
        if held and ON_MICROPYTHON:
            self._held = ("", None, None)
            unloaded(f"drivers.{held}")
            unloaded(f"hw.sim.{held}")
        self._held = (file, _module(f"drivers.{file}"), _module(f"hw.sim.{file}"))
        return self._held[1], self._held[2]


class _ByName:
    """A mapping by the chip's name, variants too; `pick(driver's module, chip's module, name)`."""

    def __init__(self, pick: "Callable[[Any, Any, str], Any]") -> None:
        self._pick = pick

    def __iter__(self) -> "Iterator[str]":
        return iter(FILES.file_of)

    def __getitem__(self, name: str) -> "Any":
        driver, chip = FILES.of(name)
        return self._pick(driver, chip, name)


def _driver(driver: "Any", chip: "Any", name: str) -> "Any":
    own = (driver.DRIVER,) + getattr(driver, "VARIANTS", ())
    return next(one for one in own if name == one.CHIP)


def _simulated(driver: "Any", chip: "Any", name: str) -> "Any":
    return chip.SIMULATED if name == driver.DRIVER.CHIP else chip.VARIANTS[name]


def _folder(package: "Any") -> str:
    path: str = package.__file__
    return path.rsplit("/", 1)[0] if "/" in path else "."


def _module(name: str) -> "Any":
    return __import__(name, None, None, ("*",))


FILES = _Files()
DRIVERS, SIMULATED = _ByName(_driver), _ByName(_simulated)
FACTS = _ByName(lambda driver, chip, name: chip)
ACCELEROMETERS = [name for name in sorted(DRIVERS) if FILES.measures[name] == "vibration"]
THERMOCOUPLES = [name for name in sorted(DRIVERS) if FILES.measures[name] == "temperature"]
EXPECTED = {"vibration": (0.5, -0.25, 1.0), "temperature": (-7.25, 27.5)}


class Rig:
    """One driver, its chip, a bus and time; `rate_hz`: its fastest unless another is given."""

    def __init__(
        self, name: str, way: str = "spi", rate_hz: "int | None" = None, **options: "Any"
    ) -> None:
        self.driver_type = DRIVERS[name]
        self.expected = EXPECTED[self.driver_type.MEASURES]
        self.time = Time()
        self.chip: Any = SIMULATED[name](None, 0.0)
        self.feel(self.expected)
        address = None
        self.bus: Any = SimSpi(self.chip, self.time)
        if way == "i2c":
            address = self.driver_type.ADDRESSES[0]
            self.bus = SimI2c({address: self.chip}, self.time)
        self.rate_hz = rate_hz or self.driver_type.RATES_HZ[-1]
        self.driver: Any = self.driver_type(self.bus, self.rate_hz, address, **options)
        size = self.driver.layout.frame_bytes
        self.buffer = bytearray((self.driver.fifo_frames + 1) * size)

    def feel(self, values: "Any", fault: str = "") -> None:
        """From now on the chip feels these values of its channels."""
        if self.driver_type.MEASURES == "vibration":
            self.chip.sampler.source = lambda t0_s, period_s, count: list(values) * count
        else:
            self.chip.source = lambda t_s: (values[0], values[1], fault)

    def start(self) -> None:
        self.driver.identify()
        for wait_ms in self.driver.start():
            assert wait_ms >= 0
            self.time.pass_ms(wait_ms)
        self.drain()  # what was sampled while it settled

    def drain(self) -> "Any":
        return self.driver.drain_into(self.buffer)

    def frame(self, place: int) -> "Any":
        size = self.driver.layout.frame_bytes
        return memoryview(self.buffer)[place * size : (place + 1) * size]


def rigs(names: "Any" = None) -> "Iterator[Rig]":
    """Every driver on every bus that it can be on; one at a time, for a small heap."""
    for name in sorted(DRIVERS) if names is None else names:
        driver = DRIVERS[name]
        if driver.SPI_MODE is not None:
            yield Rig(name)
        if driver.ADDRESSES:
            yield Rig(name, "i2c", driver.RATES_HZ[0])


def epsilon(rig: "Rig", channel: str) -> float:
    """What the chip says that a value may be off by, and a little for floats."""
    fixed = facts(rig).EPSILON if hasattr(facts(rig), "EPSILON") else None
    return 1.001 * float(rig.chip.epsilon() if fixed is None else fixed[channel])


def facts(rig: "Rig") -> "Any":
    """The file of the rig's simulated chip: RANGES of its channels, the datasheet's WORDS."""
    return FACTS[rig.driver_type.CHIP]


def counting(t0_s: float, period_s: float, count: int) -> "list[float]":
    """Each frame is one step of 1/64 g above the last, within 2 g: more than any chip's count."""
    first = int(t0_s / period_s + 0.5)
    values: list[float] = []
    for place in range(count):
        values += [((first + place) % 128) / 64.0, 0.0, 0.0]
    return values
