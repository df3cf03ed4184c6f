"""`latido connect --test` and `latido outbox drain` against a real broker, as people use them."""

import asyncio
import contextlib
import json
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import paho.mqtt.publish
import paho.mqtt.subscribe
import pytest

from agent.adapters.store_sqlite import SqliteStore
from agent.core.bulletin import Bulletin
from agent.limits import DRAIN_AWAY_S
from agent.ports import ALARM, HISTORY, NewRow
from agent.store.lock import Lock
from agent.words.connect_trial import STEPS
from agent.words.demo import configuration
from agent.words.outbox_drain import RECEIPT, _Progress, _watch
from tests.mosquitto import Mosquitto, Receiver
from tests.running import free_port
from tests.sim_loop import simulated

REPOSITORY = Path(__file__).resolve().parents[2]
ROOT = "latido/demo/latido-demo"
ANY_OK = {step: ("ok", "") for step in STEPS if step not in ("tls", "receipt")}
pytestmark = pytest.mark.mosquitto


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    rights = tmp_path / "rights"
    rights.write_text(
        "user good\ntopic readwrite latido/#\nuser mute\ntopic read latido/#\n"
        "user deaf\ntopic write latido/#\n"
        "user plain\ntopic write latido/demo/+/data/#\ntopic read latido/demo/+/ack\n"
    )
    (tmp_path / "users").write_text("")
    for user in ("good", "mute", "deaf", "plain"):
        words = ["mosquitto_passwd", "-b", str(tmp_path / "users"), user, "right"]
        subprocess.run(words, check=True)
    made = Mosquitto(tmp_path, f"acl_file {rights}\npassword_file {tmp_path / 'users'}\n")
    made.start()
    yield made
    made.stop()


def say(folder: Path, words: str, broker: dict[str, Any]) -> tuple[int, str, str]:
    held = configuration(folder / "state", 0, ("127.0.0.1", 1), "es")
    held["broker"] = broker
    (folder / "config.json").write_text(json.dumps(held))
    command = [sys.executable, "-m", "agent", *words.split()]
    done = subprocess.run(
        [*command, "--config", str(folder / "config.json")],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("settings", "step"),
    [
        ({"host": "no-such-host.invalid"}, "name"),
        ({"port": 1}, "tcp"),
        ({"tls": True}, "tls"),
        ({"username": "good", "password": "wrong"}, "session"),
        ({"username": "mute", "password": "right"}, "publish"),
        ({"username": "good", "password": "right", "receipt": "receiver"}, None),
    ],
)
def test_the_step_that_fails_is_named(
    tmp_path: Path, broker: Mosquitto, settings: dict[str, Any], step: str | None
) -> None:
    full = {"host": "127.0.0.1", "port": broker.port, **settings}
    code, out, error = say(tmp_path, "connect --test --json", full)
    lines = [json.loads(line) for line in out.splitlines()]
    failed = [line["step"] for line in lines if line["state"] != "ok"]
    assert (code, failed) == ((3, [step]) if step else (0, [])), error
    assert lines[0]["step"] == "name"


def tried(folder: Path, broker: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """(exit code, {step: (state, code of its reason)})."""
    code, out, error = say(folder, "connect --test --json", {"host": "127.0.0.1", **broker})
    held = [json.loads(line) for line in out.splitlines()]
    assert held, error
    return code, {one["step"]: (one["state"], one.get("reason", [""])[0]) for one in held}


def test_what_the_agent_has_to_do_without_is_named(tmp_path: Path, broker: Mosquitto) -> None:
    """Rows only, and receipts that nobody can prove: it all was well, and no status ever came."""
    settings = {"port": broker.port, "username": "plain", "password": "right"}
    code, steps = tried(tmp_path, {**settings, "receipt": "receiver"})
    assert code == 1 and steps["publish"] == steps["size"] == steps["retain"] == ("ok", "")
    assert steps["status"] == ("limited", "status_refused")
    assert steps["receipt"] == ("unknown", "unheard")


@pytest.mark.parametrize(
    ("wish", "step", "why"),
    [
        ("retain_available false", "retain", "no_retain"),
        ("max_packet_size 1200", "size", "small_packets"),
    ],
)
def test_what_the_broker_does_not_take_is_named(
    tmp_path: Path, wish: str, step: str, why: str
) -> None:
    (tmp_path / "broker").mkdir()
    made = Mosquitto(tmp_path / "broker", f"{wish}\n")
    made.start()
    try:
        code, steps = tried(tmp_path, {"port": made.port})
        assert code == 1 and steps.pop(step) == ("limited", why)
        assert set(steps.values()) == {("ok", "")}
    finally:
        made.stop()


def test_an_agent_that_runs_is_not_disturbed(tmp_path: Path, broker: Mosquitto) -> None:
    """Its status is what it was, nobody hears another, and nothing is left behind."""
    watcher = Receiver(broker.port, "good", "right")
    settings = {"port": broker.port, "username": "good", "password": "right"}
    online = b'{"schema":1,"state":"online","boot":7}'
    place: dict[str, Any] = {"hostname": "127.0.0.1", "port": broker.port}
    place["auth"] = {"username": "good", "password": "right"}
    try:
        (tmp_path / "state").mkdir()
        assert tried(tmp_path, settings)[0] == 0
        watcher.wait_for(lambda r: r.status == [{"schema": 1, "state": "offline"}], 5)
        paho.mqtt.publish.single(f"{ROOT}/status", online, qos=1, retain=True, **place)
        with held_lock(tmp_path / "state"):
            assert tried(tmp_path, settings) == (0, ANY_OK)
            deaf = {**settings, "username": "deaf"}
            assert tried(tmp_path, deaf)[1]["status"] == ("unknown", "runs")
        assert [one["state"] for one in watcher.status] == ["offline", "online"]
        simple: Any = paho.mqtt.subscribe.simple
        kept = simple([f"{ROOT}/#"], msg_count=1, **place)
        assert (kept.topic, kept.payload) == (f"{ROOT}/status", online)
    finally:
        watcher.close()


@contextlib.contextmanager
def held_lock(folder: Path) -> Iterator[None]:
    """As an agent that runs holds it."""
    lock = Lock(folder)
    try:
        yield
    finally:
        lock.let_go()


@pytest.mark.parametrize(
    ("user", "code", "state", "reason"),
    [
        ("good", 0, "ok", None),
        ("mute", 3, "failed", "publish_right"),  # Mosquitto 2.0.11 ends the connection
        ("deaf", 1, "unknown", "silent"),
    ],
)
def test_mqtt_3_1_1_proves_the_right_to_publish_by_what_comes_back(
    tmp_path: Path, broker: Mosquitto, user: str, code: int, state: str, reason: str | None
) -> None:
    place = {"host": "127.0.0.1", "port": broker.port, "protocol": "3.1.1"}
    settings = {**place, "username": user, "password": "right"}
    found, out, error = say(tmp_path, "connect --test --json", settings)
    lines = {line["step"]: line for line in map(json.loads, out.splitlines())}
    assert found == code and lines["session"]["state"] == "ok", error
    assert lines["publish"]["state"] == state
    assert lines["publish"].get("reason", [None])[0] == reason


def test_the_failing_step_is_a_sentence_in_both_languages(tmp_path: Path) -> None:
    for language, words in (("es", "rechaza la conexión"), ("en", "refuses the connection")):
        settings = {"host": "127.0.0.1", "port": free_port()}
        code, out, _ = say(tmp_path, f"connect --test --lang {language}", settings)
        assert code == 3 and words in out.splitlines()[-1] and out.startswith("✓")


def filled(folder: Path, count: int) -> None:
    async def scene() -> None:
        store = SqliteStore(str(folder))
        await store.open()
        rows = [NewRow(HISTORY, n, "corrupt", f'{{"n":{n}}}') for n in range(count)]
        await store.append([*rows, NewRow(ALARM, 0, "corrupt", '{"alarm":1}')], [])
        await store.close()

    asyncio.run(scene())


def test_drain_sends_all_that_a_stopped_agent_left_and_says_how_far_it_is(tmp_path: Path) -> None:
    (tmp_path / "broker").mkdir()
    broker = Mosquitto(tmp_path / "broker")
    broker.start()
    receiver = Receiver(broker.port)
    try:
        filled(tmp_path / "state", 3000)
        settings = {"host": "127.0.0.1", "port": broker.port}
        code, out, error = say(tmp_path, "outbox drain --json", settings)
        lines = [json.loads(line) for line in out.splitlines()]
        assert code == 0, error + out
        assert (lines[0]["left"], lines[-1]["left"], lines[-1]["sent"]) == (3001, 0, 3001)
        receiver.wait_for(lambda r: len(r.rows) == 3001, 10)
        assert say(tmp_path, "outbox drain", settings)[:2] == (0, "0 de 0 filas enviadas.\n")
    finally:
        receiver.close()
        broker.stop()


def test_drain_gives_up_and_keeps_the_rows_when_the_broker_is_away(tmp_path: Path) -> None:
    filled(tmp_path / "state", 10)
    settings = {"host": "127.0.0.1", "port": free_port()}
    code, out, _ = say(tmp_path, "outbox drain --seconds 2", settings)
    assert code == 3 and "0 de 11 filas" in out and "rechaza la conexión" in out


def test_drain_without_a_receiver_says_what_it_waits_for(tmp_path: Path) -> None:
    (tmp_path / "broker").mkdir()
    broker = Mosquitto(tmp_path / "broker")
    broker.start()
    try:
        filled(tmp_path / "state", 10)
        settings = {"host": "127.0.0.1", "port": broker.port, "receipt": "receiver"}
        code, out, error = say(tmp_path, "outbox drain --seconds 4", settings)
        assert code == 3 and "0 de 11 filas" in out, error
        assert "confirmación del receptor" in out.splitlines()[-1]
    finally:
        broker.stop()


def test_drain_says_what_opening_the_store_found(tmp_path: Path) -> None:
    filled(tmp_path / "state", 10)
    (tmp_path / "state" / "telemetry.db").write_bytes(b"no database" * 1000)
    settings = {"host": "127.0.0.1", "port": free_port()}
    _, _, error = say(tmp_path, "outbox drain --seconds 1", settings)
    assert "telemetry.db estaba dañado" in error


class Counted:
    """A store of which only the count is asked; each time the next."""

    def __init__(self, *left: int) -> None:
        self._left = list(left)

    async def stats(self) -> Any:
        left = self._left.pop(0) if len(self._left) > 1 else self._left[0]
        return SimpleNamespace(backlog_rows=left)


@pytest.mark.parametrize(
    ("promise", "left", "mode", "code"),
    [("broker", [3, -1], "", 0), ("receiver", [3], "", 3), ("broker", [3], "too_large.live", 3)],
)
def test_drain_ends_by_itself(promise: str, left: list[int], mode: str, code: int) -> None:
    told: list[Any] = []
    bulletin = Bulletin()
    bulletin.post("uplink", {"connected": True, "promise": promise, "reason": []})
    if mode:
        bulletin.degrade(mode, "a row waits")
    progress = _Progress(Namespace(json=True), "es", told.append)

    async def scene() -> None:
        watching = _watch(Counted(*left), bulletin, asyncio.Event(), progress)
        assert await asyncio.wait_for(watching, 2 * DRAIN_AWAY_S) == code

    simulated(scene())
    assert told[-1]["left"] == left[-1]
    assert told[-1]["reason"] == (RECEIPT if promise == "receiver" else [])
