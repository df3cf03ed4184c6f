"""Recordings of real machines through `latido judge`, directly and as an ADXL345 would see them.

The figures are printed (`pytest -s`); what is asserted is the verdict.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.cli import main
from tests.shared import recording

ADI_SCALE_G = 3e-5 / 0.02  # volts a count over volts a g of the ADXL356C at its +-40 g range
WAYS = [(), ("--through", "adxl345@3200")]


def judged(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    """What `latido judge WORDS --json` prints, one object a recording."""
    code = main(["judge", *words, "--json"])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    answers = [json.loads(line) for line in printed.out.splitlines()]
    with capsys.disabled():
        for one in answers:
            print(
                f"\n{Path(one['file']).name} {' '.join(words[-2:])} {one['rate_hz']:.0f} Hz:"
                f" {one['verdict']}, score {one['anomaly']['score']}"
                f" of {one['anomaly']['threshold']},"
                f" {one['severity']['velocity_rms_mm_s']} mm/s",
                end="",
            )
    return answers


def cut(source: str, array: str, first: float, last: float, target: Path) -> str:
    """The part of a recording between two shares of its length, as a file of its own."""
    values = np.load(source)[array]
    n = len(values)
    np.savez(target, x=values[int(first * n) : int(last * n)])
    return str(target)


@pytest.mark.shared
@pytest.mark.parametrize("way", WAYS, ids=["direct", "adxl345"])
def test_cwru_healthy_end_is_normal_and_faults_are_anomalous(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, way: tuple[str, ...]
) -> None:
    scale_97 = 0.0002086153846153846  # manifest of the recordings
    healthy = recording("cwru/97.npz")
    values = np.load(healthy)["DE"] * scale_97
    n = int(0.75 * len(values))
    np.savez(tmp_path / "begin.npz", DE=values[:n], scale=1.0, rate_hz=48000.0)
    np.savez(tmp_path / "end.npz", DE=values[n:], scale=1.0, rate_hz=48000.0)
    baseline = ("--baseline", str(tmp_path / "begin.npz"), "--column", "DE", *way)
    (end,) = judged(capsys, str(tmp_path / "end.npz"), *baseline)
    assert end["verdict"] == "normal" and end["anomaly"]["verdict"] == "normal"
    faults = [recording(f"cwru/{name}.npz") for name in ("105", "130", "209", "234")]
    for answer in judged(capsys, *faults, *baseline):
        assert answer["anomaly"]["verdict"] == "anomalous", answer["file"]
        assert answer["verdict"] in ("warning", "alarm")


@pytest.mark.shared
def test_mfpt_second_baseline_is_normal_and_faults_are_anomalous(
    capsys: pytest.CaptureFixture[str],
) -> None:
    baseline = ("--column", "gs", "--baseline", recording("mfpt/baseline_1.npz"))
    (second,) = judged(capsys, recording("mfpt/baseline_2.npz"), *baseline)
    assert second["anomaly"]["verdict"] == "normal"
    folder = Path(recording("mfpt"))
    faults = sorted(str(path) for path in folder.glob("*Fault*.npz"))
    assert len(faults) == 7
    for answer in judged(capsys, *faults, *baseline):
        assert answer["anomaly"]["verdict"] == "anomalous", answer["file"]


@pytest.mark.shared
@pytest.mark.parametrize("load", ["00lb", "11lb"])
@pytest.mark.parametrize("way", WAYS, ids=["direct", "adxl345"])
def test_adi_mems_unbalance_is_anomalous_and_the_healthy_end_is_normal(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, load: str, way: tuple[str, ...]
) -> None:
    archive = recording("adi_cbm_adxl356/adi_1200.npz")
    healthy = f"1200_GoB_GS_BaLo_WA_{load}"
    begin = cut(archive, healthy, 0.0, 0.7, tmp_path / "begin.npz")
    words = ("--rate-hz", "20000", "--scale", str(ADI_SCALE_G), "--rpm", "1200")
    baseline = ("--baseline", begin, *words, *way)
    (end,) = judged(capsys, cut(archive, healthy, 0.7, 1.0, tmp_path / "end.npz"), *baseline)
    assert end["anomaly"]["verdict"] == "normal"
    for weights in ("LImL", "HImL", "VLIL", "VHIL"):
        name = f"1200_GoB_GS_{weights}_WA_{load}"
        fault = cut(archive, name, 0.0, 1.0, tmp_path / f"{name}.npz")
        (answer,) = judged(capsys, fault, *baseline)
        assert answer["anomaly"]["verdict"] == "anomalous", name
