"""Sensors: a thread and a clock around each bus's drivers. Frames out, errors as batches.

One thread a bus, because a FIFO holds milliseconds and a transfer blocks. The thread drains, stamps
and hands over whole batches; it decodes nothing and waits on no disk.
"""

import asyncio
import os
import threading

from agent.core.ladder import (
    CLOCKS,
    REOPEN,
    RETRY,
    RUNNING,
    WRONG,
    Ladder,
    Rules,
    counted,
    kind_of_errno,
)
from agent.core.mailbox import Mailbox
from agent.drain import Drainer, reason_of
from agent.limits import (
    BATCH_INTERVAL_S,
    BATCHES_QUEUED,
    BUS_PRIORITY,
    ISOLATED_S,
    STEADY_BATCHES,
)
from agent.ports import FrameBatch
from drivers.device import SensorFault

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent.ports import BusRecovery, Clock


class NoRecovery:
    """A bus that is as it is: nothing to pulse, nothing to open again."""

    has_clock_line = False

    def clocks(self) -> None:
        """Never called: there is no line."""

    def reopen(self) -> None:
        """Nothing was opened."""


class BusThread:
    """One bus's thread: drains every sensor on it in turn, each at its own interval."""

    def __init__(self, name: str, clock: "Clock", recovery: "BusRecovery | None" = None) -> None:
        self._name = name
        self._clock = clock
        self._recovery: "BusRecovery" = NoRecovery() if recovery is None else recovery
        self._turns: "list[_Turn]" = []
        self._ending = threading.Event()
        self._failed = False
        self._thread: "threading.Thread | None" = None

    def add(self, drainer: "Drainer") -> "BusSensor":
        """The sensor of a drainer on this bus; before the first `start`."""
        turn = _Turn(drainer, self._recovery, self._turns)
        self._turns.append(turn)
        return BusSensor(self, drainer, turn)

    def start(self) -> None:
        """Begins, or begins again after the thread has failed."""
        if self._failed and self._thread is not None:
            self._thread.join(timeout=1.0)
            self._thread, self._failed = None, False
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"bus-{self._name}", daemon=True)
            self._thread.start()

    def ask_to_stop(self) -> None:
        """The thread ends after its turn; waits for nothing."""
        self._ending.set()

    def stop(self) -> None:
        """Ends the thread and puts the chips to sleep; safe to call again."""
        self.ask_to_stop()
        if self._thread is not None:
            self._thread.join(timeout=2.0)

    def _run(self) -> None:
        ask_for_priority(BUS_PRIORITY)
        try:
            self._turn_by_turn()
        finally:
            if not self._ending.is_set():  # an error that no bus and no chip should raise
                self._failed = True
                for turn in self._turns:
                    turn.break_off()
        for turn in self._turns:
            turn.end()

    def _turn_by_turn(self) -> None:
        while not self._ending.is_set():
            now_ns = self._clock.monotonic_ns()
            for turn in self._turns:
                if turn.due_ns <= now_ns:
                    turn.step(self._clock.monotonic_ns())
            next_ns = min(turn.due_ns for turn in self._turns)
            pause_s = (next_ns - self._clock.monotonic_ns()) / 1e9
            if pause_s > 0:
                self._ending.wait(pause_s)


def ask_for_priority(priority: int) -> None:
    """Real-time scheduling for this thread, where the system grants it: a FIFO waits for nobody."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except OSError:
        return  # an ordinary user; systemd's LimitRTPRIO grants it to the service


class _Turn:
    """Where one sensor stands: running, being brought up or recovered, and when it is due next."""

    def __init__(
        self, drainer: "Drainer", recovery: "BusRecovery", on_this_bus: "list[_Turn]"
    ) -> None:
        self._drainer = drainer
        self._recovery = recovery
        self._on_this_bus = on_this_bus
        self._bring_up: "Iterator[int] | None" = drainer.bring_up()
        self._ladder = Ladder(Rules(ISOLATED_S, STEADY_BATCHES, recovery.has_clock_line))
        self._bus_is_due = False  # a rung that treats the bus itself was climbed
        self._refusal = ""  # why the bus could not be treated
        self._awake = False  # the chip was told to measure, whole bring-up or not
        self._hand_over_ns = 0
        self.climbed: "dict[int, int]" = {}
        self.due_ns = 0
        self.deliver: "Callable[[FrameBatch | None], None]" = _nowhere

    @property
    def runs(self) -> bool:
        return self._ladder.rung == RUNNING and self._bring_up is None

    def step(self, now_ns: int) -> None:
        try:
            if self._bus_is_due:
                self._bus_is_due = False
                self._treat_bus()
            if self._bring_up is not None:
                self._go_on_bringing_up(now_ns)
            else:
                self._drain(now_ns)
        except OSError as error:
            self._hand_over()  # read before the bus failed
            self._climb(kind_of_errno(error.errno), error)
        except SensorFault as error:
            self._climb(WRONG, error)

    def _climb(self, kind: str, error: "OSError | SensorFault") -> None:
        """One rung up: told, counted, and due when the ladder says so."""
        self._ladder = ladder = self._ladder.failed(kind)
        if ladder.rung != CLOCKS:
            self._count(ladder.rung)
        code, facts = reason_of(error)
        facts["next"] = ladder.words() + self._refusal
        fault = self._drainer.fault((code, facts))
        self.deliver(fault)
        if self._bring_up is not None or ladder.rung != RETRY:
            self._bring_up = self._drainer.bring_up()
            self._awake = False
        self._bus_is_due = ladder.clocks or ladder.rung >= REOPEN
        self.due_ns = fault.mono_ns + int(ladder.delay_s * 1e9)

    def _count(self, rung: int) -> None:
        self.climbed[rung] = self.climbed.get(rung, 0) + 1

    def _treat_bus(self) -> None:
        """Nine clocks where they may help, then the bus is opened anew."""
        self._refusal = ""
        others_run = any(turn.runs for turn in self._on_this_bus)
        if self._ladder.clocks and not others_run:  # a bus on which one chip answers does not hang
            try:
                self._recovery.clocks()
                self._count(CLOCKS)
            except OSError as error:
                self._refusal = f"; nine clocks were not possible: {error.strerror}"
        self._recovery.reopen()

    def _go_on_bringing_up(self, now_ns: int) -> None:
        assert self._bring_up is not None
        wait_ms = next(self._bring_up, None)
        self._awake = True
        if wait_ms is None:
            self._bring_up = None
            wait_ms = 0
        self.due_ns = now_ns + wait_ms * 1_000_000

    def _drain(self, now_ns: int) -> None:
        self._drainer.drain()
        if now_ns >= self._hand_over_ns:
            self._hand_over()
            self._hand_over_ns = now_ns + int(BATCH_INTERVAL_S * 1e9)
        interval_ns = int(self._drainer.interval_s * 1e9)
        self.due_ns = max(self.due_ns + interval_ns, now_ns)

    def _hand_over(self) -> None:
        batch = self._drainer.batch()
        if batch.frames:
            self._ladder = self._ladder.worked()
        self.deliver(batch)

    def break_off(self) -> None:
        """The thread ends on an error: the reader is told; the chip is to be brought up anew."""
        self._bring_up = self._drainer.bring_up()
        self._awake = False
        self.due_ns = 0
        self.deliver(None)

    def end(self) -> None:
        if self._awake:
            try:
                self._drainer.stop()
            except (OSError, SensorFault):
                return  # bus or chip is gone; there is nothing left to put to sleep


def _nowhere(batch: "FrameBatch | None") -> None:
    """Before a sensor is started its batches have no reader."""


class BusSensor:
    """The Sensor port: batches cross from the bus's thread into the event loop."""

    def __init__(self, bus: "BusThread", drainer: "Drainer", turn: "_Turn") -> None:
        self.name = drainer.name
        self.layout = drainer.layout
        self._bus = bus
        self._turn = turn
        self.mailbox = Mailbox(BATCHES_QUEUED)

    def recoveries(self) -> "dict[str, int]":
        """How often each rung of the recovery ladder was climbed so far, by its words."""
        return counted(dict(self._turn.climbed))  # the bus's thread goes on counting

    def deliver_to(self, reader: "Callable[[FrameBatch | None], None]") -> None:
        """Batches go to `reader`, on the bus's thread; None when that thread has failed."""
        self._turn.deliver = reader

    async def start(self) -> None:
        loop = asyncio.get_running_loop()

        def hand_over(batch: "FrameBatch | None") -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self.mailbox.put, batch)

        self.deliver_to(hand_over)
        self._bus.start()

    async def next_batch(self) -> "FrameBatch":
        """RuntimeError when the bus's thread has failed; `start` begins it again."""
        batch = await self.mailbox.get()
        if batch is None:
            raise RuntimeError(f"the thread of the bus of {self.name} failed: see the log")
        assert isinstance(batch, FrameBatch)
        return batch

    async def stop(self) -> None:
        self._bus.stop()
