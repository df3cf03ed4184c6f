"""The sampling process as the agent sees it: started, told what to do, heard, ended.

Its end by an error is told to each sensor's reader, as that of a bus's thread is; the next `start`
makes a new one.
"""

import asyncio
import json
import os
import signal
import socket
import sys
import time

import agent
from agent.batch_wire import Unpacker
from agent.core.mailbox import Mailbox
from agent.limits import BATCHES_QUEUED, SAMPLING_END_S, SAMPLING_KILLED_S
from agent.ports import SamplingFault

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from agent.batch_wire import Sent
    from agent.config import Settings
    from agent.ports import FrameBatch

MODULE = "agent.sampling"
PIECE_BYTES = 256 * 1024
LINK_BYTES = 1024 * 1024  # of the socket, as far as the system grants them: seconds of an IIS3DWB
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(agent.__file__)))
LOOK_S = 0.005  # between looks whether the process has ended
GROUP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # sent to a group, meant for us


class SamplingProcess:
    """One process for all buses of the settings. `begun_ns`: when simulated time began."""

    def __init__(self, settings: "Settings", begun_ns: int) -> None:
        self._first = {"config": settings.text, "begun_ns": begun_ns}
        self.sensors = {
            sensor.name: ApartSensor(self, sensor.name, sensor.bus) for sensor in settings.sensors
        }
        self._link: "socket.socket | None" = None
        self._unpacker = Unpacker()
        self._processes = 0  # so far
        self._unsent = bytearray()
        self.pid = 0

    def start(self, bus: str) -> None:
        """Begins to sample a bus, in a new process when there is none."""
        if self._link is None:
            self._spawn()
        self._order({"start": bus})

    def stop(self) -> None:
        """Puts the chips to sleep and ends the process; safe to call again."""
        if self._link is None:
            return
        deadline = time.monotonic() + SAMPLING_END_S
        self._order({"stop": True})
        while self._unsent and time.monotonic() < deadline:
            time.sleep(LOOK_S)
            self._send()
        self._hang_up()
        self._wait(deadline)

    def _spawn(self) -> None:
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LINK_BYTES)
        with theirs:
            try:
                self.pid = _spawned(theirs)
            except OSError:
                ours.close()
                raise
        self._link, self._unpacker = ours, Unpacker(self._processes)
        self._processes += 1
        asyncio.get_running_loop().add_reader(ours, self._hear)
        self._order(self._first)

    def _order(self, order: "dict[str, object]") -> None:
        self._unsent += json.dumps(order).encode() + b"\n"
        self._send()

    def _send(self) -> None:
        """What the process takes now, the rest when it takes more: nobody waits for that."""
        assert self._link is not None
        loop = asyncio.get_running_loop()
        try:
            del self._unsent[: self._link.send(self._unsent, socket.MSG_DONTWAIT)]
        except BlockingIOError:
            loop.add_writer(self._link, self._send)
            return
        except OSError:
            self._unsent.clear()  # it has ended: `_hear` meets that, too
        if self._unsent:
            loop.add_writer(self._link, self._send)
        else:
            loop.remove_writer(self._link)

    def _hear(self) -> None:
        assert self._link is not None
        try:
            piece = self._link.recv(PIECE_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            self._ended()
            return
        for sent in self._unpacker.feed(piece):
            self.sensors[sent.sensor].hear(sent)

    def _ended(self) -> None:
        """The process is gone without an order: each sensor's reader is told."""
        self._hang_up()
        how = self._wait(time.monotonic() + SAMPLING_END_S)
        for sensor in self.sensors.values():
            sensor.failed(f"the process that reads the sensors ended ({how})")

    def _hang_up(self) -> None:
        assert self._link is not None
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._link)
        loop.remove_writer(self._link)
        self._link.close()
        self._link = None
        self._unsent.clear()

    def _wait(self, deadline: float) -> str:
        """How the process has ended; by force after `deadline`.

        What hangs in the kernel outlives even that for a while: then it is left to the system.
        """
        while (how := _ended(self.pid)) is None:
            if time.monotonic() > deadline + SAMPLING_KILLED_S:
                return "not yet"
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
            time.sleep(LOOK_S)
        return how


def _spawned(link: "socket.socket") -> int:
    """A new process with `link` as its standard input."""
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-P", "-m", MODULE],  # -P: never another `agent` of this directory
        {**os.environ, "PYTHONPATH": _with_root(os.environ.get("PYTHONPATH", ""))},
        file_actions=[(os.POSIX_SPAWN_DUP2, link.fileno(), 0)],
        setsigmask=GROUP_SIGNALS,
    )


def _ended(pid: int) -> "str | None":
    """How a process of ours has ended, in words; None while it has not."""
    try:
        ended, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return "unknown how"  # SIGCHLD is ignored by whoever started us: the system took it away
    if ended == 0:
        return None
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGKILL:
        return "signal 9, as when memory runs out"
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _with_root(path: str) -> str:
    """A module path that finds this very program first."""
    return os.pathsep.join([ROOT, *filter(None, [path])])


class ApartSensor:
    """The Sensor port: batches cross from the sampling process into the event loop."""

    def __init__(self, sampling: "SamplingProcess", name: str, bus: str) -> None:
        self.name = name
        self._sampling = sampling
        self._bus = bus
        self._steps: "dict[str, int]" = {}
        self._failure = "not started"  # "" from `start` on, until it or the process fails
        self.mailbox = Mailbox(BATCHES_QUEUED)

    def recoveries(self) -> "dict[str, int]":
        """How often each rung of the recovery ladder was climbed so far, by its words."""
        return self._steps

    def hear(self, sent: "Sent") -> None:
        """What the process says of this sensor."""
        self._steps = sent.steps
        self.mailbox.dropped += sent.dropped[0]
        self.mailbox.dropped_frames += sent.dropped[1]
        if sent.batch is None:
            self.failed("the thread of its bus failed: see the log")
        else:
            self.mailbox.put(sent.batch)

    def failed(self, why: str) -> None:
        """The reader is told once, however much fails until it starts again."""
        if not self._failure:
            self._failure = why
            self.mailbox.put(None)

    async def start(self) -> None:
        """SamplingFault when there can be no process."""
        try:
            self._sampling.start(self._bus)
        except OSError as error:
            why = f"the process that reads the sensors cannot be started ({error.strerror})"
            raise SamplingFault(f"{self.name}: {why}")
        self._failure = ""

    async def next_batch(self) -> "FrameBatch":
        """SamplingFault when its bus's thread or the process has failed; `start` begins again."""
        batch: "FrameBatch | None" = await self.mailbox.get()
        if batch is None:
            raise SamplingFault(f"{self.name}: {self._failure}")
        return batch

    async def stop(self) -> None:
        self._sampling.stop()
