"""Capture: the windows that an analyser set apart, decoded, with their spectrum, into the store."""

import json
from collections import namedtuple

from agent.analysis.capture import recording, spectrum
from agent.analysis.decode import decode
from agent.limits import CAPTURES_QUEUED
from agent.ports import StoreFault

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from agent.core.bulletin import Bulletin
    from agent.core.mailbox import Mailbox
    from agent.ports import Store

MODE = "captures"
assert CAPTURES_QUEUED > 0

# A window that changed a machine's state; `layout`: of its raw frames; `body`: the state's row.
Taken = namedtuple("Taken", ("machine", "window", "layout", "body"))


class Capturer:
    """`aside`: runs a function where it does not hold the loop up."""

    def __init__(
        self,
        store: "Store",
        bulletin: "Bulletin",
        taken: "Mailbox",
        aside: "Callable[..., Awaitable[Any]]",
    ) -> None:
        self._store = store
        self._bulletin = bulletin
        self._taken = taken
        self._aside = aside

    async def run(self) -> None:
        while True:
            await self._keep(await self._taken.get())

    async def _keep(self, taken: "Taken") -> None:
        made, lines = await self._aside(_archives, taken)
        facts = json.dumps(taken.body, separators=(",", ":"), allow_nan=False)
        try:
            moment = (taken.machine, taken.window.end_ns)
            await self._store.keep_capture(*moment, facts, made, lines)
        except StoreFault as fault:
            self._bulletin.degrade(
                MODE, f"{taken.machine}: an alarm's window was not kept: {fault}"
            )
            return
        if MODE in self._bulletin.get("degraded"):
            self._bulletin.recover(MODE)


def _archives(taken: "Taken") -> "tuple[bytes, bytes]":
    values = decode(taken.window.raw, taken.layout)
    rate_hz = taken.window.rate_hz
    return recording(values, rate_hz), spectrum(values, rate_hz)
