"""`latido-ledger` that hears nothing, or loses broker or database: it never says complete."""

import contextlib
import json
import selectors
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.mosquitto import Mosquitto
from tests.postgres import Postgres
from tests.scenario.test_ledger_word import REPOSITORY, Device

pytestmark = pytest.mark.mosquitto
DEAF_ACL = "topic write latido/#\n"
LONG_NAME = "x" * 6000


def started(db: str, port: int, *words: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "firmware_tools.ledger", "--broker", f"127.0.0.1:{port}"]
    return subprocess.Popen(
        [*command, "--db", db, "--check", *words],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: "subprocess.Popen[str]") -> tuple[int, dict[str, Any], str]:
    """(exit code, the summary or nothing, what it complained of)."""
    out, complaint = process.communicate(timeout=60)
    last = json.loads(out.splitlines()[-1]) if out else {}
    return process.returncode, last if last.get("event") == "summary" else {}, complaint


def send_until_kept(device: Device, process: "subprocess.Popen[str]") -> int:
    """Sends row 1, again and again until the ledger that just starts says that it has it; 1."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ)
        while not ready.select(0.2):
            assert process.poll() is None
            device.send(1)
    assert json.loads(process.stdout.readline())["event"] in ("stream", "refused")
    return 1


@contextlib.contextmanager
def mosquitto(folder: Path, more: str = "") -> Iterator[Mosquitto]:
    broker = Mosquitto(folder, more)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


@contextlib.contextmanager
def answering(*answers: bytes) -> Iterator[int]:
    """The port of what takes a connection and answers each packet with the next of these bytes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                taken, _ = server.accept()
                with taken:
                    for answer in answers:
                        taken.recv(4096)
                        taken.sendall(answer)
                    while taken.recv(4096):
                        continue

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


GREETED = b"\x20\x02\x00\x00"
NOT_GRANTED = b"\x90\x04\x00\x01\x01\x80"  # data/+ with QoS 1, status refused


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ((), "does not answer as an MQTT broker"),
        ((GREETED, NOT_GRANTED), "does not let us listen to latido/+/+/status"),
    ],
)
def test_a_broker_that_never_answers_or_does_not_let_it_listen_ends_with_3(
    tmp_path: Path, answers: tuple[bytes, ...], words: str
) -> None:
    with answering(*answers) as port:
        code, told, said = ended(started(str(tmp_path / "l.db"), port, "--seconds", "1"))
    assert (code, told) == (3, {}) and words in said and said.count("\n") == 1


@pytest.mark.parametrize(
    ("acl", "seq", "words"),
    [
        (DEAF_ACL, 1, "may not read its topics"),
        ("", None, "published here arrives"),
        ("topic readwrite latido/#\n", 0, "is not of a device"),
    ],
)
def test_where_no_device_is_heard_nothing_is_proved_and_the_reason_is_said(
    tmp_path: Path, acl: str, seq: int | None, words: str
) -> None:
    (tmp_path / "acl").write_text(acl)
    with mosquitto(tmp_path, f"acl_file {tmp_path}/acl\n" if acl else "") as broker:
        if seq is not None:
            device = Device(broker.port)
            device.retain("latido/s/d/data/live", {"seq": seq})
            device.close()
        code, told, said = ended(started(str(tmp_path / "l.db"), broker.port, "--seconds", "0.7"))
    assert code == 1 and not told["complete"] and told["heard"] == told["devices"] == 0
    assert words in said and said.count("\n") == 1


def test_a_connection_that_is_lost_before_the_end_ends_with_3(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        process = started(str(tmp_path / "l.db"), broker.port, "--seconds", "60")
        device = Device(broker.port)
        send_until_kept(device, process)
        broker.stop()
        process.terminate()
        code, told, said = ended(process)
    device.close()
    assert (code, told) == (3, {}) and "connection was lost" in said


def test_a_database_that_goes_away_ends_with_3_and_a_restart_is_complete(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder, mosquitto(tmp_path) as broker:
        cluster = Postgres(Path(folder))
        cluster.start()
        device = Device(broker.port)
        device.retain(f"latido/s/{LONG_NAME}/status", {"schema": 1, "state": "online"})
        process = started(cluster.url, broker.port, "--seconds", "60")
        sent = send_until_kept(device, process)
        cluster.stop()
        device.send(sent + 1, sent + 2)
        code, told, said = ended(process)
        assert (code, told) == (3, {}) and said.count("\n") == 1, said
        assert said.startswith("latido-ledger: …@127.0.0.1") and "Traceback" not in said
        cluster.resume()
        code, told, said = ended(started(cluster.url, broker.port, "--seconds", "1.5"))
        cluster.stop()
        device.close()
    assert code == 0 and told["complete"] and told["rows"] == sent + 2, said
    assert told["invalid"] == 1, "the name that no index takes, retained, is refused each time"
