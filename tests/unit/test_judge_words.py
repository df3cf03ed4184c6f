"""`latido judge` in words: several files, table or JSON lines, plots, findings in es and en."""

import contextlib
import json
import os
import pty
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.cli import main
from agent.words.judge_table import Table, details

RATE_HZ = 3200.0
SVG = "{http://www.w3.org/2000/svg}"


def machine(path: Path, first_mm_s: float, seed: int = 1, axes: int = 3) -> str:
    """Ten seconds of a machine at 1180 r/min whose radial 1x has this velocity; .npz in g."""
    t = np.arange(int(10 * RATE_HZ)) / RATE_HZ
    g = np.random.default_rng(seed).normal(0, 0.005, (len(t), axes))
    for order, mm_s in ((1, first_mm_s), (2, 0.1), (3, 0.1)):
        hz = order * 1180 / 60
        wave = mm_s * np.sqrt(2) * 2 * np.pi * hz / 9806.65 * np.sin(2 * np.pi * hz * t + order)
        g += wave[:, None] * np.array([1.0, 1.0, 0.2])[:axes]
    np.savez(path, x=g, scale=1.0, rate_hz=RATE_HZ)
    return str(path)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    try:
        code = main(["judge", *words])
    except SystemExit as stop:
        code = int(stop.code or 0)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def judged(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    code, out, err = run(capsys, *words)
    assert code == 0, err
    return [json.loads(line) for line in out.splitlines()]


def at_terminal(columns: int, *words: str, colour: bool = True) -> tuple[int, str]:
    """(exit code, what a terminal of that width shows)."""
    child = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    child.pop("NO_COLOR", None)
    if not colour:
        child["NO_COLOR"] = "1"
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "agent", "judge", *words],
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env=child,
    ) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # a terminal that is closed ends so on Linux
            while part := os.read(ours, 65536):
                shown += part
    os.close(ours)
    return process.returncode, shown.decode()


def test_a_finding_comes_with_evidence_confidence_and_both_languages(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    healthy, bad = machine(tmp_path / "h.npz", 0.5), machine(tmp_path / "b.npz", 5.0, 2)
    words = (bad, "--baseline", healthy, "--rpm", "1180", "--axial", "z", "--json")
    (answer,) = judged(capsys, *words)
    (finding,) = answer["findings"]
    assert finding["name"] == "unbalance" and 0.75 < finding["confidence"] <= 0.9
    assert finding["evidence"]["times"] == pytest.approx(10, rel=0.1)
    assert finding["text"]["es"].startswith("Desbalance (muy probable): ")
    assert finding["text"]["en"].startswith("Unbalance (very likely): ")
    assert "balance" in finding["check_text"]["en"] and "balancee" in finding["check_text"]["es"]
    assert answer["speed"]["hz"] == pytest.approx(1180 / 60, rel=1e-3)
    assert answer["verdict"] == "alarm" and answer["reason"][0] == "finding"
    assert "{" not in answer["reason_text"]["es"] + answer["reason_text"]["en"]
    bearing = answer["bearing"]
    assert set(bearing) == {
        *("verdict", "order", "measured_hz", "slip", "harmonics", "score", "method", "reason"),
        "supported",
    }
    assert (bearing["verdict"], bearing["reason"]) == ("unknown", "no_bearing")


def test_looked_and_found_nothing_is_not_the_same_as_could_not_look(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = machine(tmp_path / "h.npz", 0.5)
    bearing = ("--bearing", "9,7.94,39.04,0")
    (looked,) = judged(capsys, path, "--rpm", "1180", *bearing)
    assert looked["findings"] == [] and "no_speed" not in looked["cannot_see"]
    assert looked["bearing"]["verdict"] == "none"
    np.savez(path, x=np.random.default_rng(3).normal(0, 0.01, (32_000, 3)), scale=1.0, rate_hz=3200)
    (blind,) = judged(capsys, path, *bearing)
    assert blind["findings"] == [] and "no_speed" in blind["cannot_see"]
    assert (blind["bearing"]["verdict"], blind["bearing"]["reason"]) == ("unknown", "no_speed")


def test_off_a_terminal_each_file_is_a_line_of_json(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    paths = [machine(tmp_path / f"{n}.npz", 0.5, n) for n in (1, 2, 3)]
    answers = judged(capsys, *paths)
    assert [one["file"] for one in answers] == paths


def test_a_file_that_cannot_be_read_does_not_keep_the_others_from_being_judged(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    paths = [machine(tmp_path / "1.npz", 0.5), str(tmp_path / "none.npz")]
    code, out, err = run(capsys, paths[1], paths[0])
    assert code == 1 and "none.npz" in err
    assert json.loads(out)["file"] == paths[0]


@pytest.mark.parametrize("way", ["same", "dotted", "linked", "copied", "saved"])
def test_a_judged_recording_is_no_baseline_however_it_is_spelled(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, way: str
) -> None:
    path = machine(tmp_path / "x.npz", 0.5)
    other = str(tmp_path / "other.npz")
    if way == "same":
        other = path
    elif way == "dotted":
        other = str(tmp_path / ".." / tmp_path.name / "x.npz")
    elif way == "linked":
        os.symlink(path, other)
    elif way == "copied":
        shutil.copy(path, other)
    else:
        with np.load(path) as held:
            np.savez_compressed(other, signal=held["x"], scale=1.0, rate_hz=RATE_HZ)
    code, out, err = run(capsys, path, "--baseline", other)
    assert (code, out) == (2, "") and "--baseline" in err
    assert "expected other recordings" in err and Path(other).name in err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--axial", "w"), 2, "--axial: 'w' is not an axis"),
        (("--axial", "3"), 2, "expected x, y, z or 0, 1, 2"),
        (("--column", "x.0", "--axial", "z"), 1, "1 axes, and --axial names number 2"),
        (("--vanes", "1"), 2, "'1' is not a number of vanes"),
        (("--mains-hz", "55"), 2, "choose from"),
        (("--kind", "boat"), 2, "choose from"),
        (("--bearing", "6205-XYZ"), 2, "6205-XYZ"),
        (("--plot", "out.png"), 2, "'out.png' is not a picture we draw"),
        (("--plot", "/nowhere/at/all/out.svg"), 1, "/nowhere/at/all/out.svg: No such file"),
    ],
)
def test_a_wrong_word_is_named_with_what_was_expected(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    found, _, err = run(capsys, machine(tmp_path / "x.npz", 0.5), *words)
    assert found == code and said in err


def test_a_terminal_gets_a_table_as_wide_as_it_is(tmp_path: Path) -> None:
    healthy = machine(tmp_path / "healthy-machine-with-a-long-name.npz", 0.5)
    bad = machine(tmp_path / "bad.npz", 5.0, 2)
    words = (bad, "--baseline", healthy, "--rpm", "1180", "--axial", "z", "--lang", "es")
    for columns in (50, 100):
        code, shown = at_terminal(columns, *words, colour=False)
        lines = shown.splitlines()
        assert code == 0 and all(len(line) <= columns for line in lines), shown
        assert lines[0].startswith("Archivo") and "Veredicto" in lines[0]
        assert lines[1].startswith("bad.npz") and "✕ Alarma" in lines[1]
        assert "\x1b" not in shown
    assert "Desbalance" in lines[1] and "→ Limpie el impulsor" in shown
    code, shown = at_terminal(100, *words)
    assert "\x1b[31m" in shown
    code, shown = at_terminal(100, *words, "--json")
    assert json.loads(shown)["verdict"] == "alarm"


def test_a_table_holds_what_was_not_judged(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    t = np.arange(32_000) / RATE_HZ
    flat = np.clip(3 * np.sin(2 * np.pi * 47 * t), -2, 2)
    np.savez(tmp_path / "flat.npz", x=flat, scale=1.0, rate_hz=RATE_HZ)
    (answer,) = judged(capsys, str(tmp_path / "flat.npz"))
    assert answer["bearing"] == {**answer["bearing"], "verdict": "unknown", "reason": "untrusted"}
    assert answer["findings"] == []
    row = Table([answer["file"]], 80, "en", False).row(answer)
    assert row.startswith("flat.npz  ? No verdict") and row.endswith("–")
    assert any("clipped" in line for line in details(answer, "en", 80))


def test_a_plot_is_one_valid_picture_a_file_without_anything_from_elsewhere(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in ("a <&> ñ", "b"):
        machine(tmp_path / f"{name}.npz", 1.0)
    paths = [str(tmp_path / "a <&> ñ.npz"), str(tmp_path / "b.npz"), str(tmp_path / "b.npz")]
    words = ("--rpm", "1180", "--bearing", "9,7.94,39.04,0", "--vanes", "5", "--plot")
    judged(capsys, *paths, *words, str(tmp_path / "out.svg"))
    drawn = sorted(path.name for path in tmp_path.glob("*.svg"))
    assert drawn == ["out-a <&> ñ.svg", "out-b-2.svg", "out-b.svg"]
    for path in tmp_path.glob("*.svg"):
        text = path.read_text()
        root = ElementTree.fromstring(text)
        labels = [element.text for element in root.iter(f"{SVG}text")]
        for mark in (
            "1×",
            "2×",
            "BPFO",
            "BPFI",
            "FTF",
            "2×BSF",
            "línea/line 60",
            "álabes/vanes 5×",
        ):
            assert mark in labels, (path.name, mark)
        assert len(list(root.iter(f"{SVG}polyline"))) == 6
        assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
        assert "<script" not in text and "<style" not in text and "href" not in text
    judged(capsys, paths[1], "--plot", str(tmp_path / "one.svg"))
    assert (tmp_path / "one.svg").exists()


def test_a_plot_shows_a_line_where_it_is(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = machine(tmp_path / "x.npz", 5.0, axes=1)
    judged(capsys, path, "--rpm", "1180", "--plot", str(tmp_path / "x.svg"))
    root = ElementTree.fromstring((tmp_path / "x.svg").read_text())
    curve = next(root.iter(f"{SVG}polyline")).attrib["points"].split()
    x, y = min((point.split(",") for point in curve), key=lambda point: float(point[1]))
    mark = next(element for element in root.iter(f"{SVG}text") if element.text == "1×")
    assert float(x) == pytest.approx(float(mark.attrib["x"]) - 3, abs=3)
    assert 64 <= float(y) < 150


def test_a_plot_of_what_is_not_trusted_says_so(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    np.savez(tmp_path / "dead.npz", x=np.full(32_000, 0.1), scale=1.0, rate_hz=RATE_HZ)
    judged(capsys, str(tmp_path / "dead.npz"), "--plot", str(tmp_path / "dead.svg"))
    assert "Signal not trusted" in (tmp_path / "dead.svg").read_text()
