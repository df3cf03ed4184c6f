"""`latido judge` on files that cannot be judged: a clear error that names the file."""

import json
import struct
from pathlib import Path

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
