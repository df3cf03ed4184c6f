"""An event loop in simulated time: whoever sleeps is woken at once, in the right order."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
TURNS_MAX = 100_000  # of the loop at one moment: a task that never waits


class _NoWaiting(selectors.DefaultSelector):
    """`select` moves the time on instead of waiting, once all has been read that has come."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self._turns = 0  # since the time last moved

    def select(self, timeout: float | None = None) -> Any:
        come = super().select(0)
        if timeout is None and not come:
            raise RuntimeError("everybody waits, and nothing is to come")
        wait_s = 0.0 if come or timeout is None else max(0.0, timeout)
        self._turns = 0 if wait_s else self._turns + 1
        if self._turns > TURNS_MAX:
            raise RuntimeError(f"time stands still at {self.now_s} s: somebody waits for nothing")
        self.now_s += wait_s
        return come


class SimLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._simulated = _NoWaiting()
        super().__init__(self._simulated)

    def time(self) -> float:
        return self._simulated.now_s


class SimClock:
    """The clock's port, on a SimLoop. `utc_step_s`: how far the wall clock has been moved."""

    def __init__(self) -> None:
        self.utc_step_s = 0.0

    def monotonic_ns(self) -> int:
        return int(asyncio.get_running_loop().time() * 1e9)

    def utc_ns(self) -> int:
        return self.monotonic_ns() + int((1.79e9 + self.utc_step_s) * 1e9)

    def synced(self) -> bool:
        return True

    def synced_by(self) -> str:
        return "test"

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class SimWorker:
    """A thread's work in simulated time: each call takes `CALL_S`, one after another."""

    CALL_S = 0.01  # a commit on a slow card; reads take less

    def __init__(self, name: str) -> None:
        self._turn = asyncio.Lock()

    async def call(self, function: Any, *arguments: Any) -> Any:
        async with self._turn:
            await asyncio.sleep(self.CALL_S)
            return function(*arguments)

    def stop(self) -> None:
        """There is no thread."""


def simulated(scene: Coroutine[Any, Any, T]) -> T:
    """Runs `scene` in simulated time."""
    with asyncio.Runner(loop_factory=SimLoop) as runner:
        return runner.run(scene)
