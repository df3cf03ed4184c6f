"""A machine's days in time-lapse: its watch, its pump, and a seeded life with starts, steps, drift.

Every few minutes of the machine's time a stretch of four real seconds is felt through a simulated
ADXL345's filter and noise and judged by the agent's own watch: windows, examination, trends. The
windows of a stretch stand for the time until the next: they are dated evenly over it, one minute at
most, so that delays count. Starts and stops are lived through second by second.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.adapters.model_tflite import load_model
from agent.analysis.evidence import Heat, machine_facts
from agent.analysis.examine import examine
from agent.analysis.features import FEATURE_VERSION, shortest_window
from agent.app import severity_table
from agent.limits import BASELINE_WINDOWS, EXAMINE_S
from agent.resources import default_model_dir
from agent.stages.machine import MachineWatch, Temperature
from hw.machines.condition import HEALTHY, Condition
from hw.machines.duty import Duty
from hw.machines.part import PARTS, felt_by
from hw.machines.pump import Pump
from tests.machines import machine_settings

NS = 1_000_000_000
RATE_HZ = 3200.0
FRAMES = int(EXAMINE_S * RATE_HZ)
WINDOW = shortest_window(RATE_HZ)
WINDOWS_A_VISIT = 8
DAY_S = 86_400.0
RAMP_UP_S, RAMP_DOWN_S = 5.0, 24.0
WARM_S = 1500.0  # time constant of a housing
STEP_G = 0.0039  # an ADXL345 in full resolution
BEARING = "6205-2RS JEM SKF"


class Raised(NamedTuple):
    """An alarm that rose: when, in seconds of the machine's life, and why."""

    at_s: float
    name: str
    level: str
    cause: Any


class Timelapse:
    """One pump under watch. `t_s`: its age. `raised`: every alarm that rose, in order."""

    def __init__(self, seed: int, known: Any = None, **settings: Any) -> None:
        self.chance = np.random.default_rng(seed)
        machine = machine_settings(**{"bearing": BEARING, "vanes": 5, **settings})
        model = load_model(default_model_dir(), FEATURE_VERSION)
        self.watch = MachineWatch(machine, severity_table(machine), model, known)
        self._facts = machine_facts(machine)
        self.condition = HEALTHY
        self.pump = Pump(seed, 1770.0, condition=lambda t_s: self.condition)
        self._feel = felt_by(PARTS["adxl345"], self.pump, seed)
        self.t_s = 100.0
        self.noise = 1.0
        self.bias_g: NDArray[np.float64] = np.zeros(3)
        self.warm = 0.0
        self.raised: list[Raised] = []
        self.findings: dict[str, float] = {}
        self.states: dict[str, int] = {}
        self.verdict: Any = None
        self.turn: NDArray[np.float64] = np.eye(3)
        self.change: Callable[[Any], Any] = lambda values: values

    def stretch(self, duty: Duty) -> NDArray[np.float64]:
        """Four seconds of what the sensor gives now, shape (n, 3) in g."""
        self.pump.duty = duty
        felt = np.asarray(self._feel(self.t_s, 1 / RATE_HZ, FRAMES)).reshape(-1, 3)
        rustle = (self.noise - 1.0) * self.chance.normal(0.0, 0.0165, felt.shape)
        found: NDArray[np.float64] = self.change(felt + rustle) @ self.turn.T + self.bias_g
        counts: NDArray[np.float64] = np.round(found / STEP_G)
        return counts * STEP_G

    def visit(self, duty: Duty, seconds: float, degc: float | None = None) -> None:
        """Judges one stretch; its windows stand for `seconds`, of which a minute at most."""
        values = self.stretch(duty)
        lasting_s = min(max(seconds, EXAMINE_S), 60.0)
        heat = degc if degc is not None else self.pump.temperature_degc(self.t_s)
        starts = np.linspace(0, FRAMES - WINDOW, WINDOWS_A_VISIT).astype(int)
        for place, start in enumerate(starts):
            at_ns = int((self.t_s + lasting_s * (place + 1) / WINDOWS_A_VISIT) * NS)
            self.watch.feel(Temperature(heat, "good", ("", {})), at_ns)
            window = values[start : start + WINDOW]
            self.verdict = self.watch.take(window, RATE_HZ, at_ns)
            self.states[self.verdict.state] = self.states.get(self.verdict.state, 0) + 1
        if self.watch.operating.name != "stopped":
            rate = self.watch.heat.rate_degc_min()
            found = examine(
                values, RATE_HZ, self._facts, None, self.watch.evidence, Heat(heat, rate)
            )
            self.watch.stretched(values, RATE_HZ, found)
        self._note()
        self.t_s += max(seconds, EXAMINE_S)

    def _note(self) -> None:
        for change in self.watch.book.changes:
            if change.event in ("raise", "worsen"):
                at_s = change.mono_ns / NS
                self.raised.append(Raised(at_s, change.name, change.level, change.cause))
        self.watch.book.changes.clear()
        for finding in self.verdict.insight.findings:
            self.findings.setdefault(finding.name, self.t_s)

    def ramp(self, begin: float, end: float, over_s: float, **duty: Any) -> None:
        """The speed goes from one share to another, lived through without a gap."""
        began_s = self.t_s
        held = Duty(begin, (end - begin) / over_s, began_s, ramp_s=over_s, **duty)
        while self.t_s < began_s + over_s:
            self.visit(held, EXAMINE_S)
        for _ in range(4):
            self.visit(Duty(end, 0.0, began_s, **duty), EXAMINE_S)


def learned(seed: int, speeds: tuple[float, ...] = (1.0,), **settings: Any) -> Any:
    """What a healthy machine teaches at each speed, with its load stepping; as KnownStates."""
    lapse = Timelapse(seed, **settings)
    loads = lapse.chance.uniform(0.85, 1.15, BASELINE_WINDOWS)
    for speed in speeds:
        for _ in range(6):
            lapse.visit(Duty(0.0, powered=False), 4.0)
        for place in range(2 * BASELINE_WINDOWS):
            lapse.visit(Duty(speed, load=loads[place // 20]), 60.0)
            if lapse.watch.baseline is not None and lapse.watch.states.sure:
                break
    return lapse.watch.states.known()


class Life:
    """A healthy pump's days, by `live`: starts, stops, steps of speed and load, weather."""

    def __init__(self, seed: int) -> None:
        self.lapse = Timelapse(seed)
        self.chance = np.random.default_rng(seed + 1)
        self._speed, self._load, self._running = 1.0, 1.0, False
        self._event_s = self.lapse.t_s + 3600.0
        self._drift = self.chance.uniform(-0.15, 0.15)

    def live(self, days: float, every_s: float) -> None:
        end_s = self.lapse.t_s + days * DAY_S
        while self.lapse.t_s < end_s:
            self._weather(every_s)
            self._follow_the_clock()
            if self._running:
                self._maybe_step()
            self.lapse.visit(self._duty(), every_s)

    def _duty(self) -> Duty:
        speed = self._speed if self._running else 0.0
        lapse = self.lapse
        place = (self._ambient_degc, lapse.warm, self._running)
        return Duty(speed, 0.0, lapse.t_s, self._load, *place)

    def _weather(self, passed_s: float) -> None:
        """Ambient, warmth of the housing, the sensor's slow drift of noise and zero."""
        lapse, day = self.lapse, 2 * np.pi * self.lapse.t_s / DAY_S
        self._ambient_degc = 26.0 - 9.0 * np.cos(day) + self.chance.normal(0, 0.4)
        toward = 1.0 if self._running else 0.0
        lapse.warm += (toward - lapse.warm) * (1 - np.exp(-passed_s / WARM_S))
        degc = self._ambient_degc + 17.0 * lapse.warm
        lapse.bias_g = 0.0008 * (degc - 35.0) * np.array([1.0, -0.6, 1.3])
        lapse.noise = 1.0 + self._drift * min(1.0, lapse.t_s / (30 * DAY_S))

    def _follow_the_clock(self) -> None:
        """On from six to ten at night, an hour off at noon."""
        hour = self.lapse.t_s % DAY_S / 3600.0
        wanted = (6.0 <= hour < 12.5) or (13.5 <= hour < 22.0)
        if wanted and not self._running:
            if self.chance.random() < 0.15:  # a short start that the operator breaks off
                self.lapse.ramp(0.0, 0.5, RAMP_UP_S)
                self.lapse.ramp(0.5, 0.0, RAMP_DOWN_S, powered=False)
            self.lapse.ramp(0.0, self._speed, RAMP_UP_S, warm=self.lapse.warm)
            self._running = True
        elif not wanted and self._running:
            self.lapse.ramp(self._speed, 0.0, RAMP_DOWN_S, powered=False, warm=self.lapse.warm)
            self._running = False

    def _maybe_step(self) -> None:
        """Every hour or three the load steps; sometimes the drive goes to its other speed."""
        if self.lapse.t_s < self._event_s:
            return
        self._event_s = self.lapse.t_s + self.chance.uniform(3600.0, 10_800.0)
        self._load = self.chance.uniform(0.85, 1.15)
        if self.chance.random() < 0.25:
            other = 0.82 if self._speed == 1.0 else 1.0
            self.lapse.ramp(self._speed, other, 8.0, warm=self.lapse.warm)
            self._speed = other


FAULTS: dict[str, Callable[[float], Condition]] = {
    "bearing, outer race": lambda x: Condition(x, 0.0, 0.0, 0.0, 0.0),
    "unbalance": lambda x: Condition(0.0, x, 0.0, 0.0, 0.0),
    "misalignment": lambda x: Condition(0.0, 0.0, x, 0.0, 0.0),
    "cavitation": lambda x: Condition(0.0, 0.0, 0.0, x, 0.0),
    "looseness": lambda x: Condition(0.0, 0.0, 0.0, 0.0, 0.0, x),
    "electrical": lambda x: Condition(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, x),
}
