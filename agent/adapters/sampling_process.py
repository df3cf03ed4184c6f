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
from agent.limits import BATCHES_QUEUED, SAMPLING_END_S

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


class SamplingProcess:
    """One process for all buses of the settings. `begun_ns`: when simulated time began."""

    def __init__(self, settings: "Settings", begun_ns: int) -> None:
        self._first = {"config": settings.text, "begun_ns": begun_ns}
        self.sensors = {
            sensor.name: ApartSensor(self, sensor.name, sensor.bus) for sensor in settings.sensors
        }
        self._link: "socket.socket | None" = None
        self._unpacker = Unpacker()
        self._ending = False
        self.pid = 0

    def start(self, bus: str) -> None:
        """Begins to sample a bus, in a new process when there is none."""
        if self._link is None:
            self._spawn()
        self._order({"start": bus})

    def stop(self) -> None:
        """Puts the chips to sleep and ends the process; safe to call again."""
        self._ending = True
        if self._link is None:
            return
        self._order({"stop": True})
        self._hang_up()
        self._wait()

    def _spawn(self) -> None:
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LINK_BYTES)
        self.pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-P", "-m", MODULE],  # -P: never another `agent` of this directory
            {**os.environ, "PYTHONPATH": _with_root(os.environ.get("PYTHONPATH", ""))},
            file_actions=[(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0)],
            setsigmask=[signal.SIGINT, signal.SIGTERM],  # sent to a whole group, meant for us
        )
        theirs.close()
        self._link, self._unpacker = ours, Unpacker()
        asyncio.get_running_loop().add_reader(ours, self._hear)
        self._order(self._first)

    def _order(self, order: "dict[str, object]") -> None:
        assert self._link is not None
        try:
            self._link.sendall(json.dumps(order).encode() + b"\n")
        except OSError:
            return  # it has ended: `_hear` meets that, too

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
        self._wait()
        for sensor in self.sensors.values():
            sensor.mailbox.put(None)

    def _hang_up(self) -> None:
        assert self._link is not None
        asyncio.get_running_loop().remove_reader(self._link)
        self._link.close()
        self._link = None

    def _wait(self) -> None:
        """Until the process has ended, by force when it takes too long."""
        deadline = time.monotonic() + SAMPLING_END_S
        while os.waitpid(self.pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                return
            time.sleep(LOOK_S)


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
        self.mailbox = Mailbox(BATCHES_QUEUED)

    def recoveries(self) -> "dict[str, int]":
        """How often each rung of the recovery ladder was climbed so far, by its words."""
        return self._steps

    def hear(self, sent: "Sent") -> None:
        """What the process says of this sensor."""
        self._steps = sent.steps
        self.mailbox.dropped += sent.dropped[0]
        self.mailbox.dropped_frames += sent.dropped[1]
        self.mailbox.put(sent.batch)

    async def start(self) -> None:
        self._sampling.start(self._bus)

    async def next_batch(self) -> "FrameBatch":
        """RuntimeError when its bus's thread or the process has failed; `start` begins again."""
        batch: "FrameBatch | None" = await self.mailbox.get()
        if batch is None:
            raise RuntimeError(f"the sampling of {self.name} failed: see the log")
        return batch

    async def stop(self) -> None:
        self._sampling.stop()
