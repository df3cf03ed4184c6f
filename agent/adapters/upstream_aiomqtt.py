"""MQTT through aiomqtt: a new client for each connection, QoS 1, and one way to say "down".

A publish that is waiting when the connection ends is not failed by the library; so each waits for
its PUBACK and for the end of the connection, whichever comes first.
"""

import asyncio
import contextlib

import aiomqtt

from agent.limits import CONNECT_S_MAX, INCOMING_QUEUED, KEEPALIVE_S, PUBACK_S_MAX
from agent.ports import LinkDown

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

IN_FLIGHT_MAX = (
    200  # above our own window: the library's default of 20 must not be the narrower one
)
OFFLINE = b'{"schema":1,"state":"offline"}'


class AiomqttUpstream:
    """The broker. `identifier`: of this device, one connection a device."""

    def __init__(
        self,
        host: str,
        port: int,
        identifier: str,
        root: str,
        username: "str | None" = None,
        password: "str | None" = None,
        tls_ca: "str | None" = None,
    ) -> None:
        self._place = f"{host}:{port}"
        self._arguments: "dict[str, Any]" = {
            "hostname": host,
            "port": port,
            "identifier": identifier,
            "username": username,
            "password": password,
            "tls_params": aiomqtt.TLSParameters(ca_certs=tls_ca) if tls_ca else None,
            "will": aiomqtt.Will(f"{root}/status", OFFLINE, qos=1, retain=True),
            "clean_session": True,
            "keepalive": KEEPALIVE_S,
            "timeout": CONNECT_S_MAX,
            "max_queued_incoming_messages": INCOMING_QUEUED,
            "max_inflight_messages": IN_FLIGHT_MAX,
            "max_concurrent_outgoing_calls": IN_FLIGHT_MAX,
        }

    @contextlib.asynccontextmanager
    async def connect(self) -> "AsyncIterator[MqttLink]":
        """A new connection; LinkDown, naming the broker, when there is none or it ended."""
        try:
            async with aiomqtt.Client(**self._arguments) as client:
                link = MqttLink(client, self._place)
                try:
                    yield link
                finally:
                    await link.end()
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            raise LinkDown(f"{self._place}: {error}")


class MqttLink:
    """One connection's life."""

    def __init__(self, client: "aiomqtt.Client", place: str) -> None:
        self._client = client
        self._place = place
        self._incoming: "asyncio.Queue[tuple[str, bytes]]" = asyncio.Queue(INCOMING_QUEUED)
        self._reader = asyncio.ensure_future(self._read())

    async def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        """Returns after the PUBACK; LinkDown when the connection ended first."""
        sent = asyncio.ensure_future(
            self._client.publish(topic, payload, qos=1, retain=retain, timeout=PUBACK_S_MAX)
        )
        try:
            await asyncio.wait({sent, self._reader}, return_when=asyncio.FIRST_COMPLETED)
            if not sent.done():
                raise LinkDown(f"{self._place}: connection ended before PUBACK")
            sent.result()
        except aiomqtt.MqttError as error:
            raise LinkDown(f"{self._place}: {error}")
        finally:
            sent.cancel()

    async def messages(self) -> "tuple[str, bytes]":
        """The next incoming message; LinkDown when the connection ended."""
        arrived = asyncio.ensure_future(self._incoming.get())
        try:
            await asyncio.wait({arrived, self._reader}, return_when=asyncio.FIRST_COMPLETED)
            if arrived.done():
                return arrived.result()
        finally:
            arrived.cancel()
        raise LinkDown(f"{self._place}: connection lost")

    async def end(self) -> None:
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def _read(self) -> None:
        """Ends when the connection does: this is how everybody learns of it."""
        try:
            async for message in self._client.messages:
                payload = message.payload if isinstance(message.payload, bytes) else b""
                await self._incoming.put((str(message.topic), payload))
        except aiomqtt.MqttError:
            return
