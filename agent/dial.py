"""A connection to the broker in named steps: name, TCP, TLS. Each with a bound, in a daemon thread.

A thread, because looking up a name and shaking hands block; a daemon of its own, because a program
that is told to stop must not wait for a host that swallows packets. The sockets that come back
refuse a message larger than the agent takes before a byte of it is kept.
"""

import asyncio
import errno
import socket
import ssl
import threading

from agent.limits import DIAL_STEP_S, INCOMING_BYTES
from agent.ports import LinkDown

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class BoundedSocket(socket.socket):
    """MQTT's reader asks for the rest of a message at once: there its size is known.

    `trouble`: what ended it, which the reader above keeps to itself.
    """

    trouble: "OSError | None" = None

    def recv(self, size: int, flags: int = 0) -> bytes:
        return _received(self, super().recv, size, flags)


class BoundedTlsSocket(ssl.SSLSocket):
    """The same over TLS; the broker's word on our certificate comes here, too (TLS 1.3)."""

    trouble: "OSError | None" = None

    def recv(self, size: int = 1024, flags: int = 0) -> bytes:
        return _received(self, super().recv, size, flags)


def _received(
    sock: "BoundedSocket | BoundedTlsSocket",
    receive: "Callable[[int, int], bytes]",
    size: int,
    flags: int,
) -> bytes:
    """The first error that ends the socket is its trouble."""
    try:
        return receive(_bounded(size), flags)
    except OSError as error:
        sock.trouble = sock.trouble or _final(error)
        raise


def _final(error: OSError) -> "OSError | None":
    """None for what only says that nothing has come yet."""
    passing = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
    return None if isinstance(error, passing) else error


def trouble_of(sock: "Any", place: str) -> "LinkDown | None":
    """What the socket ended with, where that says more than that it ended."""
    error = getattr(sock, "trouble", None)
    if error is None:
        return None
    if error.errno == errno.EMSGSIZE:
        return LinkDown("oversized", place, _why(error))
    return _tls_down(error, place) if _alert(error) else None


def _bounded(size: int) -> int:
    if size > INCOMING_BYTES:
        text = f"a message of {size} bytes came, at most {INCOMING_BYTES} are taken"
        raise OSError(errno.EMSGSIZE, text)
    return size


def tls_context(ca: "str | None", certificate: "str | None", key: "str | None") -> "ssl.SSLContext":
    """TLS as the settings have it; `ca` None: the system's own. LinkDown names the file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.sslsocket_class = BoundedTlsSocket
    try:
        if ca is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(ca)
    except OSError as error:
        raise LinkDown("tls_file", ca or "", _why(error))
    if certificate is not None:
        try:
            context.load_cert_chain(certificate, key)
        except OSError as error:
            raise LinkDown("tls_file", f"{certificate}, {key}", _why(error))
    return context


async def dial(host: str, port: int, context: "ssl.SSLContext | None") -> "socket.socket":
    """A connected socket, its TLS done; LinkDown with the step that failed. Cancelled at once."""
    loop = asyncio.get_running_loop()
    answer: "asyncio.Future[socket.socket]" = loop.create_future()

    def work() -> None:
        found: "Any" = None
        try:
            found = _dialled(host, port, context)
        except LinkDown as down:
            found = down
        try:
            loop.call_soon_threadsafe(_hand_over, answer, found)
        except RuntimeError:  # the program ended meanwhile
            _put_away(found)

    threading.Thread(target=work, name="dial", daemon=True).start()
    return await answer


def _hand_over(answer: "asyncio.Future[socket.socket]", found: "Any") -> None:
    if answer.done():
        _put_away(found)
    elif isinstance(found, LinkDown):
        answer.set_exception(found)
    else:
        answer.set_result(found)


def _put_away(found: "Any") -> None:
    if isinstance(found, socket.socket):
        found.close()


def _dialled(host: str, port: int, context: "ssl.SSLContext | None") -> "socket.socket":
    place = f"{host}:{port}"
    connected = _tcp(_addresses(host, port), place)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connected if context is None else _tls(connected, context, host, place)


def _addresses(host: str, port: int) -> "list[Any]":
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise LinkDown("name", host, _why(error))


def _tcp(addresses: "list[Any]", place: str) -> "socket.socket":
    """The first address that answers; each has its share of the step's time."""
    failed = LinkDown("no_answer", place, "")
    for family, kind, protocol, _, address in addresses:
        sock = BoundedSocket(family, kind, protocol)
        sock.settimeout(DIAL_STEP_S / len(addresses))
        try:
            sock.connect(address)
            return sock
        except OSError as error:
            sock.close()
            failed = LinkDown(_tcp_code(error), place, _why(error))
    raise failed


def _tcp_code(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, TimeoutError):
        return "no_answer"
    return "no_route"


def _tls(
    sock: "socket.socket", context: "ssl.SSLContext", host: str, place: str
) -> "socket.socket":
    sock.settimeout(DIAL_STEP_S)
    try:
        return context.wrap_socket(sock, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        sock.close()
        raise LinkDown("tls_certificate", place, error.verify_message)
    except (OSError, ValueError) as error:
        sock.close()
        raise _tls_down(error, place)


def _alert(error: BaseException) -> str:
    """The broker's own word in TLS, as "unknown ca"; "" when it is not its own."""
    reason = (error.reason or "") if isinstance(error, ssl.SSLError) else ""
    return reason.partition("_ALERT_")[2].replace("_", " ").lower()


def _tls_down(error: "OSError | ValueError", place: str) -> "LinkDown":
    """What the broker says of a certificate is of ours: of its own it says nothing."""
    said = _alert(error)
    if said == "certificate required":
        return LinkDown("tls_client_missing", place, said)
    if "certificate" in said or said == "unknown ca":
        return LinkDown("tls_client", place, said)
    return LinkDown("tls", place, _why(error))


def _why(error: "Any") -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    return str(getattr(error, "strerror", None) or error)
