"""The watch on recordings of real machines: stopped, learning, alarm, lead time, re-mounting.

Figures are printed (`pytest -s`). Windows of a recording are dated as a time-lapse, so that the
alarms' delays count.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.analysis import anomaly
from agent.analysis.assess import assess, stack
from agent.analysis.evidence import machine_facts
from agent.analysis.examine import examine
from agent.analysis.features import shortest_window
from agent.analysis.known import KnownState
from agent.analysis.mounting import gravity_of, mean_direction
from agent.analysis.signature import signature
from agent.app import severity_table
from agent.stages.machine import MachineWatch
from tests.machines import machine_settings
from tests.shared import recording

Floats = NDArray[np.float64]
NS = 1_000_000_000
ADI_SCALE_G = 3e-5 / 0.02
SOUND_LIFE = 0.5  # a bearing run to its end is sound in its first half: an alarm there is false
TURNS = {  # a sensor taken off and set on again: turned about z, tipped on its side, upside down
    "turned a quarter": np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]),
    "upside down": np.diag([1.0, -1.0, -1.0]),
}


class Statistics(anomaly.StatisticsModel):
    """The scorer that any rate and any axis will do for."""


class Rig:
    """A watch of one machine; `known`: windows that taught it, shape (n, frames, axes)."""

    def __init__(self, taught: Floats | None, rate_hz: float, **settings: Any) -> None:
        self.machine = machine_settings(power_kw=None, kind="other", **settings)
        self.rate_hz = rate_hz
        self.model = Statistics()
        table = severity_table(self.machine)
        known = None
        if taught is not None:
            known = [self._normal(taught, table)]
        self.watch = MachineWatch(self.machine, table, self.model, known)
        self.at_ns = NS

    def _normal(self, taught: Floats, table: Any) -> KnownState:
        seen = [assess(one, self.rate_hz, table, self.machine.rpm, None, None) for one in taught]
        baseline = anomaly.calibrate(
            stack([one.vectors for one in seen]),
            stack([one.severity.velocity_rms_mm_s for one in seen]),
            self.rate_hz,
            f"{self.model.name} {self.model.version}",
            self.model.score,
            len(taught),
        )
        gravity = mean_direction([g for g in map(gravity_of, taught) if g is not None])
        return KnownState(baseline, gravity, None, None, None)

    def run(self, windows: Any, every_s: float = 2.0) -> list[Any]:
        found = []
        for window in windows:
            self.at_ns += int(every_s * NS)
            found.append(self.watch.take(window, self.rate_hz, self.at_ns))
        return found


def fan(name: str) -> Floats:
    """Windows of 128 of each record of 200 samples, shape (n, 128, 3), in g."""
    with np.load(recording(f"fan_msa301/{name}.npz")) as held:
        whole: Floats = held["X"][:, :128] * 0.000244140625
    return whole


def said(verdicts: list[Any]) -> dict[str, int]:
    """How often each state and reason was given."""
    counts: dict[str, int] = {}
    for verdict in verdicts:
        key = f"{verdict.state} {verdict.reason[0]}"
        counts[key] = counts.get(key, 0) + 1
    return counts


@pytest.mark.shared
def test_a_fan_that_is_off_is_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    rig = Rig(fan("fan_0_med_0_weight")[:300], 200.0)
    counts = said(rig.run(fan("fan_0_off_0_weight")))
    with capsys.disabled():
        print(f"\nfan off: {counts}", end="")
    assert set(counts) <= {"unknown stopped", "unknown starting"}, "somebody touched it at times"
    assert counts["unknown stopped"] > 0.95 * sum(counts.values())


@pytest.mark.shared
def test_the_coin_on_a_fan_is_found_at_medium_speed_and_no_coin_is_normal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    healthy = fan("fan_0_med_0_weight")
    rig = Rig(healthy[:300], 200.0)
    before = said(rig.run(healthy[300:]))
    after = said(rig.run(fan("fan_0_med_1_weight")))
    with capsys.disabled():
        print(f"\nfan, no coin: {before}; coin: {after}", end="")
    raised = [change.name for change in rig.watch.book.changes]
    assert rig.watch.book.shown() and set(raised) & {"anomaly", "change"}
    alarming = sum(n for key, n in after.items() if key.startswith(("warning", "alarm")))
    assert alarming > 0.9 * sum(after.values())
    assert before.get("normal like_baseline", 0) > 0.97 * sum(before.values())


@pytest.mark.shared
@pytest.mark.parametrize("how", TURNS)
def test_a_fans_sensor_that_was_set_on_otherwise_is_no_alarm_but_an_invalid_baseline(
    how: str,
) -> None:
    healthy = fan("fan_0_med_0_weight")
    rig = Rig(healthy[:300], 200.0)
    rig.run(healthy[300:360])
    moved = rig.run(healthy[360:] @ TURNS[how].T * 1.3)
    assert moved[-1].state == "unknown"
    assert moved[-1].reason[0] == "baseline_invalid_turned"
    assert not rig.watch.book.shown() or {a.state for a in rig.watch.book.shown()} == {
        "unacknowledged_returned"
    }
    back = rig.run(healthy[300:400])
    assert back[-1].state == "normal", "put back, it is as it was"


def adi(rpm: int, name: str) -> Floats:
    """One record of two seconds at 20 kHz, shape (40000, 3), in g, without gravity."""
    with np.load(recording(f"adi_cbm_adxl356/adi_{rpm}.npz")) as held:
        whole: Floats = held[f"{rpm}_{name}"] * ADI_SCALE_G
    return whole


@pytest.mark.shared
@pytest.mark.parametrize("load", ["00lb", "11lb"])
def test_a_speed_that_was_never_seen_is_learned_and_is_no_alarm(
    capsys: pytest.CaptureFixture[str], load: str
) -> None:
    rate_hz, frames = 20_000.0, shortest_window(20_000.0)
    record = adi(1200, f"GoB_GS_BaLo_WA_{load}")
    hops = range(0, 28_000 - frames, frames // 8)
    rig = Rig(np.stack([record[at : at + frames] for at in hops]), rate_hz, rpm=1200)
    rig.watch.states.current.pattern = signature(record[:28_000], rate_hz)
    facts = machine_facts(rig.machine)
    for stretch in (record[20_000:], adi(1800, f"GoB_GS_BaLo_WA_{load}")):
        rig.run([stretch[:frames]] * 4, 0.16)
        counts: dict[str, int] = {}
        for _ in range(4):
            rig.watch.stretched(stretch, rate_hz, examine(stretch, rate_hz, facts))
            windows = [stretch[at : at + frames] for at in range(0, len(stretch) - frames, frames)]
            counts = said(rig.run(windows, 0.4))
        with capsys.disabled():
            print(f"\nADI {load}: {counts}", end="")
        if len(stretch) == 20_000:
            assert set(counts) == {"normal like_baseline"}
        else:
            assert set(counts) == {"unknown learning"}
            assert not rig.watch.book.shown()


def to_and_fro(snapshot: Floats, at: int) -> Floats:
    """A window of 8192 samples that begins at `at` of a snapshot of 2560."""
    there = np.concatenate([snapshot, snapshot[::-1]])
    return np.tile(there, (3, 1))[at : at + 8192]


@pytest.mark.shared
def test_femto_bearings_alarm_before_their_end(capsys: pytest.CaptureFixture[str]) -> None:
    """Snapshots of 0.1 s, 60 spread over the life and the last 20; the first quarter teaches.

    A tenth of a second holds one period of 10 Hz: it is played forwards and backwards until it
    makes a window, which keeps its spectrum and adds no step. Its velocity below 30 Hz means
    nothing, so the zones are put out of reach: what is unlike the bearing's beginning alarms.
    """
    manifest = json.loads(Path(recording("femto/manifest.json")).read_text())
    for one in manifest["records"]:
        with np.load(recording(f"femto/{one['file']}")) as held:
            values, places = held["X"] * one["scale"], held["idx"]
        taught = values[: len(values) // 4]
        windows = [to_and_fro(one, at) for one in taught for at in (0, 1280)]
        rig = Rig(np.stack(windows), 25_600.0, rpm=one["rpm"], limits_mm_s=[100, 200, 300])
        alarm_at = None
        for snapshot, place in zip(values[len(taught) :], places[len(taught) :], strict=True):
            parts = [to_and_fro(snapshot, at) for at in range(0, 1280, 160)]
            verdict = rig.run(parts, 3.0)[-1]
            if verdict.state in ("warning", "alarm") and alarm_at is None:
                alarm_at = (int(place), verdict.state, verdict.reason[0])
        assert alarm_at is not None, one["id"]
        lead_min = (int(places[-1]) - alarm_at[0]) * one["snapshot_period_s"] / 60
        life_min = int(places[-1]) * one["snapshot_period_s"] / 60
        with capsys.disabled():
            print(
                f"\n{one['id']}: {alarm_at[1]} by {alarm_at[2]}, {lead_min:.0f} min before the end"
                f" of {life_min:.0f} min",
                end="",
            )
        assert 0 < lead_min < (1 - SOUND_LIFE) * life_min, one["id"]
