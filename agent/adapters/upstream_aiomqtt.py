"""MQTT through aiomqtt: a new client for each connection, QoS 1, and one way to say "down".

MQTT 5 first, for its reasons and its largest packet; 3.1.1 where the broker has no more. The
library is given a socket that is connected already (`agent/dial.py`), so that each step fails under
its own name and a stop waits for none. A publish that waits when the connection ends is not failed
by the library; here each waits on a future that its PUBACK or the end of the connection sets.
"""

import asyncio
import contextlib
import logging
import ssl
from collections import deque

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.core.wire import OFFLINE, payload_room
from agent.dial import dial, tls_context, trouble_of
from agent.limits import (
    CONNECT_S_MAX,
    GOODBYE_S,
    GREETING_S,
    INCOMING_BYTES,
    INCOMING_QUEUED,
    KEEPALIVE_S,
    PING_S,
    PUBACK_S_MAX,
)
from agent.ports import LinkDown, Refused

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator
    from typing import Any

V5, V311 = aiomqtt.ProtocolVersion.V5, aiomqtt.ProtocolVersion.V311
IN_FLIGHT_MAX = 200  # above our own window: the library's default of 20 must not be the narrower
NO_RETAIN = "no_retain"  # the broker keeps no message for those who come later
# CONNACK (MQTT 5, table 3-1; the library gives 3.1.1's five codes by the same numbers).
CONNACK_CODES = {
    0x84: "protocol",
    0x85: "identifier",
    0x86: "credentials",
    0x87: "not_authorised",
    0x88: "unavailable",
    0x89: "unavailable",
    0x8A: "banned",
    0x8C: "credentials",
    0x9A: NO_RETAIN,
    0x9F: "unavailable",
}
NOT_GREETED = ("no_mqtt", "no_mqtt_tls")
CLOSED = "the connection was closed"
TAKEN_OVER = 0x8E
# PUBACK: what is wrong with the message itself. Anything else is about the right or the moment.
OF_THE_MESSAGE = (0x80, 0x83, 0x90, 0x95, 0x99)

_silent = logging.getLogger("latido.mqtt")
_silent.setLevel(logging.CRITICAL)  # what it would warn of is counted and told by the link


class AiomqttUpstream:
    """The broker by its settings (`agent.config.Broker`). `identifier`: one connection a device.

    `will`: the topic of its last will; None for no will.
    """

    def __init__(self, broker: "Any", identifier: str, will: "str | None") -> None:
        self._broker = broker
        self._will = will
        self._place = f"{broker.host}:{broker.port}"
        self._protocol = V311 if broker.protocol == "3.1.1" else V5
        self._may_fall_back = broker.protocol != "5"
        self._arguments: "dict[str, Any]" = {
            "hostname": broker.host,
            "port": broker.port,
            "identifier": identifier,
            "username": broker.username,
            "password": broker.password,
            "keepalive": KEEPALIVE_S,
            "max_inflight_messages": IN_FLIGHT_MAX,
            "logger": _silent,
        }

    @contextlib.asynccontextmanager
    async def connect(self) -> "AsyncIterator[MqttLink]":
        """A new connection; LinkDown, naming step and broker, when there is none or it ended."""
        session = await self._session()
        try:
            yield MqttLink(session, self._place)
        finally:
            await session.end()

    async def _session(self) -> "_Session":
        try:
            return await self._with_will(self._protocol)
        except LinkDown as down:
            old = self._protocol is V311 or not self._may_fall_back
            if old or down.code not in ("protocol", *NOT_GREETED):
                raise
            said = down.code == "protocol"
        session = await self._with_will(V311)
        if said:
            self._protocol = V311
        return session

    async def _with_will(self, protocol: "aiomqtt.ProtocolVersion") -> "_Session":
        """Where the broker keeps no messages the will is for those who listen when it is told.

        MQTT 3.1.1 has no word for that: a broker hangs up, and may do so for any other reason. So
        each connection is tried with a will to be kept first.
        """
        try:
            return await self._greeted(protocol, True)
        except LinkDown as down:
            hung_up = protocol is V311 and down.code in NOT_GREETED and down.detail == CLOSED
            if self._will is None or not (hung_up or down.code == NO_RETAIN):
                raise
            said = down
        try:
            session = await self._greeted(protocol, False)
        except LinkDown:
            raise said
        session.retains = False
        return session

    async def _greeted(self, protocol: "aiomqtt.ProtocolVersion", will_stays: bool) -> "_Session":
        """A session that the broker has accepted."""
        try:
            async with asyncio.timeout(CONNECT_S_MAX):  # wait_for may swallow a stop (Python 3.11)
                sock = await self._dial()
        except TimeoutError:
            raise LinkDown("no_answer", self._place, f"{CONNECT_S_MAX:g} s")
        will = None
        if self._will is not None:
            will = aiomqtt.Will(self._will, OFFLINE, qos=1, retain=will_stays)
        arguments = {**self._arguments, **_of_protocol(protocol), "will": will}
        session = _Session(sock, self._place, **arguments)
        try:
            await session.__aenter__()
        except aiomqtt.MqttError as error:
            raise trouble_of(sock, self._place) or _not_greeted(error, sock, self._place)
        finally:
            if not session.is_up:
                session.abort()
        session.watch()
        return session

    async def _dial(self) -> "socket.socket":
        broker = self._broker
        tls = broker.tls or broker.tls_ca or broker.tls_certificate
        context = None
        if tls:
            context = tls_context(broker.tls_ca, broker.tls_certificate, broker.tls_key)
        return await dial(broker.host, broker.port, context)


def _of_protocol(protocol: "aiomqtt.ProtocolVersion") -> "dict[str, Any]":
    if protocol is V311:
        return {"protocol": protocol, "clean_session": True, "timeout": CONNECT_S_MAX}
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.MaximumPacketSize = INCOMING_BYTES
    return {
        "protocol": protocol,
        "clean_start": True,
        "properties": properties,
        "timeout": GREETING_S,
    }


def _not_greeted(error: "aiomqtt.MqttError", sock: "socket.socket", place: str) -> "LinkDown":
    reason: "Any" = getattr(error, "rc", None)
    if isinstance(error, aiomqtt.exceptions.MqttConnectError):
        value = getattr(reason, "value", reason)
        return LinkDown(CONNACK_CODES.get(value, "refused_session"), place, str(reason))
    code = "no_mqtt_tls" if isinstance(sock, ssl.SSLSocket) else "no_mqtt"
    return LinkDown(code, place, str(error))


class _Session(aiomqtt.Client):
    """aiomqtt's client on a socket of ours, and what it leaves out: the reason of a PUBACK, the
    broker's limits, a bounded inbox, an end that is noticed by all who wait.

    Leans on seven names that aiomqtt 2.5 and paho 2 keep to themselves; the tests of this adapter
    fail when one of them changes.
    """

    def __init__(self, sock: "socket.socket", place: str, **arguments: "Any") -> None:
        super().__init__(**arguments)
        self._place = place
        self._client._create_socket = lambda: sock  # type: ignore[method-assign]
        self._sock = sock
        self._waiting: "dict[int, asyncio.Future[None]]" = {}
        self._arrived = asyncio.Event()
        self.tells_refusals = arguments["protocol"] is V5
        self._inbox: "deque[tuple[str, bytes]]" = deque((), INCOMING_QUEUED)
        self.is_up = False
        self.down: "LinkDown | None" = None
        self.packet_bytes_max: "int | None" = None
        self.retains = True
        self.dropped = 0

    def watch(self) -> None:
        """From here on the end of the connection ends every wait."""
        self._client._keepalive = min(self._client._keepalive, PING_S)
        self._disconnected.add_done_callback(self._on_end)
        if self._client.socket() is None:
            self.fail(self.lost(""))

    def send(self, topic: str, payload: bytes, retain: bool) -> "asyncio.Future[None]":
        """Set when the PUBACK is here; LinkDown or Refused if not."""
        if self.down is not None:
            raise self.down
        room = payload_room(self.packet_bytes_max, topic)
        if room is not None and len(payload) > room:
            limit = self.packet_bytes_max
            raise Refused(f"{len(payload)} bytes, the broker takes packets of {limit} at most")
        info = self._client.publish(topic, payload, 1, retain)
        if info.rc != 0:
            raise self.lost(f"publish: {info.rc}")
        waits = self._waiting[info.mid] = self._loop.create_future()
        return waits

    async def next_message(self) -> "tuple[str, bytes]":
        while not self._inbox:
            if self.down is not None:
                raise self.down
            self._arrived.clear()
            await self._arrived.wait()
        return self._inbox.popleft()

    def fail(self, down: "LinkDown") -> None:
        """The connection is over, whatever the library thinks."""
        if self.down is None:
            self.down = down
        for waits in self._waiting.values():
            if not waits.done():
                waits.set_exception(self.down)
        self._waiting.clear()
        self._arrived.set()

    def lost(self, detail: str) -> "LinkDown":
        """For an end of the connection; `detail`: where the socket itself knows no more."""
        return trouble_of(self._sock, self._place) or LinkDown("lost", self._place, detail)

    async def end(self) -> None:
        """Says goodbye within a bound, then closes."""
        try:
            if self.down is None and self._client.disconnect() == 0:
                await asyncio.wait({self._disconnected}, timeout=GOODBYE_S)
        finally:
            self.fail(LinkDown("lost", self._place, "closed"))
            self.abort()

    def abort(self) -> None:
        self._client._sock_close()
        if self._sock.fileno() >= 0:
            self._sock.close()

    def _on_end(self, ended: "asyncio.Future[None]") -> None:
        error = None if ended.cancelled() else ended.exception()
        reason = getattr(error, "rc", None)
        if getattr(reason, "value", reason) == TAKEN_OVER:
            self.fail(LinkDown("taken_over", self._place, str(reason)))
        else:
            self.fail(self.lost(str(reason or error or "")))

    # What the library calls.

    def _on_connect(
        self,
        client: "Any",
        userdata: "Any",
        flags: "Any",
        reason_code: "Any",
        properties: "Any" = None,
    ) -> None:
        self.is_up = not reason_code.is_failure
        self.packet_bytes_max = getattr(properties, "MaximumPacketSize", None)
        self.retains = getattr(properties, "RetainAvailable", 1) != 0
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(self, *arguments: "Any") -> None:
        """A broker that hangs up before it has greeted: the library would wait on."""
        if not self._connected.done():
            self._connected.set_exception(aiomqtt.MqttError(CLOSED))
            return
        super()._on_disconnect(*arguments)

    def _on_socket_register_write(self, client: "Any", userdata: "Any", sock: "Any") -> None:
        """In the loop's next turn, as this may be another thread; the library gives the socket's
        number to it even when it is closed by then, and the number free or another's.
        """
        self._loop.call_soon_threadsafe(self._wait_for_room, sock)

    def _wait_for_room(self, sock: "Any") -> None:
        if sock.fileno() >= 0:
            self._loop.add_writer(sock.fileno(), self._write)

    def _write(self) -> None:
        try:
            self._client.loop_write()
        except OSError as error:
            if not self._disconnected.done():
                self._disconnected.set_exception(error)

    def _on_publish(
        self, client: "Any", userdata: "Any", mid: int, reason_code: "Any", properties: "Any"
    ) -> None:
        waits = self._waiting.pop(mid, None)
        if waits is None or waits.done():
            return
        if not reason_code.is_failure:
            waits.set_result(None)
        elif reason_code.value in OF_THE_MESSAGE:
            waits.set_exception(Refused(str(reason_code)))
        else:
            waits.set_exception(LinkDown("publish_right", self._place, str(reason_code)))

    def _on_message(self, client: "Any", userdata: "Any", message: "Any") -> None:
        if len(self._inbox) == INCOMING_QUEUED:
            self.dropped += 1
        try:
            self._inbox.append((message.topic, message.payload))
        except UnicodeDecodeError:
            self.dropped += 1
        self._arrived.set()


class MqttLink:
    """One connection's life."""

    def __init__(self, session: "_Session", place: str) -> None:
        self._session = session
        self._place = place

    @property
    def tells_refusals(self) -> bool:
        """A PUBACK of MQTT 3.1.1 has no reason: it comes for what the broker throws away, too."""
        return self._session.tells_refusals

    @property
    def retains(self) -> bool:
        """Whether the broker keeps messages for those who come later."""
        return self._session.retains

    @property
    def packet_bytes_max(self) -> "int | None":
        """As the broker's greeting said; None: it has named no limit."""
        return self._session.packet_bytes_max

    @property
    def dropped(self) -> int:
        """Incoming messages that nobody took in time, or whose topic is no text."""
        return self._session.dropped

    async def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        """Returns after the PUBACK; LinkDown when the connection ended first, Refused."""
        try:
            async with asyncio.timeout(PUBACK_S_MAX):
                await self._session.send(topic, payload, retain)
        except TimeoutError:
            down = LinkDown("no_puback", self._place, f"{PUBACK_S_MAX:g} s")
            self._session.fail(down)
            raise down

    async def subscribe(self, topics: "list[str]") -> None:
        """QoS 1; LinkDown when the broker does not grant them."""
        try:
            granted: "Any" = await self._session.subscribe([(topic, 1) for topic in topics])
        except aiomqtt.MqttError as error:
            raise self._session.down or self._session.lost(str(error))
        for topic, code in zip(topics, granted):
            if int(getattr(code, "value", code)) >= 0x80:
                raise LinkDown("subscribe_right", self._place, f"{topic}: {code}")

    async def messages(self) -> "tuple[str, bytes]":
        """The next incoming message; LinkDown when the connection ended."""
        return await self._session.next_message()
