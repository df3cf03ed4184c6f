"""One thread that does blocking work in order, for its one owner. The event loop only waits."""

import asyncio
import threading
from collections import deque

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

STOP_WAIT_S = 2.0


class Worker:
    """`call` runs a function on the thread; calls run one after another, in the order given."""

    def __init__(self, name: str) -> None:
        self._jobs: "deque[Any]" = deque()
        self._wake = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def call(self, function: "Callable[..., Any]", *arguments: "Any") -> "Any":
        """What `function` returns or raises. If the wait is cancelled the work is still done."""
        loop = asyncio.get_running_loop()
        answer: "asyncio.Future[Any]" = loop.create_future()
        with self._wake:
            if self._ended:
                raise RuntimeError(f"worker {self._thread.name} has ended")
            self._jobs.append((loop, answer, function, arguments))
            self._wake.notify()
        return await answer

    def stop(self) -> None:
        """Finishes what was called, then ends the thread."""
        with self._wake:
            self._ended = True
            self._wake.notify()
        self._thread.join(timeout=STOP_WAIT_S)

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._jobs and not self._ended:
                    self._wake.wait()
                if not self._jobs:
                    return
                loop, answer, function, arguments = self._jobs.popleft()
            result, error = _outcome(function, arguments)
            if not loop.is_closed():
                loop.call_soon_threadsafe(_settle, answer, result, error)


def _outcome(
    function: "Callable[..., Any]", arguments: "tuple[Any, ...]"
) -> "tuple[Any, BaseException | None]":
    try:
        return function(*arguments), None
    except Exception as error:  # carried to the caller, who awaits it
        return None, error


def _settle(answer: "asyncio.Future[Any]", result: "Any", error: "BaseException | None") -> None:
    if answer.cancelled():
        return
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(result)
