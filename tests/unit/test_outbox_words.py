"""`latido outbox`: what waits is told, and a copy is whole, while the store is open."""

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest

from agent.adapters.store_sqlite import SqliteStore
from agent.cli import main
from agent.ports import ALARM, LIVE, NewRow, row_id


async def filled(folder: Path) -> SqliteStore:
    """An open store with 100 live rows, 40 of them delivered, and an alarm."""
    store = SqliteStore(str(folder))
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
        assert told["lanes"]["alarm"]["backlog"] == 1 and told["boot"] == 1
        await store.close()

    asyncio.run(scene())
    for language, word in (("es", "en espera"), ("en", "waiting")):
        main(["outbox", "status", "--state-dir", str(tmp_path), "--lang", language])
        assert word in capsys.readouterr().out


def test_export_is_a_whole_copy_and_replaces_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.db"
    words = ["outbox", "export", str(copy), "--state-dir", str(tmp_path)]

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
    assert main(["outbox", "export", "--state-dir", str(tmp_path)]) == 2


async def closed(folder: Path) -> None:
    await (await filled(folder)).close()
