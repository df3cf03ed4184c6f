"""Tasks are born here, watched, and restarted with growing delay and a bound.

Past the bound the failure is the agent's: `run` ends with it, the process exits, systemd decides.
"""

import asyncio
import logging

from agent.limits import RESTART_DELAY_S, RESTART_DELAYS_MAX, STEADY_AFTER_S, STOP_WITHIN_S
from agent.ports import SamplingFault

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent.core.bulletin import Bulletin
    from agent.ports import Clock

log = logging.getLogger("latido")


class Supervisor:
    """Runs named coroutines until told to stop; `add` before `run`, in the order of starting."""

    def __init__(self, clock: "Clock", bulletin: "Bulletin") -> None:
        self._clock = clock
        self._bulletin = bulletin
        self._made: "list[tuple[str, Callable[[], Awaitable[None]]]]" = []
        self._tasks: "list[asyncio.Task[None]]" = []
        self._failed = asyncio.Event()
        self.failure = ""  # of what failed too often, a sentence

    def add(self, name: str, make: "Callable[[], Awaitable[None]]") -> None:
        """`make()` gives a new coroutine; called again at each restart."""
        self._made.append((name, make))

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set or a task failed too often; then ends all, last started first."""
        self._tasks = [
            asyncio.create_task(self._keep(name, make), name=name) for name, make in self._made
        ]
        waits = [asyncio.create_task(stop.wait()), asyncio.create_task(self._failed.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await self._end_all()

    async def _end_all(self) -> None:
        for task in reversed(self._tasks):
            task.cancel()
        _, late = await asyncio.wait(self._tasks, timeout=STOP_WITHIN_S)
        for task in late:
            log.error("%s did not stop within %s s", task.get_name(), STOP_WITHIN_S)

    async def _keep(self, name: str, make: "Callable[[], Awaitable[None]]") -> None:
        failures = 0
        while True:
            began_ns = self._clock.monotonic_ns()
            try:
                await make()
                return
            except Exception as error:
                failures = self._count(failures, began_ns) + 1
                log.exception("%s failed (%d)", name, failures)
                self._bulletin.degrade(f"restarted_{name}", failure_words(name, error))
                if failures > RESTART_DELAYS_MAX:
                    self.failure = failure_words(name, error)
                    self._failed.set()
                    return
            await self._clock.sleep(RESTART_DELAY_S * 2 ** (failures - 1))

    def _count(self, failures: int, began_ns: int) -> int:
        """Failures so far; forgotten when the task had run steadily."""
        ran_s = (self._clock.monotonic_ns() - began_ns) / 1e9
        return 0 if ran_s > STEADY_AFTER_S else failures


def failure_words(name: str, error: Exception) -> str:
    """A sentence for people, or, of what should never happen, the error as it is."""
    return str(error) if isinstance(error, SamplingFault) else f"{name} failed: {error!r}"
