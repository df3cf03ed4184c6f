"""`latido outbox`: what waits is told, and a copy is whole, while the store is open."""

import asyncio
import json
import random
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from agent.adapters.store_sqlite import SqliteStore
from agent.analysis.capture import recording, spectrum
from agent.analysis.npz import read_npz
from agent.analysis.spectra import power_spectrum
from agent.cli import main
from agent.limits import CAPTURES_BYTES, EXPRESS_ROWS
from agent.ports import ALARM, LIVE, NewRow, row_id
from agent.store.captures import all_of
from agent.store.reading import open_to_read
from agent.words.demo import configuration


async def filled(folder: Path) -> SqliteStore:
    """An open store with 100 live rows, 40 of them delivered, and an alarm."""
    store = SqliteStore(str(folder), urandom=bytes)
    await store.open()
    await store.append([NewRow(LIVE, n, "verdict", "{}") for n in range(40)], [])
    await store.ack(LIVE, row_id(store.boot, 40))
    await store.append([NewRow(LIVE, n, "verdict", "{}") for n in range(60)], [])
    await store.append([NewRow(ALARM, 1, "state_change", "{}")], [])
    return store


def test_status_tells_the_account_beside_a_running_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scene() -> None:
        store = await filled(tmp_path)
        assert main(["outbox", "status", "--state-dir", str(tmp_path), "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        live = told["lanes"]["live"]
        assert (live["produced"], live["delivered"], live["backlog"]) == (100, 40, 60)
        assert told["lanes"]["alarm"]["backlog"] == 1 and told["boot"] == store.boot
        await store.close()

    asyncio.run(scene())
    for language, word in (("es", "en espera"), ("en", "waiting")):
        main(["outbox", "status", "--state-dir", str(tmp_path), "--lang", language])
        assert word in capsys.readouterr().out


@pytest.mark.parametrize(
    ("language", "words"),
    [("es", "costaron como máximo 32 filas en vivo"), ("en", "cost no more than 32 live rows")],
)
def test_numbers_that_a_power_cut_left_behind_are_no_rows_that_were_given_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], language: str, words: str
) -> None:
    before, after = tmp_path / "before", tmp_path / "after"

    async def cut() -> None:
        store = SqliteStore(str(before), urandom=bytes)
        await store.open()
        await store.hold([NewRow(LIVE, 1, "verdict", "{}")], [])
        await store.append([NewRow(LIVE, 1, "verdict", "{}")], [])
        shutil.copytree(before, after)
        await store.close()

    async def start() -> None:
        store = SqliteStore(str(after), urandom=bytes)
        await store.open()
        await store.close()

    asyncio.run(cut())
    asyncio.run(start())
    assert main(["outbox", "status", "--state-dir", str(after), "--lang", language]) == 0
    lines = capsys.readouterr().out.splitlines()
    counts = [int(word) for word in lines[2].split()[-6:]]
    assert counts == [1 + EXPRESS_ROWS, 0, 0, EXPRESS_ROWS, 0, 1] and words in lines[4]
    assert main(["outbox", "status", "--state-dir", str(after), "--json"]) == 0
    live = json.loads(capsys.readouterr().out)["lanes"]["live"]
    assert (live["evicted"], live["unsure"]) == (EXPRESS_ROWS, EXPRESS_ROWS)


def test_export_is_a_whole_copy_and_replaces_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.db"
    words = ["outbox", "export", str(copy), "--state-dir", str(tmp_path), "--lang", "en"]

    async def scene() -> None:
        store = await filled(tmp_path)
        assert main(words) == 0
        await store.append([NewRow(LIVE, 1, "verdict", "{}")], [])
        await store.close()

    asyncio.run(scene())
    db = sqlite3.connect(copy)
    assert db.execute("SELECT SUM(covered) FROM live_lane").fetchone()[0] == 60
    assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    db.close()
    assert main(words) == 1 and "already" in capsys.readouterr().err


def test_what_is_missing_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["outbox", "status", "--state-dir", str(tmp_path)]) == 1
    assert str(tmp_path) in capsys.readouterr().err
    asyncio.run(closed(tmp_path))
    assert main(["outbox", "export", "--state-dir", str(tmp_path), "--lang", "en"]) == 2


@pytest.mark.parametrize(
    ("held", "es", "en"),
    [
        (None, "no hay datos guardados", "nothing is kept there"),
        (b"no database", "no se puede leer", "cannot be read"),
        (b"", "no se puede leer", "cannot be read"),
    ],
)
def test_a_store_that_is_none_is_a_sentence_in_both_languages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], held: bytes | None, es: str, en: str
) -> None:
    if held is not None:
        (tmp_path / "telemetry.db").write_bytes(held)
    for language, words in (("es", es), ("en", en)):
        told = ["outbox", "status", "--state-dir", str(tmp_path), "--lang", language]
        assert main(told) == 1 and words in capsys.readouterr().err


def test_the_file_may_stand_before_or_after_the_folder(tmp_path: Path) -> None:
    asyncio.run(closed(tmp_path))
    place = ["--state-dir", str(tmp_path)]
    assert main(["outbox", "export", *place, str(tmp_path / "a.db")]) == 0
    assert main(["outbox", "export", str(tmp_path / "b.db"), *place]) == 0
    assert (tmp_path / "a.db").exists() and (tmp_path / "b.db").exists()
    for more in (["x", "y"], ["--other"]):
        with pytest.raises(SystemExit, match="2"):
            main(["outbox", "export", *place, *more])


def test_status_speaks_the_language_of_the_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(closed(tmp_path / "state"))
    for language, word in (("es", "en espera"), ("en", "waiting")):
        held = configuration(tmp_path / "state", 0, ("127.0.0.1", 1), language)
        (tmp_path / "c.json").write_text(json.dumps(held))
        assert main(["outbox", "status", "--config", str(tmp_path / "c.json")]) == 0
        assert word in capsys.readouterr().out


async def closed(folder: Path) -> None:
    await (await filled(folder)).close()


def test_captures_come_out_as_recordings_that_can_be_judged(tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    taken = [chance.normal(size=(4096, 3)) for _ in range(3)]

    async def scene() -> None:
        store = await filled(tmp_path)
        for n, values in enumerate(taken):
            made = recording(values, 3200.0), spectrum(values, 3200.0)
            await store.keep_capture("Bomba 1", n * 10**9, '{"state":"alarm"}', *made)
        await store.close()

    asyncio.run(scene())
    out = tmp_path / "out"
    assert main(["outbox", "captures", str(out), "--state-dir", str(tmp_path)]) == 0
    for n, values in enumerate(taken):
        (path,) = out.glob(f"1-{n * 1000}-*.json")
        assert json.loads(path.read_text()) == {"state": "alarm"}
        held = read_npz(path.with_suffix(".npz").read_bytes())
        np.testing.assert_allclose(held["acceleration_g"], values, rtol=1e-6)
        assert held["rate_hz"] == 3200.0
        lines = read_npz(path.with_suffix(".spectrum.npz").read_bytes())
        oracle = power_spectrum(values[:, 1], 3200.0).power_g2
        np.testing.assert_allclose(lines["power_g2"][1], oracle, rtol=1e-4, atol=1e-12)


def test_the_oldest_captures_go_when_their_file_is_full(tmp_path: Path) -> None:
    big = random.Random(1).randbytes(CAPTURES_BYTES // 8)

    async def scene() -> None:
        store = await filled(tmp_path)
        for n in range(12):
            await store.keep_capture("m", n, "{}", big, b"")
        await store.close()

    asyncio.run(scene())
    db = open_to_read(tmp_path / "captures.db")
    assert [one.mono_ns for one in all_of(db)] == list(range(4, 12))
    db.close()
