"""The door before the page: bounds what a client may send and take, then lets microdot answer.

microdot itself waits for a slow sender as long as it likes and reads a head of any size. Here a
head is at most 8 KB, 64 lines and 10 seconds; only GET and HEAD come in, no body; connections
are counted; a reader that stops reading is cut off.
"""

import asyncio
from urllib.parse import unquote_to_bytes

from agent.limits import (
    PAGE_CONNECTIONS,
    PAGE_FAREWELL_S,
    PAGE_HEAD_BYTES,
    PAGE_HEAD_LINES,
    PAGE_HEAD_S,
    PAGE_WRITE_S,
)

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

METHODS = ("GET", "HEAD")
END = b"\r\n\r\n"
NAMES = {
    400: "Bad Request",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Content Too Large",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


class Refused(Exception):
    """The request is not let in; carries the HTTP status and one sentence."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class Guard:
    """`answer(reader, writer)` is called with a complete, bounded head."""

    def __init__(self, answer: "Callable[[Any, Any], Awaitable[None]]") -> None:
        self._answer = answer
        self._open: "set[asyncio.Task[Any]]" = set()
        self._serving = 0
        self._closing = False

    async def serve(self, reader: "asyncio.StreamReader", writer: "asyncio.StreamWriter") -> None:
        """One connection: one request, one answer."""
        task = asyncio.current_task()
        assert task is not None
        bounded = BoundedWriter(writer)
        self._open.add(task)
        try:
            await self._let_in(reader, bounded)
        except Refused as refused:
            await _refuse(reader, writer, bounded, refused)
        except (OSError, asyncio.IncompleteReadError):
            return  # the client has gone
        except asyncio.CancelledError:
            if not self._closing:
                raise
        finally:
            self._open.discard(task)
            writer.close()

    async def _let_in(self, reader: "asyncio.StreamReader", writer: "BoundedWriter") -> None:
        if self._serving >= PAGE_CONNECTIONS:
            raise Refused(503, f"more than {PAGE_CONNECTIONS} connections")
        self._serving += 1
        try:
            head = await _read_head(reader)
            _check_head(head)
            await self._answer(_fed(head), writer)
        finally:
            self._serving -= 1

    async def close(self) -> None:
        """Ends every open connection."""
        self._closing = True
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)


class BoundedWriter:
    """What microdot writes to; a client that does not read for PAGE_WRITE_S is cut off."""

    def __init__(self, writer: "asyncio.StreamWriter") -> None:
        self._writer = writer

    def get_extra_info(self, name: str) -> "Any":
        return self._writer.get_extra_info(name)

    async def awrite(self, content: bytes) -> None:
        self._writer.write(content)
        try:
            await asyncio.wait_for(self._writer.drain(), PAGE_WRITE_S)
        except TimeoutError:
            self._writer.transport.abort()
            raise ConnectionResetError(104, "the client does not read")

    async def aclose(self) -> None:
        self._writer.close()


async def _read_head(reader: "asyncio.StreamReader") -> bytes:
    try:
        return await asyncio.wait_for(reader.readuntil(END), PAGE_HEAD_S)
    except TimeoutError:
        raise Refused(408, f"no complete head within {PAGE_HEAD_S:g} s")
    except asyncio.LimitOverrunError:
        raise Refused(431, f"a head of more than {PAGE_HEAD_BYTES} bytes")


def _check_head(head: bytes) -> None:
    try:
        lines = head.decode("ascii").split("\r\n")[:-2]
    except UnicodeDecodeError:
        raise Refused(400, "the head is not ASCII")
    if len(lines) > PAGE_HEAD_LINES:
        raise Refused(431, f"a head of {len(lines)} lines, at most {PAGE_HEAD_LINES}")
    words = lines[0].split(" ")
    if len(words) != 3 or words[2] not in ("HTTP/1.0", "HTTP/1.1") or not words[1].startswith("/"):
        raise Refused(400, "the first line is not an HTTP request for a path")
    if not _is_percent_encoded(words[1]):
        raise Refused(400, "the path is not UTF-8 in percent signs")
    if words[0] not in METHODS:
        raise Refused(405, f"{words[0][:16]} is not GET or HEAD")
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise Refused(400, "a line of the head is not NAME: VALUE")
        if name.lower() == "transfer-encoding" or (
            name.lower() == "content-length" and value.strip() != "0"
        ):
            raise Refused(413, "a body, where none is taken")


def _is_percent_encoded(path: str) -> bool:
    """Whether every % is followed by two digits, and all of them together are UTF-8."""
    digits = "0123456789abcdefABCDEF"
    parts = path.split("%")[1:]
    if not all(len(part) >= 2 and part[0] in digits and part[1] in digits for part in parts):
        return False
    try:
        unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        return False
    return True


def _fed(head: bytes) -> "asyncio.StreamReader":
    """A reader that holds the head and nothing after it."""
    reader = asyncio.StreamReader()
    reader.feed_data(head)
    reader.feed_eof()
    return reader


async def _refuse(
    reader: "asyncio.StreamReader",
    writer: "asyncio.StreamWriter",
    bounded: "BoundedWriter",
    refused: "Refused",
) -> None:
    """Says why, then takes what is still coming: closing on unread bytes would cut the answer."""
    body = f"{refused.status} {NAMES[refused.status]}: {refused}\n".encode()
    head = (
        f"HTTP/1.0 {refused.status} {NAMES[refused.status]}\r\n"
        f"Content-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    try:
        await bounded.awrite(head.encode() + body)
        writer.write_eof()
        await asyncio.wait_for(_swallow(reader), PAGE_FAREWELL_S)
    except (OSError, TimeoutError):
        return  # it did not wait for the answer, or never stops


async def _swallow(reader: "asyncio.StreamReader") -> None:
    while await reader.read(PAGE_HEAD_BYTES):
        continue
