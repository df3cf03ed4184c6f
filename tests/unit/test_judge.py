"""`latido judge` on files that cannot be judged: a clear error that names the file."""

import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.cli import main

RATE_HZ = "3200"


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """(exit code, what was said on stderr) of a judgement that must not print an answer."""
    try:
        code = main(["judge", *words, "--json"])
    except SystemExit as stop:
        code = int(stop.code or 0)
    printed = capsys.readouterr()
    assert printed.out == ""
    return code, printed.err


def noise(path: Path, seconds: float = 4.0, seed: int = 1) -> str:
    x = np.random.default_rng(seed).normal(0, 0.1, int(seconds * 3200))
    np.savetxt(path, x)
    return str(path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("nan.csv", b"1\n" * 99 + b"NaN\n" + b"1\n" * 3000, "sample 99 is not a finite number"),
        ("word.csv", b"1\n" * 99 + b"oops\n" + b"1\n" * 3000, "sample 99"),
        ("one.csv", b"0.5\n", "1 samples"),
        ("empty.csv", b"", "empty"),
        ("ragged.csv", b"1,2\n3\n", "row 2: 1 columns, expected 2"),
        ("short.csv", b"0.1\n0.2\n" * 100, "expected at least one window"),
        ("bad.npz", b"PK\x03\x04 not really", "not an .npz"),
        ("bad.wav", b"RIFF____WAVE", "expected a 'fmt '"),
        ("what.xlsx", b"x", "expected .csv .wav .npz"),
        ("latin.csv", "año\n".encode("latin-1"), "not text in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_judged_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    code, error = refused(capsys, str(tmp_path / name), "--rate-hz", RATE_HZ)
    assert code == 1
    assert name in error and said in error


def test_a_missing_file_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, error = refused(capsys, str(tmp_path / "none.csv"), "--rate-hz", RATE_HZ)
    assert code == 1 and "none.csv" in error


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--rate-hz", "0"), "not a number above 0"),
        (("--rate-hz", "-5"), "not a number above 0"),
        (("--rate-hz", "nan"), "not a number above 0"),
        (("--rate-hz", RATE_HZ, "--through", "adxl999"), "is not a sensor"),
        (("--rate-hz", RATE_HZ, "--through", "adxl345@123"), "is not a rate"),
        (("--rate-hz", RATE_HZ, "--bearing", "6205-XYZ"), "not known"),
        (("--rate-hz", RATE_HZ, "--bearing", "9,50,39,0"), "not possible"),
    ],
)
def test_a_wrong_word_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    code, error = refused(capsys, noise(tmp_path / "x.csv"), *words)
    assert code == 2 and said in error


def test_a_column_that_is_not_there_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "xyz.csv").write_text("x,y\n" + "0.1,0.2\n" * 3000)
    words = (str(tmp_path / "xyz.csv"), "--rate-hz", RATE_HZ, "--column", "z")
    code, error = refused(capsys, *words)
    assert code == 1 and "'z'" in error and "x, y" in error


def test_the_judged_file_may_not_be_its_own_baseline(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = noise(tmp_path / "x.csv")
    code, error = refused(capsys, path, "--rate-hz", RATE_HZ, "--baseline", path)
    assert code == 2 and "also judged" in error


def test_csv_wav_and_npz_of_one_signal_agree(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    counts = np.random.default_rng(2).integers(-500, 500, 16_000).astype("<i2")
    np.savetxt(tmp_path / "a.csv", counts / 32768.0)
    np.savez(tmp_path / "a.npz", x=counts, scale=1 / 32768.0)
    fmt = struct.pack("<HHIIHH", 1, 1, 3200, 6400, 2, 16)
    head = b"fmt " + struct.pack("<I", 16) + fmt + b"data" + struct.pack("<I", 32000)
    body = b"WAVE" + head + counts.tobytes()
    (tmp_path / "a.wav").write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    found = []
    for suffix in ("csv", "npz", "wav"):
        words = [str(tmp_path / f"a.{suffix}"), "--json"]
        rate = [] if suffix == "wav" else ["--rate-hz", RATE_HZ]
        assert main(["judge", *words, *rate]) == 0
        found.append(json.loads(capsys.readouterr().out))
    for one in found:
        assert one["severity"] == found[0]["severity"]
        assert one["verdict"] == "unknown" and one["anomaly"]["verdict"] == "unknown"


def test_metres_per_second_squared_are_not_g(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = noise(tmp_path / "x.csv")
    found = []
    for unit in ("g", "m/s2"):
        assert main(["judge", path, "--rate-hz", RATE_HZ, "--unit", unit, "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out)["features"]["rms"][0])
    assert found[0] / found[1] == pytest.approx(9.80665, rel=1e-4)


def test_a_clipped_recording_played_through_a_chip_is_never_judged(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    t = np.arange(12_800) / 3200
    np.savetxt(tmp_path / "x.csv", 60 * np.sin(2 * np.pi * 50 * t))
    words = [str(tmp_path / "x.csv"), "--rate-hz", RATE_HZ, "--through", "adxl345", "--json"]
    assert main(["judge", *words]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["verdict"] == "unknown" and answer["quality"]["status"] == "out_of_spec"
    assert "clipped" in answer["quality"]["reasons"][0]


def judged(capsys: pytest.CaptureFixture[str], *words: str) -> "dict[str, Any]":
    code = main(["judge", *words, "--json"])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    held: dict[str, Any] = json.loads(printed.out)
    return held


@pytest.mark.parametrize("rate", ["5", "0.1", "99", "2e7"])
def test_a_rate_that_cannot_be_judged_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, rate: str
) -> None:
    code, error = refused(capsys, noise(tmp_path / "x.csv"), "--rate-hz", rate)
    assert code == 1 and "x.csv" in error and "not a rate that can be judged" in error


def test_whole_numbers_without_a_scale_are_not_taken_for_g(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    np.savez(tmp_path / "raw.npz", x=np.arange(5000, dtype=np.int16))
    code, error = refused(capsys, str(tmp_path / "raw.npz"), "--rate-hz", RATE_HZ)
    assert code == 1 and "--scale" in error


@pytest.mark.parametrize(
    "manifest",
    [
        {"records": [1]},
        {"records": None},
        {"records": {"a": 1}},
        {"records": [{"file": "raw.npz", "channels": ["x"]}]},
        {"records": [{"file": "raw.npz", "channels": None}]},
        {"records": [{"file": "raw.npz", "scale": "much", "fs_hz": "fast"}]},
        [],
    ],
)
def test_a_manifest_of_another_shape_is_passed_over(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, manifest: Any
) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    np.savez(tmp_path / "raw.npz", x=np.arange(5000, dtype=np.int16))
    code, error = refused(capsys, str(tmp_path / "raw.npz"), "--rate-hz", RATE_HZ)
    assert code == 1 and "--scale" in error


def test_the_only_channel_of_a_manifest_gives_its_scale(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    record = {"file": "raw.npz", "channels": {"x": {"scale": 1e-4}}, "fs_hz": 3200}
    (tmp_path / "manifest.json").write_text(json.dumps({"records": [record]}))
    counts = np.random.default_rng(1).normal(0, 500, 12800).astype(np.int16)
    np.savez(tmp_path / "raw.npz", x=counts)
    answer = judged(capsys, str(tmp_path / "raw.npz"))
    assert answer["rate_hz"] == 3200 and answer["features"]["rms"][0] == pytest.approx(
        0.05, rel=0.1
    )


def test_a_header_that_promises_too_much_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", np.zeros(100))
    content = (tmp_path / "x.npy").read_bytes().replace(b"(100,)", b"(9**9,")
    for raw in (content, content.replace(b"(9**9,", b"(10**9)"), content[:40]):
        with zipfile.ZipFile(tmp_path / "bad.npz", "w") as archive:
            archive.writestr("x.npy", raw)
        code, error = refused(capsys, str(tmp_path / "bad.npz"), "--rate-hz", RATE_HZ)
        assert code == 1 and "not an .npz archive" in error


def test_a_baseline_of_other_axes_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    three = np.random.default_rng(1).normal(0, 0.1, (12800, 3))
    np.savetxt(tmp_path / "three.csv", three, delimiter=",")
    words = (str(tmp_path / "three.csv"), "--rate-hz", RATE_HZ)
    code, error = refused(capsys, *words, "--baseline", noise(tmp_path / "one.csv"))
    assert code == 1 and "3 axes" in error and "has 1" in error


def test_a_clipped_baseline_teaches_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    t = np.arange(12_800) / 3200
    flat = np.clip(60 * np.sin(2 * np.pi * 50 * t), -30, 30)
    np.savetxt(tmp_path / "clip.csv", flat)
    words = (noise(tmp_path / "x.csv"), "--rate-hz", RATE_HZ)
    baseline = ("--baseline", str(tmp_path / "clip.csv"))
    for way in ((), ("--through", "adxl345@3200")):
        code, error = refused(capsys, *words, *baseline, *way)
        assert code == 1 and "too few for a baseline" in error


def test_flat_tops_are_clipping_and_a_coarse_sine_is_not(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    t = np.arange(12_800) / 3200
    for name, wave, status in (
        ("flat", np.clip(3 * np.sin(2 * np.pi * 47 * t), -2, 2), "out_of_spec"),
        ("coarse", np.round(100 * np.sin(2 * np.pi * 47 * t)) / 100, "good"),
        ("square", np.sign(np.sin(2 * np.pi * 47.3 * t)), "out_of_spec"),
        ("noise", np.random.default_rng(1).normal(0, 1, len(t)), "good"),
    ):
        np.savetxt(tmp_path / f"{name}.csv", wave)
        answer = judged(capsys, str(tmp_path / f"{name}.csv"), "--rate-hz", RATE_HZ)
        assert answer["quality"]["status"] == status, name


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("", "{x:.4f}"),
        ("Time [s],Acc [g]\n", "{t:.4f},{x:.4f}"),
        ("Tiempo (s);Acel (g)\n", "{t:.6f};{x:.4f}"),
        ("", "{t:.4f}\t{x:.4f}"),
        ("acc,\n", "{x:.4f},"),
        ("t_s;acc_g;\n", "{t:.6f};{x:.4f};"),
    ],
)
@pytest.mark.parametrize("comma", [False, True])
def test_tables_are_read_as_people_write_them(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, header: str, row: str, comma: bool
) -> None:
    x = np.random.default_rng(5).normal(0, 0.1, 6400)
    lines = [row.format(t=n / 3200, x=value) for n, value in enumerate(x)]
    if comma:
        if "," in row:
            row = row.replace(",", ";")
            header = header.replace(",", ";")
            lines = [row.format(t=n / 3200, x=value) for n, value in enumerate(x)]
        lines = [line.replace(".", ",") for line in lines]
    (tmp_path / "x.csv").write_text(header + "\n".join(lines) + "\n")
    answer = judged(capsys, str(tmp_path / "x.csv"), "--rate-hz", RATE_HZ)
    assert len(answer["features"]["rms"]) == 1
    assert answer["features"]["rms"][0] == pytest.approx(0.1, rel=0.05)


def test_a_slow_machine_is_judged_down_to_two_hertz(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    t = np.arange(32_000) / 3200
    velocity_mm_s = 10.0
    g = velocity_mm_s * np.sqrt(2) * 2 * np.pi * 5 / 9806.65
    np.savetxt(tmp_path / "slow.csv", g * np.sin(2 * np.pi * 5 * t))
    words = (str(tmp_path / "slow.csv"), "--rate-hz", RATE_HZ)
    slow = judged(capsys, *words, "--rpm", "300")["severity"]
    assert slow["velocity_rms_mm_s"] == pytest.approx(10.0, rel=0.01) and slow["zone"] == "D"
    assert judged(capsys, *words, "--rpm", "900")["severity"]["velocity_rms_mm_s"] < 2


def test_a_value_that_no_machine_has_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    np.savetxt(tmp_path / "huge.csv", np.full(6400, 1e300))
    code, error = refused(capsys, str(tmp_path / "huge.csv"), "--rate-hz", RATE_HZ)
    assert code == 1 and "unit or the scale" in error
