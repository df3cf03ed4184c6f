"""Frames made before a chip asks: many at once, or by a thread beside a chip that is read live.

A real chip costs its reader nothing. A simulated one is asked by the bus's own thread, for a dozen
frames at a time, while a FIFO of 10 ms fills: what making them costs must not stand in its way.
"""

import threading

import numpy as np

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Source = Callable[[float, float, int], Any]

AT_ONCE = 256  # frames made in one call
READY_S = 0.25  # of frames that the thread makes ready; AT_ONCE at the least
MORE_SHARE = 0.5  # it is woken when no more than this share of them is left
IDLE_S = 5.0  # without a question for so long, the thread ends


def many_at_once(source: "Source") -> "Source":
    """Asks `source` for many frames at once while it is asked for a few after a few."""
    held = np.zeros(0)
    next_s = 0.0

    def feel(t0_s: float, period_s: float, count: int) -> "Any":
        nonlocal held, next_s
        if abs(t0_s - next_s) > 0.5 * period_s:
            held, next_s = np.zeros(0), t0_s
        if len(held) < 3 * count:
            begin_s = next_s + len(held) / 3 * period_s
            held = np.concatenate([held, source(begin_s, period_s, max(AT_ONCE, count))])
        given, held = held[: 3 * count], held[3 * count :]
        next_s += count * period_s
        return given.tolist()

    return feel


class Ready:
    """A source like `source`, whose frames a thread has ready when they are asked for in a row.

    `source` must give the same values for the same time however it is asked, from any thread. What
    is not ready (the first frames, another rate) is made at once, by the one who asks.
    """

    def __init__(self, source: "Source", idle_s: float = IDLE_S) -> None:
        self._source = source
        self._idle_s = idle_s
        self._change = threading.Condition()
        self.thread: "threading.Thread | None" = None
        self._chunks: "list[Any]" = []  # flat lists of frames, in order
        self.frames = 0  # in them
        self._next_s = 0.0  # of the first
        self._period_s = 0.0
        self._row = 0  # counts the breaks: what was begun before one is thrown away

    def __call__(self, t0_s: float, period_s: float, count: int) -> "list[float]":
        """`count` frames from `t0_s` on, `period_s` apart: flat x0, y0, z0, x1, ... in g."""
        with self._change:
            if not self._goes_on(t0_s, period_s):
                self._chunks, self.frames, self._row = [], 0, self._row + 1
                self._next_s, self._period_s = t0_s, period_s
            given = self._take(count)
            missing = count - len(given) // 3
            if missing:
                begin_s, self._row = self._next_s, self._row + 1
                self._next_s += missing * period_s
            if self.frames <= MORE_SHARE * self._wanted():
                self._wake_thread()
        if missing:
            given.extend(np.asarray(self._source(begin_s, period_s, missing)).tolist())
        return given

    def _goes_on(self, t0_s: float, period_s: float) -> bool:
        return self._period_s == period_s and abs(t0_s - self._next_s) <= 0.5 * period_s

    def _take(self, count: int) -> "list[float]":
        """As many of `count` frames as are ready; they are gone."""
        given: "list[float]" = []
        while self._chunks and len(given) < 3 * count:
            chunk = self._chunks[0]
            wanted = 3 * count - len(given)
            given.extend(chunk[:wanted])
            if wanted < len(chunk):
                self._chunks[0] = chunk[wanted:]
            else:
                del self._chunks[0]
        self.frames -= len(given) // 3
        self._next_s += len(given) // 3 * self._period_s
        return given

    def _wanted(self) -> float:
        """Frames to have ready."""
        return max(AT_ONCE, READY_S / self._period_s)

    def _wake_thread(self) -> None:
        self._change.notify()
        if self.thread is None:
            self.thread = threading.Thread(target=self._run, name="simulated", daemon=True)
            self.thread.start()

    def _run(self) -> None:
        while True:
            with self._change:
                while self.frames >= self._wanted():
                    if not self._change.wait(self._idle_s):
                        self.thread = None
                        return
                row, period_s = self._row, self._period_s
                begin_s = self._next_s + self.frames * period_s
            chunk = np.asarray(self._source(begin_s, period_s, AT_ONCE)).tolist()
            with self._change:
                if row == self._row:
                    self._chunks.append(chunk)
                    self.frames += AT_ONCE
