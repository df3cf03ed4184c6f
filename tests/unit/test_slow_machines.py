"""Severity is that of the tone from the lower edge of its band to the upper, in judge and agent."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.analysis.anomaly import StatisticsModel
from agent.analysis.assess import PART_S, severity_of
from agent.analysis.evidence import machine_facts
from agent.analysis.examine import examine
from agent.analysis.features import shortest_window
from agent.analysis.spectra import iso_band_hz, power_spectrum, whole_line_levels
from agent.app import severity_table
from agent.cli import main
from agent.limits import EXAMINE_S, SEVERITY_HOLD_S
from agent.stages.machine import MachineWatch
from tests.machines import machine_settings

Floats = NDArray[np.float64]
RATE_HZ = 3200.0
MM_S = 4.9
TONES_HZ = (10.0, 10.33, 11.0, 12.0, 12.5, 15.0, 29.5, 120.0, 999.0, 1000.0)
SLOW_HZ = (2.0, 2.1, 2.45, 3.3, 7.0)
NS = 10**9
# Of a bearing-less machine above 15 kW on a rigid base: zones end at 1.4, 2.8 and 4.5 mm/s.
LARGE = {"kind": "motor", "power_kw": 200.0, "support": "rigid", "bearing": None}


def tone(hz: float, axis: int, seconds: float = EXAMINE_S, mm_s: float = MM_S) -> Floats:
    """A tone of `mm_s` RMS on one axis, half of it on the next, 1 g on the last; shape (n, 3)."""
    t_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    g = mm_s * math.sqrt(2) * 2 * math.pi * hz / 9806.65 * np.sin(2 * math.pi * hz * t_s + 0.3)
    values = np.random.default_rng(3).normal(0.0, 1e-4, (len(t_s), 3))
    values[:, axis] += g
    values[:, (axis + 1) % 3] += 0.5 * g
    values[:, 2] += 1.0
    return values


def micrometres(hz: float) -> float:
    return MM_S * 1e3 / (2 * math.pi * hz)


def rpm_for(hz: float) -> float:
    """A shaft's speed for which the band begins at 10 Hz, or at 2 Hz for a tone below."""
    return 60.0 * hz if hz < 10.0 else 900.0


def judged(capsys: pytest.CaptureFixture[str], path: Path, values: Floats, *words: str) -> Any:
    np.savez(path, x=values, rate_hz=RATE_HZ)
    assert main(["judge", str(path), "--kind", "motor", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["severity"]


class Rig:
    """A watch that is given windows and then the stretch that they are of, as the agent does."""

    def __init__(self, rpm: float, **settings: Any) -> None:
        machine = machine_settings(rpm=rpm, **{"learn_minutes": 1, **settings})
        self.watch = MachineWatch(machine, severity_table(machine), StatisticsModel())
        self._facts = machine_facts(machine)
        self._frames = shortest_window(RATE_HZ, iso_band_hz(rpm)[0])
        self.at_ns = NS

    def hear(self, values: Floats) -> Any:
        """The last verdict after a stretch and one window more."""
        for at in range(0, len(values) - self._frames + 1, self._frames // 2):
            self.window(values[at : at + self._frames])
        self.watch.stretched(values, RATE_HZ, examine(values, RATE_HZ, self._facts))
        return self.window(values[: self._frames])

    def window(self, values: Floats) -> Any:
        self.at_ns += int(self._frames / 2 / RATE_HZ * NS)
        return self.watch.take(values[: self._frames], RATE_HZ, self.at_ns)


@pytest.mark.parametrize("hz", [*SLOW_HZ, *TONES_HZ])
def test_judge_shows_the_velocity_and_displacement_of_a_tone(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, hz: float
) -> None:
    for axis in range(3):
        values = tone(hz, axis, 10.0)
        found = judged(capsys, tmp_path / "x.npz", values, "--rpm", str(rpm_for(hz)))
        assert found["velocity_rms_mm_s"] == pytest.approx(MM_S, rel=0.01), axis
        assert found["displacement_rms_um"] == pytest.approx(micrometres(hz), rel=0.01), axis


@pytest.mark.parametrize("hz", [*SLOW_HZ, *TONES_HZ])
def test_a_watch_shows_the_velocity_and_displacement_of_a_tone(hz: float) -> None:
    for axis in range(3):
        found = Rig(rpm_for(hz)).hear(tone(hz, axis, 2 * EXAMINE_S)[: int(EXAMINE_S * RATE_HZ)])
        severity = found.assessment.severity
        assert severity.velocity_rms_mm_s == pytest.approx(MM_S, rel=0.01), axis
        assert severity.displacement_rms_um == pytest.approx(micrometres(hz), rel=0.01), axis


@pytest.mark.parametrize("hz", [*SLOW_HZ, *TONES_HZ])
def test_before_the_first_stretch_a_window_shows_a_tone_as_well(hz: float) -> None:
    severity = Rig(rpm_for(hz)).window(tone(hz, 1)).assessment.severity
    assert severity.velocity_rms_mm_s == pytest.approx(MM_S, rel=0.01)
    assert severity.displacement_rms_um == pytest.approx(micrometres(hz), rel=0.01)


def test_noise_that_spreads_over_the_edge_is_no_motion() -> None:
    rig = Rig(900.0)
    noise = np.random.default_rng(5).normal(0.0, 0.033, (int(EXAMINE_S * RATE_HZ), 3))
    windows = [rig.window(noise[at : at + 1024]) for at in range(0, len(noise) - 1024, 512)]
    assert {one.operating_state for one in windows} == {"stopped"}
    assert all(one.assessment.felt_mm_s == 0.0 for one in windows)


def test_at_620_rpm_the_zone_is_that_of_the_tone_for_judge_and_watch(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ("--rpm", "620", "--power-kw", "200", "--support", "rigid")
    shown = judged(capsys, tmp_path / "x.npz", tone(620 / 60, 0, 12.0), *words)
    assert shown["zone"] == "D" and shown["group"] == "2"
    rig = Rig(620.0, **LARGE)
    verdict = [rig.hear(tone(620 / 60, 0)) for _ in range(5)][-1]
    assert verdict.assessment.severity.zone == "D"
    assert (verdict.state, verdict.reason[0]) == ("alarm", "severity")


def test_one_stretch_of_zone_d_is_no_alarm() -> None:
    rig = Rig(620.0, **LARGE)
    quiet, loud = tone(620 / 60, 0, mm_s=1.2), tone(620 / 60, 0)
    states = {rig.hear(values).state for values in (quiet, quiet, loud, quiet, quiet, quiet)}
    assert states == {"unknown"}, "nothing but learning"


def test_what_is_learned_and_what_is_compared_are_the_same_number() -> None:
    rig = Rig(620.0, **LARGE)
    for _ in range(20):
        rig.hear(tone(620 / 60, 0, mm_s=2.0))
    assert rig.watch.baseline.velocity_rms_mm_s == pytest.approx(2.0, rel=0.01)
    assert rig.hear(tone(620 / 60, 0, mm_s=2.0)).state != "warning"


def test_severity_of_a_stretch_ends_with_its_run_or_its_age() -> None:
    rig = Rig(620.0, **LARGE)
    right = rig.hear(tone(620 / 60, 0)).assessment.severity
    rig.at_ns += int(SEVERITY_HOLD_S * NS)
    assert rig.window(tone(620 / 60, 0)).assessment.severity != right, "of the window itself"
    assert rig.hear(tone(620 / 60, 0)).assessment.severity == right
    for _ in range(10):
        stood = rig.window(tone(100.0, 0, mm_s=0.0)).assessment.severity
    assert stood.velocity_rms_mm_s < 0.1


def test_a_line_well_outside_the_band_is_not_severity() -> None:
    table = severity_table(machine_settings())
    for hz in (8.9, 1001.1):
        outside = severity_of([tone(hz, 0)], RATE_HZ, table, 900.0)
        assert outside.velocity_rms_mm_s < 0.05 * MM_S, hz
    on_the_edge = severity_of([tone(9.75, 0)], RATE_HZ, table, 600.0)
    assert on_the_edge.velocity_rms_mm_s == pytest.approx(MM_S, rel=0.01), "585 r/min: its slip"


def test_a_mean_of_stretches_is_their_median_and_short_ones_are_one_part() -> None:
    table = severity_table(machine_settings())
    assert PART_S == EXAMINE_S, "judge and agent look at the same lengths"
    parts = [tone(25.0, 0, mm_s=level) for level in (1.0, 2.0, 9.0)]
    together = severity_of([np.concatenate(parts)], RATE_HZ, table, 1500.0)
    apart = severity_of(parts, RATE_HZ, table, 1500.0)
    assert together == apart and apart.velocity_rms_mm_s == pytest.approx(2.0, rel=0.01)
    short = severity_of([tone(25.0, 0, 0.4)], RATE_HZ, table, 1500.0)
    assert short.velocity_rms_mm_s == pytest.approx(MM_S, rel=0.01)


def test_four_sines_have_their_levels_to_a_thousandth() -> None:
    t_s = np.arange(12_800) / RATE_HZ
    sines = ((10.0, 1.0), (29.5, 2.0), (59.1, 0.7), (990.0, 0.5))
    g = sum(
        mm_s * math.sqrt(2) * 2 * math.pi * hz / 9806.65 * np.sin(2 * math.pi * hz * t_s + hz)
        for hz, mm_s in sines
    )
    velocity, displacement = whole_line_levels(power_spectrum(np.asarray(g), RATE_HZ), (10, 1000))
    moved = [mm_s * 1e3 / (2 * math.pi * hz) for hz, mm_s in sines]
    assert velocity == pytest.approx(math.hypot(*(mm_s for _, mm_s in sines)), rel=1e-3)
    assert displacement == pytest.approx(math.hypot(*moved), rel=1e-3)


def test_a_window_too_short_for_the_band_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter than 3 periods of 2"):
        whole_line_levels(power_spectrum(np.ones(3200), RATE_HZ), (2.0, 1000.0))
