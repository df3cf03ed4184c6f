"""A real Mosquitto on loopback, and a receiver with a session of its own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import jsonschema
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tests.running import free_port
from tests.shared import needed

READY_WITHIN_S = 10.0
HERE = Path(__file__).resolve().parent
SCHEMAS = {
    name: json.loads((HERE.parent / "agent" / "schemas" / f"{name}.json").read_text())
    for name in ("data", "status")
}


class Mosquitto:
    """`start` and `stop` as often as wanted, on one port; sessions and messages survive a stop.

    `kill` is what a power cut does: what it held in memory is gone. `more`: lines of its settings.
    """

    def __init__(self, folder: Path, more: str = "", anonymous: bool = True) -> None:
        program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        needed(program is not None, "mosquitto (apt-get install mosquitto)")
        self.port = free_port()
        self._program = str(program)
        self._process: subprocess.Popen[bytes] | None = None
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous {str(anonymous).lower()}\n"
            f"persistence true\n"
            f"persistence_location {folder}/\nmax_queued_messages 0\nmax_inflight_messages 0\n"
            f"user {'root' if os.geteuid() == 0 else os.environ.get('USER', 'nobody')}\n{more}"
        )

    def start(self) -> None:
        self._process = subprocess.Popen(
            [self._program, "-c", str(self._config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("mosquitto does not answer")

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def forget(self) -> None:
        """While it is stopped: its sessions and retained messages are lost."""
        self._config.with_name("mosquitto.db").unlink(missing_ok=True)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(timeout=10)
            self._process = None


class Receiver:
    """Keeps every row it is given, by (boot, lane, seq); reconnects by itself."""

    def __init__(self, port: int, username: str | None = None, password: str | None = None) -> None:
        self.rows: dict[tuple[int, str, int], dict[str, Any]] = {}
        self.copies = 0
        self.invalid: list[str] = []
        self.status: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id="receiver", clean_session=False
        )
        self._client.username_pw_set(username, password)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._subscribe
        self._client.on_message = self._take
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def seqs(self, boot: int, lane: str) -> list[int]:
        with self._lock:
            return sorted(seq for b, where, seq in self.rows if (b, where) == (boot, lane))

    def wait_for(self, wanted: Any, within_s: float) -> None:
        deadline = time.monotonic() + within_s
        while not wanted(self):
            assert time.monotonic() < deadline, f"not within {within_s} s: {len(self.rows)} rows"
            time.sleep(0.1)

    def _subscribe(self, client: Any, *_: Any) -> None:
        client.subscribe([("latido/+/+/data/#", 1), ("latido/+/+/status", 1)])

    def _take(self, client: Any, userdata: Any, message: Any) -> None:
        if message.topic.endswith("/data/test"):  # somebody tries whether publishing is allowed
            return
        held = json.loads(message.payload)
        kind = "status" if message.topic.endswith("/status") else "data"
        try:
            jsonschema.validate(held, SCHEMAS[kind])
        except jsonschema.ValidationError as error:
            self.invalid.append(f"{message.topic}: {error.message}")
        with self._lock:
            if kind == "status":
                self.status.append(held)
                return
            assert len(message.payload) <= 64 * 1024
            for row in held["rows"]:
                key = (held["boot"], held["lane"], row["seq"])
                self.copies += key in self.rows
                self.rows.setdefault(key, row)
