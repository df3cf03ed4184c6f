"""The way to a real broker, and every step of it that can fail: each said by its own name."""

import asyncio
import contextlib
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.publish
import pytest

from agent.adapters.upstream_aiomqtt import V311, AiomqttUpstream, MqttLink
from agent.config import Broker
from agent.limits import INCOMING_BYTES, INCOMING_QUEUED, KEEPALIVE_S
from agent.ports import LinkDown, Refused
from tests.mosquitto import Mosquitto
from tests.proxy import Proxy
from tests.running import free_port

ROOT = "latido/s/d"
pytestmark = pytest.mark.mosquitto


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    yield from running(tmp_path)


def running(folder: Path, more: str = "", anonymous: bool = True) -> Iterator[Mosquitto]:
    made = Mosquitto(folder, more, anonymous)
    made.start()
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def proxy(broker: Mosquitto) -> Iterator[Proxy]:
    made = Proxy(broker.port).start()
    yield made
    made.close()


def upstream(port: int, host: str = "127.0.0.1", name: str = "d", **more: Any) -> AiomqttUpstream:
    plain: dict[str, Any] = dict.fromkeys(Broker._fields)
    settings = Broker(**{**plain, "host": host, "port": port, **more})
    return AiomqttUpstream(settings, name, f"{ROOT}/status")


def on_link(to: AiomqttUpstream, scene: Callable[[MqttLink], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with to.connect() as link:
            return await scene(link)

    return asyncio.run(run())


async def nothing(link: MqttLink) -> None:
    """Connects, and is gone."""


def fails(to: AiomqttUpstream, scene: Callable[[MqttLink], Awaitable[Any]] = nothing) -> LinkDown:
    with pytest.raises(LinkDown) as down:
        on_link(to, scene)
    return down.value


def test_rows_go_and_messages_come(broker: Mosquitto) -> None:
    async def scene(link: MqttLink) -> tuple[str, bytes]:
        await link.subscribe([f"{ROOT}/ack"])
        await asyncio.gather(*(link.publish(f"{ROOT}/data/live", b"x") for _ in range(300)))
        await link.publish(f"{ROOT}/ack", b"{}")
        return await link.messages()

    assert on_link(upstream(broker.port), scene) == (f"{ROOT}/ack", b"{}")


@pytest.mark.parametrize("how", ["its session kept", "its session lost"])
def test_after_a_restart_of_the_broker_all_is_set_up_anew(broker: Mosquitto, how: str) -> None:
    to = upstream(broker.port)

    async def echoed(link: MqttLink) -> bytes:
        await link.subscribe([f"{ROOT}/ack"])
        await link.publish(f"{ROOT}/ack", how.encode())
        return (await link.messages())[1]

    assert on_link(to, echoed) == how.encode()
    broker.stop()
    if how == "its session lost":
        broker.forget()
    broker.start()
    assert on_link(to, echoed) == how.encode()


def test_an_unknown_host_and_a_closed_port_are_told_apart(broker: Mosquitto) -> None:
    assert fails(upstream(1883, "no-such-host.invalid")).code == "name"
    down = fails(upstream(free_port()))
    assert down.code == "refused" and down.place.startswith("127.0.0.1:")


def test_a_host_that_hangs_up_speaks_no_mqtt() -> None:
    with pytest.raises(LinkDown) as down:
        Told(lambda level: b"", []).tried(nothing)
    assert down.value.code == "no_mqtt"


def test_a_stop_does_not_wait_for_a_host_that_swallows_packets() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf, contextlib.ExitStack() as held:
        for _ in range(4):  # the queue of the listener is full: a further SYN is not answered
            extra = held.enter_context(socket.socket())
            extra.setblocking(False)
            extra.connect_ex(deaf.getsockname())
        to = upstream(deaf.getsockname()[1])

        async def run() -> None:
            waiting = asyncio.ensure_future(to.connect().__aenter__())
            await asyncio.sleep(0.1)
            assert not waiting.done()
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

        began = time.monotonic()
        asyncio.run(run())
        assert time.monotonic() - began < 1.0


@pytest.mark.parametrize(
    ("username", "password", "code"),
    [(None, None, "not_authorised"), ("anna", "wrong", "not_authorised"), ("anna", "right", None)],
)
def test_wrong_credentials_are_said(
    tmp_path: Path, username: str | None, password: str | None, code: str | None
) -> None:
    users = tmp_path / "users"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(users), "anna", "right"], check=True)
    for broker in running(tmp_path, f"password_file {users}\n", anonymous=False):
        to = upstream(broker.port, username=username, password=password)
        if code is None:
            on_link(to, nothing)
        else:
            assert fails(to).code in (code, "credentials")


class Told:
    """A broker that answers as it is told: CONNACK by protocol level, then a packet a PUBLISH."""

    def __init__(self, connack: Callable[[int], bytes], answers: list[bytes]) -> None:
        self.levels: list[int] = []
        self._connack = connack
        self._answers = answers

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.read(4096)
        self.levels.append(head[head.index(b"MQTT") + 4])
        writer.write(self._connack(self.levels[-1]))
        while self._answers and await reader.read(4096):
            writer.write(self._answers.pop(0))
        writer.close()

    def tried(self, scene: Callable[[MqttLink], Awaitable[Any]], times: int = 1) -> None:
        async def run() -> None:
            server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
            to = upstream(server.sockets[0].getsockname()[1])
            for _ in range(times):
                async with to.connect() as link:
                    await scene(link)
            server.close()

        asyncio.run(run())


ACCEPTED_5, ACCEPTED_3 = b"\x20\x03\x00\x00\x00", b"\x20\x02\x00\x00"


def test_a_message_that_the_broker_refuses_ends_neither_link_nor_others() -> None:
    async def scene(link: MqttLink) -> None:
        with pytest.raises(Refused, match="format"):
            await link.publish(f"{ROOT}/data/live", b"x")
        await link.publish(f"{ROOT}/data/live", b"y")

    Told(lambda level: ACCEPTED_5, [b"\x40\x03\x00\x01\x99", b"\x40\x02\x00\x02"]).tried(scene)


def test_a_second_device_of_the_same_name_is_said() -> None:
    async def scene(link: MqttLink) -> None:
        await link.publish(f"{ROOT}/data/live", b"x")

    with pytest.raises(LinkDown) as down:
        Told(lambda level: ACCEPTED_5, [b"\xe0\x01\x8e"]).tried(scene)
    assert down.value.code == "taken_over"


def test_a_broker_with_3_1_1_only_is_taken_as_it_is() -> None:
    told = Told(lambda level: b"\x20\x02\x00\x01" if level == 5 else ACCEPTED_3, [])
    told.tried(nothing, times=2)
    assert told.levels == [5, 4, 4], "once told, it does not ask again"


def test_a_packet_larger_than_the_broker_takes_is_not_sent(tmp_path: Path) -> None:
    async def scene(link: MqttLink) -> None:
        with pytest.raises(Refused, match="5000 bytes, the broker takes packets of 2000"):
            await link.publish(f"{ROOT}/data/live", b"x" * 5000)
        await link.publish(f"{ROOT}/data/live", b"x" * 1900)

    for broker in running(tmp_path, "max_packet_size 2000\n"):
        on_link(upstream(broker.port), scene)


def test_no_right_to_publish_is_no_fault_of_the_row(tmp_path: Path) -> None:
    rights = tmp_path / "rights"
    rights.write_text(f"topic write {ROOT}/status\n")

    async def scene(link: MqttLink) -> None:
        await link.publish(f"{ROOT}/status", b"{}", retain=True)
        await link.publish(f"{ROOT}/data/live", b"{}")

    for broker in running(tmp_path, f"acl_file {rights}\n"):
        assert fails(upstream(broker.port), scene).code == "publish_right"


def test_a_publish_whose_puback_is_swallowed_ends_with_the_connection(proxy: Proxy) -> None:
    async def scene(link: MqttLink) -> None:
        proxy.swallow_pubacks(1)
        waiting = asyncio.ensure_future(link.publish(f"{ROOT}/data/live", b"1"))
        await asyncio.sleep(0)
        await link.publish(f"{ROOT}/data/live", b"2")
        assert not waiting.done() and proxy.swallowed == 1
        proxy.cut()
        await waiting

    assert fails(upstream(proxy.port), scene).code == "lost"


@pytest.mark.parametrize("how", ["reset", "reset_in_packet"])
def test_a_reset_ends_every_wait_at_once(proxy: Proxy, how: str) -> None:
    async def scene(link: MqttLink) -> None:
        getattr(proxy, how)()
        began = time.monotonic()
        try:
            await asyncio.gather(
                *(link.publish(f"{ROOT}/data/live", b"x" * 9000) for _ in range(5))
            )
            await link.messages()
        finally:
            assert time.monotonic() - began < 3.0

    assert fails(upstream(proxy.port), scene).code == "lost"


def test_a_publish_in_the_very_turn_of_a_reset_ends_quietly(proxy: Proxy) -> None:
    """Its socket is closed by the time at which the loop would wait for room in it."""
    told: list[dict[str, Any]] = []

    async def scene(link: MqttLink) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
        publishing = asyncio.ensure_future(link.publish(f"{ROOT}/data/live", b"x"))
        proxy.reset()  # is there when the loop looks next: the publish first, then the reset
        await publishing

    assert fails(upstream(proxy.port), scene).code == "lost"
    assert told == []


def test_a_half_open_link_is_noticed_within_one_and_a_half_keep_alives(proxy: Proxy) -> None:
    async def scene(link: MqttLink) -> None:
        proxy.half_open()
        await link.messages()

    began = time.monotonic()
    assert fails(upstream(proxy.port), scene).code == "lost"
    assert time.monotonic() - began < 1.5 * KEEPALIVE_S + 1.0


def test_a_stop_on_a_dead_link_is_bounded(proxy: Proxy) -> None:
    async def scene(link: MqttLink) -> None:
        proxy.black_hole()
        publishing = asyncio.ensure_future(link.publish(f"{ROOT}/data/live", b"x" * 40_000_000))
        await asyncio.sleep(0.2)
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)

    began = time.monotonic()
    on_link(upstream(proxy.port), scene)
    assert time.monotonic() - began < 2.0


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_giant_message_is_never_held(broker: Mosquitto, version: str) -> None:
    topic, giant = f"{ROOT}/ack", "x" * (INCOMING_BYTES + 1)
    paho.mqtt.publish.single(topic, giant, qos=1, retain=True, port=broker.port)
    to = upstream(broker.port)
    if version == "3.1.1":
        to._protocol = V311

    async def scene(link: MqttLink) -> bytes:
        await link.subscribe([topic])
        await link.publish(topic, b"small")
        return (await link.messages())[1]

    if version == "5":
        assert on_link(to, scene) == b"small", "the broker was told what we take"
    else:
        down = fails(to, scene)
        assert down.code == "oversized" and str(INCOMING_BYTES) in down.detail


def test_a_storm_costs_the_oldest_messages_and_no_memory(broker: Mosquitto) -> None:
    async def scene(link: MqttLink) -> tuple[int, list[bytes]]:
        await link.subscribe([f"{ROOT}/ack"])
        for number in range(1000):
            await link.publish(f"{ROOT}/ack", b"%d" % number)
        held = [(await link.messages())[1] for _ in range(INCOMING_QUEUED)]
        return link.dropped, held

    dropped, held = on_link(upstream(broker.port), scene)
    assert dropped == 1000 - INCOMING_QUEUED and held[-1] == b"999"


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, a broker's and a device's certificate, and an authority of somebody else."""
    folder = tmp_path_factory.mktemp("papers")
    for name in ("ca", "other"):
        openssl(
            folder,
            f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={name}"
            f" -keyout {name}.key -out {name}.crt",
        )
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in ("broker", "device"):
        openssl(
            folder,
            f"req -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr",
        )
        openssl(
            folder,
            f"x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial"
            f" -days 2 -extfile names -out {name}.crt",
        )
    return folder


def openssl(folder: Path, words: str) -> None:
    subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"tls_ca": "ca.crt", "tls_certificate": "device.crt", "tls_key": "device.key"}, None),
        ({"tls_ca": "other.crt"}, "tls_certificate"),
        ({"tls_ca": "missing.crt"}, "tls_file"),
        ({"tls_ca": "ca.crt", "tls_certificate": "ca.crt", "tls_key": "device.key"}, "tls_file"),
        ({"tls": True}, "tls_certificate"),
        ({"tls_ca": "ca.crt"}, "tls_client_missing"),
        (
            {"tls_ca": "ca.crt", "tls_certificate": "other.crt", "tls_key": "other.key"},
            "tls_client",
        ),
        ({}, "no_mqtt"),
    ],
)
def test_tls_names_what_does_not_hold(
    tmp_path: Path, papers: Path, settings: dict[str, Any], code: str | None
) -> None:
    more = (
        f"cafile {papers}/ca.crt\ncertfile {papers}/broker.crt\nkeyfile {papers}/broker.key\n"
        "require_certificate true\n"
    )
    files: dict[str, Any] = {k: v if v is True else str(papers / v) for k, v in settings.items()}

    async def scene(link: MqttLink) -> None:
        await link.publish(f"{ROOT}/data/live", b"{}")

    for broker in running(tmp_path, more):
        to = upstream(broker.port, **files)
        if code is None:
            on_link(to, scene)
        else:
            assert fails(to, scene).code == code


def test_tls_to_a_plain_broker_is_said(broker: Mosquitto) -> None:
    assert fails(upstream(broker.port, tls=True)).code == "tls"
