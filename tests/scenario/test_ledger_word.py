"""`latido-ledger` as a process on a real broker: lines, receipts, exit codes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.mosquitto import Mosquitto

REPOSITORY = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.mosquitto


class Device:
    """Publishes rows as a device would, hears receipts."""

    def __init__(self, port: int) -> None:
        self.receipts: list[dict[str, Any]] = []
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="device")
        self._client.on_message = lambda c, u, m: self.receipts.append(json.loads(m.payload))
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("latido/s/d/ack", 1)
        self._client.loop_start()

    def send(self, *seqs: int, freed_to: int = 0) -> None:
        rows = [{"seq": seq, "mono_ns": 1, "kind": "verdict", "body": {}} for seq in seqs]
        head = {"schema": 2, "boot": 1, "lane": "live", "freed_to": freed_to, "seq_from": seqs[0]}
        payload = json.dumps({**head, "rows": rows})
        self._client.publish("latido/s/d/data/live", payload, qos=1).wait_for_publish(5)

    def say(self, payload: bytes) -> None:
        self._client.publish("latido/s/d/data/live", payload, qos=1).wait_for_publish(5)

    def retain(self, topic: str, content: dict[str, Any]) -> None:
        said = self._client.publish(topic, json.dumps(content), qos=1, retain=True)
        said.wait_for_publish(5)

    def close(self) -> None:
        self._client.loop_stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    made = Mosquitto(tmp_path)
    made.start()
    yield made
    made.stop()


def ledger(folder: Path, port: int, *words: str) -> tuple[int, list[dict[str, Any]]]:
    """Listens for a moment; (exit code, what it printed)."""
    command = [sys.executable, "-m", "firmware_tools.ledger", "--broker", f"127.0.0.1:{port}"]
    done = subprocess.run(
        [*command, "--db", str(folder / "ledger.db"), "--check", "--seconds", "1.5", *words],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
    )
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.stderr == "") == bool(said[-1]["heard"]), done.stderr
    return done.returncode, said


def test_holes_copies_and_receipts_of_a_device(tmp_path: Path, broker: Mosquitto) -> None:
    device = Device(broker.port)
    try:
        assert ledger(tmp_path, broker.port)[0] == 1, "its session at the broker begins"
        device.send(1, 2)
        device.send(2, 3)
        device.say(b"\xff no bundle")
        device.send(6)
        code, said = ledger(tmp_path, broker.port)
        assert code == 1 and said[-1]["duplicates"] == 1 and said[-1]["invalid"] == 1
        hole = {"device": "s/d", "boot": 1, "lane": "live", "first": 4, "last": 5, "lost": False}
        assert {"event": "hole", **hole} in said and said[-1]["holes"] == [hole]
        assert device.receipts[-1]["through"] == 3
        device.send(4, 5)
        code, said = ledger(tmp_path, broker.port)
        assert code == 0 and said[-1]["rows"] == 6 and device.receipts[-1]["through"] == 6
        device.send(9, freed_to=8)
        code, said = ledger(tmp_path, broker.port, "--no-receipts")
        assert code == 1 and said[-1]["holes"][0]["lost"]
        assert device.receipts[-1]["through"] == 6, "a listener does not answer"
    finally:
        device.close()


def test_a_device_that_goes_on_from_a_copy_of_its_state_is_noticed(
    tmp_path: Path, broker: Mosquitto
) -> None:
    device = Device(broker.port)
    try:
        assert ledger(tmp_path, broker.port)[0] == 1, "its session at the broker begins"
        device.send(1, 2, 3)
        assert ledger(tmp_path, broker.port)[0] == 0
        device.say(
            b'{"schema":2,"boot":1,"lane":"live","freed_to":0,"seq_from":2,"rows":['
            b'{"seq":2,"mono_ns":1,"kind":"verdict","body":{}},'
            b'{"seq":3,"mono_ns":1,"kind":"verdict","body":{"other":1}}]}'
        )
        conflict = {"device": "s/d", "boot": 1, "lane": "live", "rows": 1, "first": 3, "last": 3}
        code, said = ledger(tmp_path, broker.port)
        assert code == 1 and said[-1]["conflicts"] == [conflict] and not said[-1]["complete"]
        assert {"event": "conflict", **conflict} in said
        assert said[-1]["duplicates"] == 2 and said[-1]["rows"] == 3
        assert device.receipts[-1]["through"] == 3, "the device may free it: it is kept here"
    finally:
        device.close()


def test_a_message_that_no_database_keeps_is_told_and_never_comes_again(
    tmp_path: Path, broker: Mosquitto
) -> None:
    device = Device(broker.port)
    head = b'{"schema":2,"boot":1,"lane":"live","freed_to":0,"seq_from":1,"rows":['
    try:
        assert ledger(tmp_path, broker.port)[0] == 1, "its session at the broker begins"
        for poison in (
            b'"mono_ns":99999999999999999999,"kind":"x"',
            b'"mono_ns":1,"kind":"\\ud800"',
        ):
            device.say(head + b'{"seq":1,' + poison + b',"body":{}}]}')
        device.send(1, 2)
        code, said = ledger(tmp_path, broker.port)
        assert code == 0 and said[-1]["rows"] == 2 and said[-1]["invalid"] == 2
        told = [line for line in said if line["event"] == "refused"]
        assert [line["topic"] for line in told] == ["latido/s/d/data/live"] * 2
        assert "64 bit" in told[0]["why"] and "ud800" in told[1]["why"]
        device.send(3)
        code, said = ledger(tmp_path, broker.port)
        assert code == 0 and said[-1]["invalid"] == 0, "each had its PUBACK"
    finally:
        device.close()
