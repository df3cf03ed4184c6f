"""Findings on recordings of real machines: the right fault or none, never a wrong name.

The ADI rig stands in Limerick (50 Hz mains). Its manifest does not say which axis lies along the
shaft; the recordings do: adding weight to the disc raises 1x on x and y and least on z.
The table is printed (`pytest -s`).
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.cli import main
from tests.shared import recording

ADI_SCALE_G = 3e-5 / 0.02  # volts a count over volts a g of the ADXL356C at its +-40 g range
ADI = ("--mains-hz", "50", "--axial", "z", "--kind", "motor")
OF_THE_SHAFT = {"unbalance", "misalignment", "looseness"}
HEALTHY = "GoB_GS_BaLo_WA"
ALLOWED = {  # what is wrong by the file's name, and what may be said of it
    "HImL": {"unbalance"},
    "LImL": {"unbalance"},
    "VHIL": {"unbalance"},
    "VLIL": {"unbalance"},
    "MA": {"misalignment"},
}


def judged(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    code = main(["judge", *words, "--json"])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    answers = [json.loads(line) for line in printed.out.splitlines()]
    with capsys.disabled():
        for one in answers:
            found = ", ".join(f"{f['name']} {f['confidence']}" for f in one["findings"])
            print(f"\n{Path(one['file']).stem:30s} {one['verdict']:8s} {found or '-'}", end="")
    return answers


def adi(folder: Path, rpm: int, load: str) -> dict[str, str]:
    """Every record of one speed and load as a file of its own: name without speed and load."""
    held = np.load(recording(f"adi_cbm_adxl356/adi_{rpm}.npz"))
    paths = {}
    for key in held:
        if key.endswith(load):
            name = key[len(f"{rpm}_") : -len(f"_{load}")]
            paths[name] = str(folder / f"{key}.npz")
            np.savez(paths[name], x=held[key], scale=ADI_SCALE_G, rate_hz=20_000.0)
    return paths


@pytest.mark.shared
@pytest.mark.parametrize("rpm", [1200, 1800])
@pytest.mark.parametrize("load", ["00lb", "11lb"])
def test_adi_unbalance_and_misalignment_are_named_and_nothing_else(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, rpm: int, load: str
) -> None:
    paths = adi(tmp_path, rpm, load)
    faults = [path for name, path in paths.items() if name != HEALTHY]
    answers = judged(capsys, *faults, "--baseline", paths[HEALTHY], "--rpm", str(rpm), *ADI)
    named: dict[str, list[str]] = {"unbalance": [], "misalignment": []}
    for answer in answers:
        stem = Path(answer["file"]).stem
        kind = next((mark for mark in ALLOWED if f"_{mark}_" in stem), "")
        names = {finding["name"] for finding in answer["findings"]}
        assert names <= ALLOWED.get(kind, set()), stem
        for name in names:
            named[name].append(stem)
    assert len(named["unbalance"]) >= (4 if load == "00lb" else 3)
    # With the load on, the misaligned rig's lines are no stronger than the aligned one's.
    assert len(named["misalignment"]) == (1 if load == "00lb" else 0)


@pytest.mark.shared
@pytest.mark.parametrize("rpm", [1200, 1800])
def test_adi_grave_unbalance_is_named_without_a_baseline_and_through_an_adxl345(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, rpm: int
) -> None:
    paths = adi(tmp_path, rpm, "00lb")
    speed = ("--rpm", str(rpm), *ADI)
    grave = paths["GoB_GS_VHIL_WA"]
    (alone,) = judged(capsys, grave, *speed)
    assert [finding["name"] for finding in alone["findings"]] == ["unbalance"]
    assert "no_baseline" in alone["cannot_see"] and alone["findings"][0]["confidence"] < 0.6
    through = ("--through", "adxl345@3200")
    (played,) = judged(capsys, grave, "--baseline", paths[HEALTHY], *speed, *through)
    assert [finding["name"] for finding in played["findings"]] == ["unbalance"]
    assert "bearing_unknown" in played["cannot_see"]


@pytest.mark.shared
@pytest.mark.parametrize("rpm", [1200, 1800])
def test_adi_healthy_machine_has_no_finding_of_the_shaft(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, rpm: int
) -> None:
    """Neither without a baseline, nor its end by its beginning, nor by that of another load."""
    speed = ("--rpm", str(rpm), *ADI)
    loads = {load: adi(tmp_path, rpm, load)[HEALTHY] for load in ("00lb", "11lb")}
    halves = []
    for load, path in loads.items():
        values = np.load(path)["x"]
        for part, cut in (("begin", values[:20_000]), ("end", values[20_000:])):
            halves.append(str(tmp_path / f"{load}-{part}.npz"))
            np.savez(halves[-1], x=cut, scale=ADI_SCALE_G, rate_hz=20_000.0)
    answers = judged(capsys, *loads.values(), *speed)
    answers += judged(capsys, halves[1], "--baseline", halves[0], *speed)
    answers += judged(capsys, halves[3], "--baseline", halves[2], *speed)
    answers += judged(capsys, loads["00lb"], "--baseline", loads["11lb"], *speed)
    answers += judged(capsys, loads["11lb"], "--baseline", loads["00lb"], *speed)
    for answer in answers:
        assert answer["findings"] == [], answer["file"]


@pytest.mark.shared
@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("cwru/97",), ("--column", "DE", "--rpm", "1797", "--bearing", "9,7.94,39.04,0")),
        (("cwru/97",), ("--column", "DE")),
        (("mfpt/baseline_1", "mfpt/baseline_2"), ("--column", "gs", "--rpm", "1500")),
        (("mfpt/baseline_1", "mfpt/baseline_2"), ("--column", "gs")),
    ],
)
def test_healthy_bearing_rigs_have_no_finding(
    capsys: pytest.CaptureFixture[str], names: tuple[str, ...], words: tuple[str, ...]
) -> None:
    answers = judged(capsys, *(recording(f"{name}.npz") for name in names), *words)
    for answer in answers:
        assert answer["findings"] == [] and answer["verdict"] in ("normal", "unknown", "warning")


@pytest.mark.shared
def test_a_bearings_defect_is_no_fault_of_the_shaft(capsys: pytest.CaptureFixture[str]) -> None:
    faults = [recording(f"cwru/{name}.npz") for name in ("105", "130", "118", "234")]
    for answer in judged(capsys, *faults, "--column", "DE", "--rpm", "1797"):
        assert not {finding["name"] for finding in answer["findings"]} & OF_THE_SHAFT


@pytest.mark.shared
def test_speed_is_right_or_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    found = 0
    for name, hz in (("105", 29.95), ("118", 29.93), ("130", 29.93), ("97", 29.93), ("156", 29.95)):
        (answer,) = judged(capsys, recording(f"cwru/{name}.npz"), "--column", "DE")
        if answer["speed"]["hz"] is not None:
            assert answer["speed"]["hz"] == pytest.approx(hz, rel=0.01)
            found += 1
    assert found >= 2


@pytest.mark.shared
def test_kafeel_clipping_is_a_status_of_the_sensor_and_nothing_is_judged(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    manifest = json.loads(Path(recording("kafeel_pump_motor/manifest.json")).read_text())
    held = np.load(recording("kafeel_pump_motor/signals.npz"))
    clipped = 0
    for record in manifest["records"][:60]:
        values = held[record["key"]] * record["scale"]
        at_rail = np.abs(np.abs(values[:, 2]) - np.abs(values[:, 2]).max()) < 1e-9
        if at_rail.mean() < 0.05:
            continue
        path = tmp_path / f"{record['id']}.npz"
        np.savez(path, x=values, scale=1.0, rate_hz=1000.0)
        code = main(["judge", str(path), "--json"])
        answer = json.loads(capsys.readouterr().out)
        assert code == 0 and answer["quality"]["status"] == "out_of_spec", record["id"]
        assert answer["quality"]["reasons"][0][0] == "clipped"
        assert answer["verdict"] == "unknown" and answer["findings"] == []
        clipped += 1
    with capsys.disabled():
        print(f"\nkafeel: {clipped} clipped recordings, none judged", end="")
    assert clipped >= 5
