"""The process that samples: every bus's thread, and nothing else that could keep one waiting.

    python -m agent.sampling      started by the agent (adapters/sampling_process.py), with a socket
                                  as its standard input

Python runs one thread of a process at a time, and a thread of ordinary priority that has the turn
can itself be kept waiting by any program. A FIFO holds 10 ms. Here a bus's thread shares the turn
only with the one that sends what was sampled, which no ordinary program can keep waiting either.

Orders come in lines of JSON: first {"config", "begun_ns"}, then {"start": bus} or {"stop": true}.
Batches go back as agent.batch_wire has them. The other end's death ends this process at once; the
chips go on measuring for whoever comes next.
"""

import gc
import json
import os
import socket
import sys
import threading
from collections import deque

from agent.adapters.clock_os import OsClock
from agent.adapters.sensor import ask_for_priority
from agent.batch_wire import Sent, packed
from agent.buses import Buses, plant_for
from agent.config import read_settings
from agent.limits import BATCHES_QUEUED, BESIDE_PRIORITY, SWITCH_INTERVAL_S

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from agent.ports import FrameBatch

SENDER = "send"  # the name of its thread


class Outlet:
    """What waits to be sent, bounded for each sensor: the oldest goes, and is counted."""

    def __init__(self, sensors: "list[str]", limit: int = BATCHES_QUEUED) -> None:
        self._limit = limit
        self._change = threading.Condition()
        self._waiting: "deque[Sent]" = deque()
        self._count = {name: 0 for name in sensors}
        self._dropped = {name: (0, 0) for name in sensors}

    def put(self, sensor: str, batch: "FrameBatch | None", steps: "dict[str, int]") -> None:
        """Never waits for the reader."""
        with self._change:
            if self._count[sensor] == self._limit:
                self._drop_oldest(sensor)
            dropped, self._dropped[sensor] = self._dropped[sensor], (0, 0)
            self._waiting.append(Sent(sensor, batch, steps, dropped))
            self._count[sensor] += 1
            self._change.notify()

    def get(self) -> "Sent":
        """The oldest; waits for it."""
        with self._change:
            while not self._waiting:
                self._change.wait()
            sent = self._waiting.popleft()
            self._count[sent.sensor] -= 1
            return sent

    def _drop_oldest(self, sensor: str) -> None:
        place = next(n for n, sent in enumerate(self._waiting) if sent.sensor == sensor)
        old = self._waiting[place]
        del self._waiting[place]
        self._count[sensor] -= 1
        batches, frames = self._dropped[sensor]
        lost = 0 if old.batch is None else old.batch.frames
        self._dropped[sensor] = (batches + old.dropped[0] + 1, frames + old.dropped[1] + lost)


class Sampling:
    """Every bus of the settings, and the socket to the agent."""

    def __init__(self, first: "dict[str, Any]", link: socket.socket) -> None:
        settings = read_settings(first["config"])
        self._link = link
        self._buses = Buses(settings, OsClock(), plant_for(settings, first["begun_ns"]))
        sensors = self._buses.open()
        self._outlet = Outlet(list(sensors))
        for name, sensor in sensors.items():
            sensor.deliver_to(self._into_outlet(name, sensor))
        ask_for_priority(BESIDE_PRIORITY)  # of this thread and all that it begins
        threading.Thread(target=self._send, name=SENDER, daemon=True).start()

    def _into_outlet(self, name: str, sensor: "Any") -> "Callable[[FrameBatch | None], None]":
        def deliver(batch: "FrameBatch | None") -> None:
            self._outlet.put(name, batch, sensor.recoveries())

        return deliver

    def _send(self) -> None:
        try:
            while True:
                self._link.sendall(packed(self._outlet.get()))
        except OSError:
            return  # the reader of orders meets the same end

    def follow(self, order: "dict[str, Any]") -> bool:
        """Whether to go on after the order."""
        if "start" in order:
            self._buses.threads[order["start"]].start()
            return True
        self._buses.stop()
        return False


def orders_from(link: socket.socket) -> "Iterator[dict[str, Any]]":
    """Until the agent is gone; one that is killed resets what it had not read.

    It may leave an order half said: that is none.
    """
    lines = link.makefile("rb")
    try:
        for line in lines:
            if line.endswith(b"\n"):
                yield json.loads(line)
    except ConnectionResetError:
        return


def end_with_sender(failed: "threading.ExceptHookArgs") -> None:
    """Told as ever; but a process that can say no more ends, and the agent makes another."""
    threading.__excepthook__(failed)
    if failed.thread is not None and failed.thread.name == SENDER:
        os._exit(1)


def main() -> int:
    threading.excepthook = end_with_sender
    link = socket.socket(fileno=0)
    orders = orders_from(link)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    first = next(orders, None)
    if first is None:
        return 0
    sampling = Sampling(first, link)
    gc.collect()
    gc.freeze()
    for order in orders:
        if not sampling.follow(order):
            return 0
    os._exit(0)  # the agent is gone: its successor may have the chips already


if __name__ == "__main__":
    sys.exit(main())
