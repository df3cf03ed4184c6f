"""`latido judge` is silent of what it cannot trust: dropouts, copies, wrong units, turned ones."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.analysis.shared_run import shares_run
from agent.page.words import LANGUAGES
from tests.unit.test_judge_words import run

RATE_HZ = 3200.0
GRAVITY = np.array([0.0, 0.0, 1.0])


def vibration(seed: int, seconds: float = 10.0, mm_s: float = 2.0) -> Any:
    """A machine at 1770 r/min with 1x and 2x, shape (n, 3), in g."""
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    felt = np.random.default_rng(seed).normal(0, 0.005, (len(t), 3))
    for order, share in ((1, 1.0), (2, 0.15)):
        hz = order * 29.5
        wave = np.sqrt(2) * share * mm_s * 2 * np.pi * hz / 9806.65
        felt += wave * np.sin(2 * np.pi * hz * t + seed)[:, None] * [1.0, 0.9, 0.2]
    return felt


def saved(path: Path, values: Any) -> str:
    np.savez(path, x=values, scale=1.0, rate_hz=RATE_HZ)
    return str(path)


def judged(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    code, out, err = run(capsys, *words, "--json")
    assert code == 0, err
    answer: dict[str, Any] = json.loads(out)
    return answer


# Dropouts


@pytest.mark.parametrize("axes", [1, 3])
def test_zeros_in_half_of_every_window_leave_nothing_to_judge(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, axes: int
) -> None:
    values = vibration(1)[:, :axes]
    for begin in range(0, len(values), 1000):
        values[begin : begin + 450] = 0
    answer = judged(capsys, saved(tmp_path / "d.npz", values), "--rpm", "1770")
    assert (answer["verdict"], answer["windows"]) == ("unknown", 0)
    assert answer["quality"]["status"] != "good"
    assert {code for code, _ in answer["quality"]["reasons"]} <= {"repeats", "frozen"}


@pytest.mark.parametrize("begin", [0, 12_345, 31_000])
@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("other_hz", [None, 2560.0])
def test_a_third_of_a_second_without_signal_is_said_and_not_judged(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    begin: int,
    held: bool,
    other_hz: float | None,
) -> None:
    values = vibration(1)
    values[begin : begin + 1000] = values[begin] if held else 0
    words = [saved(tmp_path / "d.npz", values), "--rpm", "1770"]
    if other_hz:  # a baseline at another rate: the recording is resampled, and repeats no more
        np.savez(tmp_path / "b.npz", x=vibration(2, 20), scale=1.0, rate_hz=other_hz)
        words += ["--baseline", str(tmp_path / "b.npz")]
    answer = judged(capsys, *words)
    assert answer["quality"]["windows_rejected"] > 0
    assert {code for code, _ in answer["quality"]["reasons"]} & {"repeats", "frozen"}


def test_a_sound_recording_repeats_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    values = np.round(vibration(1) / 0.0039) * 0.0039
    answer = judged(capsys, saved(tmp_path / "s.npz", values), "--rpm", "1770")
    assert (answer["quality"]["status"], answer["quality"]["windows_rejected"]) == ("good", 0)


# Copies


@pytest.mark.parametrize("part", [slice(1, None), slice(5000, None), slice(0, 20_001)])
@pytest.mark.parametrize("judged_is_part", [True, False])
def test_a_copy_that_was_cut_is_no_baseline(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, part: slice, judged_is_part: bool
) -> None:
    whole = saved(tmp_path / "whole.npz", vibration(1))
    cut = saved(tmp_path / "cut.npz", vibration(1)[part])
    file, baseline = (cut, whole) if judged_is_part else (whole, cut)
    code, out, err = run(capsys, file, "--baseline", baseline)
    assert (code, out) == (2, "")
    assert file in err and baseline in err and "expected other recordings" in err


def test_recordings_of_one_machine_share_nothing_and_nor_do_their_dropouts() -> None:
    step = 0.0039  # coarse: many frames are alike by chance
    coarse = [np.round(vibration(seed, 60, 0.3) / step) * step for seed in range(6)]
    for values in coarse:
        values[1000:4000] = 0
    pairs = [(a, b) for a in range(6) for b in range(a)]
    assert not [pair for pair in pairs if shares_run(coarse[pair[0]], coarse[pair[1]])]


# Levels


@pytest.mark.parametrize(("times", "code"), [(20_000.0, "level_g"), (200.0, "level_mm_s")])
def test_a_level_that_no_machine_has_asks_for_unit_and_scale(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, times: float, code: str
) -> None:
    answer = judged(capsys, saved(tmp_path / "x.npz", times * vibration(1)), "--rpm", "1770")
    assert (answer["verdict"], answer["quality"]["status"]) == ("unknown", "out_of_spec")
    assert answer["quality"]["reasons"][0][0] == code
    assert answer["severity"]["zone"] is None
    assert all("--unit" in answer["reason_text"][language] for language in LANGUAGES)


# A turned sensor


def test_a_turned_sensor_makes_no_finding_of_its_axes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    baseline = saved(tmp_path / "b.npz", vibration(1, 16) + GRAVITY)
    turned = saved(tmp_path / "t.npz", (vibration(2) + GRAVITY)[:, [2, 0, 1]])
    answer = judged(capsys, turned, "--baseline", baseline, "--rpm", "1770", "--axial", "z")
    assert (answer["verdict"], answer["findings"]) == ("unknown", [])
    assert answer["reason"] == ["baseline_invalid_recordings", {"degrees": 90}]
    assert all("90°" in answer["reason_text"][language] for language in LANGUAGES)


@pytest.mark.parametrize("gravity", [GRAVITY, 0 * GRAVITY])
def test_a_sensor_that_stayed_or_feels_no_gravity_is_judged(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, gravity: Any
) -> None:
    baseline = saved(tmp_path / "b.npz", vibration(1, 16, 1.0) + gravity)
    file = saved(tmp_path / "j.npz", vibration(2, 10, 1.0) + gravity)
    answer = judged(capsys, file, "--baseline", baseline, "--rpm", "1770", "--axial", "z")
    assert answer["verdict"] == "normal"


# What was told


@pytest.mark.parametrize("rpm", ["1", "29", "60001"])
def test_a_speed_that_the_configuration_refuses_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, rpm: str
) -> None:
    code, _, err = run(capsys, saved(tmp_path / "x.npz", vibration(1)), "--rpm", rpm)
    assert code == 2 and f"'{rpm}' is not a speed of 30 to 60000 r/min" in err


def test_a_rate_that_overrules_the_file_s_own_is_noted(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = saved(tmp_path / "x.npz", vibration(1))
    (note,) = judged(capsys, path, "--rate-hz", "6400")["quality"]["notes"]
    assert "6400 Hz as told, instead of the 3200 Hz" in note
    assert judged(capsys, path, "--rate-hz", "3200")["quality"]["notes"] == []


@pytest.mark.parametrize("text", ["la bomba suena raro\n" * 99, "0.1 0.2 0.3\n" * 999])
def test_a_text_without_numbers_in_columns_says_so(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str
) -> None:
    (tmp_path / "text.csv").write_text(text)
    code, _, err = run(capsys, str(tmp_path / "text.csv"), "--rate-hz", "3200")
    assert code == 1 and "no numbers in it" in err and "separated by comma" in err


def test_a_pump_that_must_not_fail_has_limits_of_its_own(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = [saved(tmp_path / "x.npz", vibration(1)), "--kind", "pump", "--power-kw", "30"]
    groups = [
        judged(capsys, *words, *more)["severity"]["group"]
        for more in ((), ("--pump-category", "I"))
    ]
    assert groups == ["category II, up to 200 kW", "category I, up to 200 kW"]


def test_every_option_of_judge_has_words_in_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "--help")
    for option in ("rate-hz", "unit", "rpm", "power-kw", "support", "mains-hz", "lang"):
        shown = out[out.index(f"\n  --{option}") :].split("\n  -")[1]
        assert re.search(r"  [a-z]{2,}", shown), option
