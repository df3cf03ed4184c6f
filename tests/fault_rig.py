"""One machine with sensors that can be spoilt, in stepped time: all the way from chip to verdict.

The bus thread's turns, acquire's blocks and the analyse stage are the real ones; only time is
stepped. What a chip feels comes from a table, made once, so that hours are affordable.
"""

import asyncio
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from agent.adapters.sensor import BusThread
from agent.analysis.anomaly import StatisticsModel
from agent.app import severity_table
from agent.buses import SensorFacts
from agent.chips import known_chips
from agent.core.bulletin import Bulletin
from agent.core.mailbox import Mailbox
from agent.drain import Drainer
from agent.simulated.learn import learn_healthy
from agent.simulated.play import SteppedClock
from agent.stages.acquire import block_maker
from agent.stages.analyse import Analyser
from agent.stages.machine import MachineWatch
from hw.machines.duty import AMBIENT_DEGC
from hw.machines.part import PARTS, felt_by
from hw.machines.pump import Pump
from hw.sim.bus import SimI2c, SimSpi
from hw.sim.faults import Faulty
from tests.doubles import at_once
from tests.machines import machine_settings

NS = 1_000_000_000
CLOCK_ERROR = 0.01
TABLE_S = 16.0
TABLE_FRAMES = 1 << 16
RPM = 1770
I2C_HZ = 400_000


class Place(NamedTuple):
    """A chip, its rate and the kind of bus it is on."""

    chip: str
    rate_hz: int
    i2c: bool

    def __str__(self) -> str:
        return f"{self.chip} on {'I2C' if self.i2c else 'SPI'}"


def _places(measures: str) -> tuple[Place, ...]:
    """Every chip's places, by what its driver declares; a variant's are those of its file."""
    chips = [chip for chip in known_chips().values() if chip.measures == measures]
    return tuple(place for chip in chips if chip.name == chip.file for place in _places_of(chip))


def _places_of(chip: Any) -> list[Place]:
    """On I2C at its fastest rate that takes a quarter of the bus; on SPI where that is faster."""
    quarter = min(I2C_HZ, chip.i2c_hz_max) / 4
    slow = [hz for hz in chip.rates_hz if chip.addresses and hz * chip.wire_bits[0] <= quarter]
    fastest = chip.rates_hz[-1]
    on_spi = chip.spi_mode is not None and fastest not in slow
    places = [Place(chip.name, fastest, False)] if on_spi else []
    return [*places, *(Place(chip.name, hz, True) for hz in slow[-1:])]


ACCELEROMETERS = _places("vibration")
THERMOCOUPLES = _places("temperature")


class Told(NamedTuple):
    """A verdict, and how long after the start of the run its data ended."""

    at_s: float
    state: str
    reason: Any
    degc: float | None


@lru_cache
def felt(
    chip: str, rate_hz: int, at_rest: bool = False, seed: int = 1
) -> Callable[[float, float, int], list[float]]:
    """A healthy pump, or one at rest, from a table: a value for each number of a frame."""
    period_s = 1.0 / (rate_hz * (1 + CLOCK_ERROR))
    frames = min(TABLE_FRAMES, int(TABLE_S / period_s))
    source = felt_by(PARTS[chip], AtRest() if at_rest else Pump(seed, RPM), seed)
    table = list(np.asarray(source(0.0, period_s, frames)).reshape(-1))

    def feel(t0_s: float, period_s: float, count: int) -> list[float]:
        first = 3 * (round(t0_s / period_s) % frames)
        found = table[first : first + 3 * count]
        return found if len(found) == 3 * count else found + table[: 3 * count - len(found)]

    return feel


@lru_cache
def baseline_of(place: Place) -> Any:
    """What the machine is like through this sensor."""
    machine = machine_settings(name="M")
    chip = known_chips()[place.chip]
    simulation = Simulation(CLOCK_ERROR, 24.0)
    watch = (severity_table(machine), machine, StatisticsModel())
    return learn_healthy(chip, felt(place.chip, place.rate_hz), place.rate_hz, simulation, watch)


class AtRest:
    """A machine that stands still: gravity alone."""

    def acceleration_g(self, t_s: Any) -> Any:
        return np.tile([0.0, 0.0, 1.0], (len(t_s), 1))


class Simulation(NamedTuple):
    clock_error: float
    learn_ahead_s: float


class Spoilt:
    """One sensor of the rig: its faulty chip and the port it is on, reached `through` another."""

    def __init__(
        self,
        place: Place,
        source: Any,
        clock: Any,
        through: Callable[[Any], Any] = lambda port: port,
    ) -> None:
        facts = known_chips()[place.chip]
        self.place = place
        self.chip = Faulty(facts.simulated(source, CLOCK_ERROR))
        self.port: Any = SimSpi(self.chip, clock.monotonic_ns, facts.speed_hz_max)
        address = None
        if place.i2c:
            address = facts.addresses[0]
            speed_hz = min(I2C_HZ, facts.speed_hz_max)
            self.port = SimI2c({address: self.chip}, clock.monotonic_ns, speed_hz)
        self.driver = facts.driver(through(self.port), place.rate_hz, address)


class Rig:
    """A machine heard by `vibration`, felt by `temperature` if given; its baseline is known."""

    def __init__(
        self,
        vibration: Place,
        temperature: Place | None = None,
        at_rest: bool = False,
        seed: int = 1,
    ) -> None:
        self.clock = SteppedClock()
        self.clock.now_ns = 10 * NS
        self._begun_ns = self.clock.now_ns
        self.bus = BusThread("bus", self.clock)
        self.hot: Callable[[float], tuple[float, float, str]] = healthy_degc
        self.kept: dict[str, str] = {}
        self._facts: dict[str, Any] = {}
        self._makers: dict[str, Any] = {}
        source = felt(vibration.chip, vibration.rate_hz, at_rest, seed)
        self.vibration = self._fit("de", Spoilt(vibration, source, self.clock))
        if temperature is not None:
            self.temperature = self._fit("t", Spoilt(temperature, self._degc, self.clock))
        machine = machine_settings(name="M")
        machine = machine._replace(vibration="de", temperature="t" if temperature else None)
        known = [] if at_rest else [baseline_of(vibration)]
        watch = MachineWatch(machine, severity_table(machine), StatisticsModel(), known)
        self.records = Mailbox(100_000)
        self.bulletin = Bulletin()
        blocks = Mailbox(9)
        self.analyser = Analyser(
            machine,
            watch,
            self._facts,
            blocks,
            self.records,
            self.bulletin,
            self.clock,
            self._keep,
            at_once,
        )
        self.loop = asyncio.new_event_loop()

    def _fit(self, name: str, spoilt: Spoilt) -> Spoilt:
        place, driver = spoilt.place, spoilt.driver
        range_g = known_chips()[place.chip].range_g
        polled = driver.fifo_frames == 1
        self._facts[name] = SensorFacts(
            name, place.chip, driver.layout, place.rate_hz, range_g, False, polled
        )
        self._makers[name] = block_maker(name, place.rate_hz, polled)
        self.bus.add(Drainer(name, driver, self.clock))
        self.bus._turns[-1].deliver = lambda batch: self._take(name, batch)
        return spoilt

    async def _keep(self, key: str, text: str) -> None:
        self.kept[key] = text

    def _degc(self, t_s: float) -> tuple[float, float, str]:
        return self.hot(t_s)

    def _take(self, name: str, batch: Any) -> None:
        block = self._makers[name].take(batch)
        if name == "t":
            self.analyser._feel(block)
        else:
            self.loop.run_until_complete(self.analyser._listen(block))

    @property
    def now_s(self) -> float:
        return (self.clock.now_ns - self._begun_ns) / NS

    @property
    def window_s(self) -> float:
        return float(self.analyser._cutter._frames / self.vibration.place.rate_hz)

    @property
    def lost(self) -> int:
        return sum(maker.lost_total for maker in self._makers.values())

    def status(self, name: str = "de") -> tuple[str, str]:
        """(NE 107 status, code of the reason) of a channel, as the page shows it."""
        said = self.analyser._said(name)
        return said["status"], said["reason"][0]

    def step(self) -> list[Told]:
        """One turn of whoever is due; the verdicts that came of it."""
        due_ns = min(turn.due_ns for turn in self.bus._turns)
        self.clock.now_ns = max(self.clock.now_ns + 500_000, due_ns)
        for turn in self.bus._turns:
            if turn.due_ns <= self.clock.now_ns:
                turn.step(self.clock.now_ns)
        return list(self._told())

    def run(self, seconds: float) -> list[Told]:
        end_ns = self.clock.now_ns + int(seconds * NS)
        told = []
        while self.clock.now_ns < end_ns:
            told += self.step()
        return told

    def run_until(self, done: Callable[[list[Told]], bool], seconds: float) -> float | None:
        """Seconds until `done(verdicts of a turn)`; None when it does not come within `seconds`."""
        begun_s = self.now_s
        while self.now_s - begun_s < seconds:
            if done(self.step()):
                return self.now_s - begun_s
        return None

    def _told(self) -> Iterator[Told]:
        while (record := self.records.get_nowait()) is not None:
            if record.kind == "verdict":
                body = record.body
                yield Told(self.now_s, body["state"], body["reason"], body["temperature_degc"])

    def close(self) -> None:
        self.loop.close()


def healthy_degc(t_s: float) -> tuple[float, float, str]:
    """A warm housing that breathes, a chip in its cabinet that does, too."""
    return (
        44.0 + 0.5 * float(np.sin(t_s / 15.0)),
        AMBIENT_DEGC + 0.3 * float(np.sin(t_s / 40.0)),
        "",
    )
