"""A machine too quiet for a window runs by what a stretch hears, and one that stands does not."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.analysis.anomaly import StatisticsModel
from agent.analysis.evidence import machine_facts
from agent.analysis.examine import examine
from agent.analysis.features import shortest_window
from agent.analysis.turning import turning_mm_s
from agent.app import severity_table
from agent.chips import known_chips
from agent.limits import EXAMINE_S, SEVERITY_HOLD_S, STOPPED_BELOW_MM_S
from agent.stages.machine import MachineWatch
from hw.machines.part import PARTS, felt_by
from hw.machines.pump import Pump
from tests.machines import machine_settings
from tests.shared import recording

Floats = NDArray[np.float64]
NS = 10**9
RPM = 1770
SHAFT_HZ = RPM / 60
KNOWN, UNKNOWN = (machine_facts(machine_settings(rpm=rpm)) for rpm in (RPM, None))
STRETCHES = 40
CHIPS = {name: chip for name, chip in known_chips().items() if chip.measures == "vibration"}
# Half of a healthy pump's 0.35 mm/s, and whatever a chip's slowest rate still lets through.
QUIET = [(name, rate_hz) for name, chip in CHIPS.items() for rate_hz in chip.rates_hz]
QUIET = [(name, hz) for name, hz in QUIET if (CHIPS[name].bandwidth_hz(hz) or 0) > SHAFT_HZ]


class Half:
    """A machine that moves half as much as `machine`; gravity stays."""

    def __init__(self, machine: Any, share: float = 0.5) -> None:
        self._machine, self._share = machine, share

    def acceleration_g(self, t_s: Floats) -> Floats:
        rest = np.array([0.0, 0.0, 1.0])
        moved: Floats = self._share * (self._machine.acceleration_g(t_s) - rest) + rest
        return moved


def felt(name: str, rate_hz: float, machine: Any, begin_s: float = 10.0) -> Floats:
    """A stretch as the chip gives it, in its own steps; shape (n, 3) in g."""
    frames = int(EXAMINE_S * rate_hz)
    values = felt_by(PARTS[name], machine, 3)(begin_s, 1 / rate_hz, frames)
    axis = CHIPS[name].driver.layout.channels[0]
    step_g = axis.scale * axis.step
    steps: Floats = np.round(np.reshape(values, (-1, 3)) / step_g) * step_g
    return steps


def noise(rate_hz: float, seed: int, level_g: float = 0.008) -> Floats:
    count = int(EXAMINE_S * rate_hz)
    values: Floats = np.random.default_rng(seed).normal([0.0, 0.0, 1.0], level_g, (count, 3))
    return values


def tone(hz: float, rate_hz: float, mm_s: float) -> Floats:
    t_s = np.arange(int(EXAMINE_S * rate_hz)) / rate_hz
    g = mm_s * math.sqrt(2) * 2 * math.pi * hz / 9806.65 * np.sin(2 * math.pi * hz * t_s)
    values: Floats = np.stack([g, 0.5 * g, 0.2 * g], axis=1)
    return values


@pytest.mark.parametrize("rate_hz", [100.0, 800.0])
@pytest.mark.parametrize("facts", [KNOWN, UNKNOWN], ids=["speed known", "unknown"])
def test_noise_alone_turns_nothing(rate_hz: float, facts: Any) -> None:
    for seed in range(STRETCHES):
        assert turning_mm_s(noise(rate_hz, seed), rate_hz, facts) == 0.0, seed


def test_a_neighbour_of_another_speed_does_not_count() -> None:
    beside = noise(800.0, 1) + tone(0.8 * SHAFT_HZ, 800.0, 0.6)
    assert turning_mm_s(beside, 800.0, KNOWN) == 0.0
    assert turning_mm_s(beside, 800.0, UNKNOWN) > 0.5, "of an unknown speed it may be its own"


def test_the_hum_of_the_mains_does_not_count() -> None:
    for facts in (KNOWN, UNKNOWN):
        hum = noise(800.0, 2) + tone(60.0, 800.0, 0.6) + tone(120.0, 800.0, 0.6)
        assert turning_mm_s(hum, 800.0, facts) == 0.0


def test_a_knock_that_rings_at_the_shafts_speed_does_not_count() -> None:
    t_s = np.arange(int(EXAMINE_S * 800)) / 800.0
    dies_away = np.exp(-t_s / 0.25)[:, None]
    knocked = noise(800.0, 3) + 20 * dies_away * tone(SHAFT_HZ, 800.0, 0.5)
    assert turning_mm_s(knocked, 800.0, KNOWN) == 0.0


def test_a_machine_that_stops_within_the_stretch_does_not_count() -> None:
    stops = noise(800.0, 4) + tone(SHAFT_HZ, 800.0, 0.5)
    stops[len(stops) // 2 :] = noise(800.0, 5)[len(stops) // 2 :]
    assert turning_mm_s(stops, 800.0, KNOWN) == 0.0


class Rig:
    """A watch that listens as the agent does: windows, then the stretch that they are of."""

    def __init__(self, rate_hz: float) -> None:
        machine = machine_settings(rpm=RPM)
        self.watch = MachineWatch(machine, severity_table(machine), StatisticsModel())
        self._rate_hz = rate_hz
        self._frames = shortest_window(rate_hz)
        self.at_ns = NS

    def hear(self, values: Floats, whole: bool = True) -> set[str]:
        """The states that the windows of a stretch gave; the stretch itself is heard if `whole`."""
        states = set()
        for at in range(0, len(values) - self._frames + 1, self._frames // 2):
            self.at_ns += int(self._frames / 2 / self._rate_hz * NS)
            window = values[at : at + self._frames]
            states.add(self.watch.take(window, self._rate_hz, self.at_ns).operating_state)
        if not whole:
            return states
        if self.watch.in_doubt:
            self.watch.turned(self.watch.listen(values, self._rate_hz, KNOWN))
        if self.watch.operating.name != "stopped":
            self.watch.stretched(values, self._rate_hz, examine(values, self._rate_hz, KNOWN))
        return states


@pytest.mark.parametrize(("name", "rate_hz"), QUIET)
def test_a_quiet_pump_runs_after_its_first_stretch_through_every_chip_at_every_rate(
    name: str, rate_hz: int
) -> None:
    rig, pump = Rig(rate_hz), Half(Pump(1, RPM))
    rig.hear(felt(name, rate_hz, pump))
    assert rig.hear(felt(name, rate_hz, pump, 14.0)) == {"running"}


def quiet(seed: int) -> Floats:
    return noise(100.0, seed, 0.003) + tone(SHAFT_HZ, 100.0, 0.12)


def test_what_windows_do_not_hear_runs_after_the_first_stretch_and_stands_when_it_stops() -> None:
    rig = Rig(100.0)
    assert "running" not in rig.hear(quiet(1))
    for seed in range(2, 8):
        assert rig.hear(quiet(seed)) == {"running"}
    assert rig.watch.operating.starts == 0, "it ran when the agent began"
    rig.hear(noise(100.0, 9, 0.003))
    rig.hear(noise(100.0, 10, 0.003))
    assert rig.hear(noise(100.0, 11, 0.003)) == {"stopped"}
    rig.hear(quiet(12))
    assert rig.hear(quiet(13)) == {"running"} and rig.watch.operating.starts == 1


def test_a_neighbour_below_the_machines_limit_leaves_it_stopped() -> None:
    rig = Rig(800.0)
    beside = noise(800.0, 6, 0.001) + tone(SHAFT_HZ, 800.0, 0.8 * STOPPED_BELOW_MM_S)
    for _ in range(5):
        assert "running" not in rig.hear(beside)


def test_without_a_trusted_stretch_for_long_windows_decide_alone() -> None:
    rig = Rig(100.0)
    rig.hear(quiet(1))
    for seed in range(int(SEVERITY_HOLD_S / EXAMINE_S) + 1):
        rig.hear(quiet(seed), whole=False)
    assert rig.watch.operating.name != "running"


@pytest.mark.shared
def test_a_fan_that_is_off_turns_at_no_time() -> None:
    """Records of a second, four in a row as a stretch: what joins them is no line."""
    with np.load(recording("fan_msa301/fan_0_off_0_weight.npz")) as held:
        records = held["X"] * 0.000244140625
    records = records - records.mean(axis=1, keepdims=True)
    for at in range(0, len(records) - 4, 4):
        stretch = np.concatenate(records[at : at + 4])
        for facts in (KNOWN, UNKNOWN):
            assert turning_mm_s(stretch, 200.0, facts) < STOPPED_BELOW_MM_S, at
