"""The operating system's clocks, and who keeps them: the only reader of time in the running agent.

Whether the clock is right only its time service knows. systemd-timesyncd leaves a mark; chronyd and
ntpd are asked on loopback, without ever waiting: a question goes out at one look, its answer is
read at a later one. chronyd is not heard where `cmdport 0` shuts its port and it serves no time.
"""

import asyncio
import os
import socket
import time
from collections import namedtuple

from agent.core import timesync
from agent.limits import SYNC_ASK_S, SYNC_SAID_S

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Sequence

TIMESYNCD = "systemd-timesyncd"
SYNCED_MARK = "/run/systemd/timesync/synchronized"  # timesyncd touches it once it is in step
LOOPBACK = "127.0.0.1"
DATAGRAMS_A_LOOK = 4  # more at once come from no time service

# A time service: its name, UDP port, and agent.core.timesync's words for it.
Service = namedtuple("Service", ("name", "port", "question", "says"))
CHRONYD = Service("chronyd", 323, timesync.tracking_question, timesync.tracking_says)
NTPD = Service("ntpd", 123, timesync.sntp_question, timesync.sntp_says)


class OsClock:
    """`monotonic_ns` for order and durations, `utc_ns` for people."""

    def __init__(
        self, mark: str = SYNCED_MARK, services: "Sequence[Service]" = (CHRONYD, NTPD)
    ) -> None:
        self._mark = mark
        self._asked = [_Asked(service) for service in services]

    def monotonic_ns(self) -> int:
        """Of the board's oscillator as it is: a clock that the network slews has two rates, and
        what was recorded before the first sync could not be dated by the rate seen after it.
        """
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)

    def utc_ns(self) -> int:
        return time.time_ns()

    def synced(self) -> bool:
        """Whether anybody says that the clock is set; False where nobody says so."""
        return bool(self.synced_by())

    def synced_by(self) -> str:
        """The time service that says so, "" when none does. Takes some microseconds, no waiting."""
        if os.path.exists(self._mark):
            return TIMESYNCD
        now_ns = self.monotonic_ns()
        for asked in self._asked:
            asked.look(now_ns, self.utc_ns())
        return next((asked.name for asked in self._asked if asked.in_step(now_ns)), "")

    def close(self) -> None:
        for asked in self._asked:
            asked.close()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Asked:
    """One time service: the question that is out, and what was last heard of it.

    A socket, port and token of its own for each question: an answer to another one is not taken.
    """

    def __init__(self, service: "Service") -> None:
        self.name: str = service.name
        self._service = service
        self._socket: "socket.socket | None" = None
        self._token = b""
        self._asked: "tuple[int, int] | None" = None  # monotonic, UTC
        self._said_ns: "int | None" = None  # when it last said that all is well

    def look(self, now_ns: int, utc_ns: int) -> None:
        """Reads what has come; asks again when it is time. `now_ns`: monotonic."""
        try:
            self._hear(now_ns, utc_ns)
            if self._asked is None or now_ns - self._asked[0] >= SYNC_ASK_S * 1e9:
                self._ask(now_ns, utc_ns)
        except OSError:
            self.close()  # nobody is there, or no socket is to be had: the next question may do

    def in_step(self, now_ns: int) -> bool:
        return self._said_ns is not None and now_ns - self._said_ns <= SYNC_SAID_S * 1e9

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _ask(self, now_ns: int, utc_ns: int) -> None:
        self.close()
        self._asked = (now_ns, utc_ns)
        self._token = os.urandom(timesync.TOKEN_BYTES)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.connect((LOOPBACK, self._service.port))
        self._socket.send(self._service.question(self._token))

    def _hear(self, now_ns: int, utc_ns: int) -> None:
        for _ in range(DATAGRAMS_A_LOOK):
            if self._socket is None or self._asked is None:
                return
            try:
                answer = self._socket.recv(timesync.ANSWER_BYTES_MAX)
            except BlockingIOError:
                return
            says = self._service.says(answer, self._token, self._asked[1], utc_ns)
            if says is not None:
                self._said_ns = now_ns if says else None
                self.close()
