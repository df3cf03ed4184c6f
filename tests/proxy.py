"""A TCP proxy that fails on command: between a real agent and a real broker, on loopback.

It runs in a thread of its own. What it does to bytes is set while it runs: cut, black hole, half
open, slow, delay, reset in the middle of a packet, PUBACKs swallowed. Chance comes from its seed.
"""

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

CHUNK_BYTES = 64 * 1024
DUE_CHUNKS = 64  # of a direction under way; then the sender feels it
TURN_S = 0.01  # how often a direction that stands still looks whether it may go on
PUBACK, TYPE_MASK = 0x40, 0xF0
RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, for no time: close sends RST
START_WITHIN_S = 10.0


class Proxy:
    """Listens on `port` once started. `overhear` makes, for each connection, what takes the agent's
    bytes as they come, whatever becomes of them then.
    """

    def __init__(self, target_port: int, seed: int = 1) -> None:
        self.port = 0
        self.connections = 0
        self.swallowed = 0
        self.random = random.Random(seed)
        self._target_port = target_port
        self._loop = asyncio.new_event_loop()
        self._pairs: set[_Pair] = set()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.one_way_s = 0.0
        self.bytes_per_s: float | None = None
        self.black = False
        self.swallow = 0
        self.reset_after: int | None = None
        self.overhear: Callable[[], Callable[[bytes], None]] = lambda: lambda chunk: None

    def start(self) -> "Proxy":
        self._thread.start()
        self._do(self._listen)
        return self

    def close(self) -> None:
        self._do(self._end)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=START_WITHIN_S)
        self._loop.close()

    def heal(self) -> None:
        """Whatever it did to bytes, it no longer does; connections that stood still go on."""
        self.one_way_s, self.bytes_per_s, self.black = 0.0, None, False
        self.swallow, self.reset_after = 0, None

    def delay(self, round_trip_s: float) -> None:
        self.one_way_s = round_trip_s / 2

    def slow(self, bytes_per_s: float) -> None:
        self.bytes_per_s = bytes_per_s

    def black_hole(self) -> None:
        """Connections stay, nothing passes, nobody is told: until `heal`."""
        self.black = True

    def half_open(self) -> None:
        """The broker's side is closed; the agent's stays open and hears nothing."""
        self._each("forget_broker")

    def cut(self) -> None:
        """Every connection is closed, properly."""
        self._each("close")

    def reset(self) -> None:
        """Every connection is reset."""
        self._each("reset")

    def reset_in_packet(self, after_bytes: int | None = None) -> None:
        """Of what the agent sends next, `after_bytes` pass (by chance 1 to 4000), then a reset."""
        self.reset_after = after_bytes or self.random.randint(1, 4000)

    def swallow_pubacks(self, count: int) -> None:
        """The next `count` PUBACKs do not reach the agent."""
        self.swallow = count

    def _each(self, action: str) -> None:
        def work() -> None:
            for pair in list(self._pairs):
                getattr(pair, action)()

        self._do(work)

    def _do(self, work: Callable[[], Any]) -> None:
        async def do() -> None:
            made = work()
            if asyncio.iscoroutine(made):
                await made

        asyncio.run_coroutine_threadsafe(do(), self._loop).result(START_WITHIN_S)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        if self._server is not None:
            self._server.close()
        for pair in list(self._pairs):
            pair.close()
        await asyncio.sleep(0)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            _reset(writer)
            return
        pair = _Pair(self, (reader, writer), (far_reader, far_writer))
        self._pairs.add(pair)
        try:
            await pair.run()
        finally:
            pair.close()
            self._pairs.discard(pair)


class _Pair:
    """One connection of an agent, and its own to the broker."""

    def __init__(self, proxy: Proxy, near: Any, far: Any) -> None:
        self._proxy = proxy
        self._near_reader, self._near_writer = near
        self._far_reader, self._far_writer = far
        self._forgotten = False

    async def run(self) -> None:
        up = asyncio.ensure_future(
            self._pass(
                self._near_reader, self._far_writer, self._limit, hear=self._proxy.overhear()
            )
        )
        down = asyncio.ensure_future(
            self._pass(self._far_reader, self._near_writer, _Pubacks(self._proxy).keep)
        )
        await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        while self._forgotten and not up.done():
            await asyncio.wait({up}, timeout=TURN_S)
        for one in (up, down):
            one.cancel()
        await asyncio.gather(up, down, return_exceptions=True)

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        change: Callable[[bytes], bytes],
        hear: Callable[[bytes], None] = lambda chunk: None,
    ) -> None:
        """One direction: a chunk is due when its delay is over; order stays."""
        loop = asyncio.get_running_loop()
        due: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(DUE_CHUNKS)
        sending = asyncio.ensure_future(self._send(due, writer, change))
        try:
            while True:
                chunk = await reader.read(CHUNK_BYTES)
                if not chunk:
                    return
                hear(chunk)
                await due.put((loop.time() + self._proxy.one_way_s, chunk))
                if sending.done():
                    return
        except ConnectionError:
            return
        finally:
            sending.cancel()

    async def _send(
        self, due: "asyncio.Queue[tuple[float, bytes]]", writer: Any, change: Any
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            at_s, chunk = await due.get()
            await asyncio.sleep(max(0.0, at_s - loop.time()))
            while self._proxy.black or self._forgotten:
                await asyncio.sleep(TURN_S)
            if self._proxy.bytes_per_s:
                await asyncio.sleep(len(chunk) / self._proxy.bytes_per_s)
            try:
                writer.write(change(chunk))
                await writer.drain()
            except ConnectionError:
                return

    def _limit(self, chunk: bytes) -> bytes:
        """What of the agent's bytes passes before a reset that was ordered."""
        left = self._proxy.reset_after
        if left is None:
            return chunk
        self._proxy.reset_after = left - len(chunk) if len(chunk) < left else None
        if len(chunk) >= left:
            self._far_writer.write(chunk[:left])
            asyncio.get_running_loop().call_soon(self.reset)
            return b""
        return chunk

    def forget_broker(self) -> None:
        self._forgotten = True
        self._far_writer.close()

    def close(self) -> None:
        self._near_writer.close()
        self._far_writer.close()

    def reset(self) -> None:
        _reset(self._near_writer)
        _reset(self._far_writer)


class _Pubacks:
    """Cuts what the broker sends into packets, so that single PUBACKs can be left out."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._held = b""
        self._rest = 0  # of a packet that is no PUBACK: it passes as it comes

    def keep(self, chunk: bytes) -> bytes:
        self._held += chunk
        passed = []
        while self._held:
            if not self._rest:
                size = packet_bytes(self._held)
                if size is None or (self._is_puback() and size > len(self._held)):
                    break
                self._rest = size
                if self._is_puback() and self._proxy.swallow > 0:
                    self._proxy.swallow -= 1
                    self._proxy.swallowed += 1
                    self._held, self._rest = self._held[size:], 0
                    continue
            part, self._held = self._held[: self._rest], self._held[self._rest :]
            self._rest -= len(part)
            passed.append(part)
        return b"".join(passed)

    def _is_puback(self) -> bool:
        return self._held[0] & TYPE_MASK == PUBACK


def packet_bytes(held: bytes) -> int | None:
    """The size of the MQTT packet that `held` begins with; None while its header is not whole."""
    size = 0
    for place in range(1, min(len(held), 5)):
        size |= (held[place] & 0x7F) << 7 * (place - 1)
        if held[place] < 0x80:
            return size + place + 1
    return None


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()
