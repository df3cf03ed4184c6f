"""What the operating system says, in the reader's language, wherever it is shown."""

import asyncio
import errno
import os
import socket
import sqlite3
from pathlib import Path

import pytest

from agent.adapters.store_sqlite import SqliteStore
from agent.cli import main
from agent.dial import dial
from agent.drain import reason_of
from agent.page.render import main_part
from agent.page.system import KEYS, NUMBERS
from agent.page.words import link_sentence, phrase, sensor_detail, text
from agent.ports import LinkDown, StoreFault
from tests.running import free_port

MET_BY_TECHNICIANS = (
    *("ENOSPC", "EACCES", "EROFS", "EIO", "ENODEV", "ENOENT", "EREMOTEIO", "ENXIO", "EPERM"),
    *("ECONNREFUSED", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "EADDRINUSE"),
)


@pytest.mark.parametrize("name", MET_BY_TECHNICIANS)
def test_an_errno_is_told_in_spanish_and_stays_what_it_is_in_english(name: str) -> None:
    said = os.strerror(getattr(errno, name))
    assert name in NUMBERS
    assert phrase(said, "es") == text(f"system.{name}", "es") != said
    assert phrase(said, "en") == said


@pytest.mark.parametrize("said", KEYS)
def test_it_is_found_within_a_sentence_and_after_its_number(said: str) -> None:
    spanish = text(f"system.{KEYS[said]}", "es")
    assert phrase(f"/dev/x: [Errno 5] {said}: '/dev/x'", "es") == f"/dev/x: {spanish}: '/dev/x'"
    assert phrase(f"la vía ({said})", "es") == f"la vía ({spanish})"


def test_the_longer_of_two_that_begin_alike_is_meant() -> None:
    assert phrase(os.strerror(errno.ENXIO), "es") == text("system.ENXIO", "es")
    assert phrase("No such deviceX", "es") == "No such deviceX", "no part of another word"


def test_what_nobody_knows_stays() -> None:
    assert phrase("[Errno 72] Multihop attempted", "es") == "[Errno 72] Multihop attempted"


def test_a_degraded_mode_on_the_page_is_all_spanish() -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    words = f"rows wait in memory, a power cut would lose them ({full})"
    page = main_part({"degraded": {"disk": words}}, "es", 0)
    assert "(no queda espacio en el disco)" in page and "Errno" not in page


def test_what_sqlite_says_is_spanish_too() -> None:
    with pytest.raises(sqlite3.Error) as caught:
        sqlite3.connect("/nowhere/at/all.db")
    said = phrase(f"the store cannot be read ({caught.value})", "es")
    assert said == "no se puede leer lo guardado (no se puede abrir la base de datos)"


def test_a_link_that_is_refused_says_so_in_both_languages() -> None:
    with pytest.raises(LinkDown) as caught:
        asyncio.run(dial("127.0.0.1", free_port(), None))
    reason = [caught.value.code, {"place": caught.value.place, "detail": caught.value.detail}]
    assert "(conexión rechazada)" in link_sentence(["no_route", reason[1]], "es")
    assert "(Connection refused)" in link_sentence(["no_route", reason[1]], "en")


def test_a_name_that_is_not_found_is_told_in_spanish() -> None:
    with pytest.raises(socket.gaierror) as caught:
        socket.getaddrinfo("no-such-host.invalid", 1883)
    spanish = link_sentence(["name", {"place": "h", "detail": caught.value.strerror}], "es")
    assert caught.value.strerror in KEYS and caught.value.strerror not in spanish


@pytest.mark.parametrize("number", [errno.ENODEV, errno.EPERM])
def test_a_sensors_bus_is_told_in_spanish(number: int) -> None:
    detail = sensor_detail(reason_of(OSError(number, os.strerror(number))), "es")
    assert os.strerror(number) not in detail
    assert text(f"system.{errno.errorcode[number]}", "es") in detail


def test_the_words_of_the_command_line_are_spanish(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LC_ALL", raising=False)
    missing = str(tmp_path / "no.json")
    for locale, said in (("es_MX.UTF-8", text("system.ENOENT", "es")), ("en_US", "No such file")):
        monkeypatch.setenv("LANG", locale)
        assert main(["run", "--config", missing]) == 2
        assert f"{missing}: {said}" in capsys.readouterr().err
    assert main(["judge", str(tmp_path), "--rate-hz", "1000", "--lang", "es"]) == 1
    assert "es una carpeta" in capsys.readouterr().err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = ["demo", "--port", str(port), "--state-dir", str(tmp_path), "--lang", "es"]
        assert main([*words, "--broker", "127.0.0.1:1"]) == 1
    assert f"el puerto {port} está en uso" in capsys.readouterr().err


def test_a_store_that_cannot_be_opened_is_told_in_spanish(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreFault) as caught:
        asyncio.run(SqliteStore(str(tmp_path / "file" / "state")).open())
    assert text("system.ENOTDIR", "es") in phrase(str(caught.value), "es")
