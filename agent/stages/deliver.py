"""Deliver: connects again and again, and over each connection drains the store.

A row is freed only after its PUBACK, or, where the settings say so, after the receiver's receipt.
A connection that ends takes nothing with it: what was not freed is sent again on the next one, and
its key (boot, lane, seq) lets the receiver drop the copy. No network at the start is normal.
"""

import asyncio
import random

from agent.core.bulletin import UNSAVED_ALARMS
from agent.limits import (
    RECONNECT_S_MAX,
    RECONNECT_S_MIN,
    STATUS_INTERVAL_S,
    TELL_INTERVAL_S,
    UNSAVED_LOOK_S,
)
from agent.ports import ALARM, LANES, LOST, LinkDown, StoreFault, StoreStats
from agent.stages.drain import RECEIVER, Drain
from agent.stages.status import StatusMessage
from agent.stages.twin import Twin

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from agent.core.bulletin import Bulletin
    from agent.ports import Clock, Link, Store, Upstream
    from agent.stages.suspects import Suspect

FAREWELL_S = 0.5  # the last words of a clean stop must not hold it up
TOO_LARGE_MODE = "too_large"


class Deliverer:
    """`root`: the device's topics; `promise`: whose word frees a row, "broker" or "receiver".

    `facts`: a callable with what the status message tells. `uniform`: as random.uniform, for the
    jitter between attempts to connect.
    """

    def __init__(
        self,
        store: "Store",
        upstream: "Upstream",
        clock: "Clock",
        bulletin: "Bulletin",
        root: str,
        promise: str,
        facts: "Callable[[], dict[str, Any]]",
        uniform: "Callable[[float, float], float]" = random.uniform,
    ) -> None:
        self._store = store
        self._upstream = upstream
        self._clock = clock
        self._bulletin = bulletin
        self._root = root
        self._promise = promise
        self._facts = facts
        self._uniform = uniform
        self._message = StatusMessage(f"{root}/status", clock, bulletin)
        self._twin = Twin(bulletin)
        self._suspects: "dict[str, Suspect]" = {}
        self._under_way = False  # when the last connection ended
        self._blind = False
        self._stats = StoreStats(0, 0, 0, None, 0, 0, 0, ())

    async def run(self) -> None:
        delay_s = RECONNECT_S_MIN
        await self._tell(["starting", {}])
        while True:
            began_ns = self._clock.monotonic_ns()
            try:
                async with self._upstream.connect() as link:
                    await self._serve(link)
            except LinkDown as error:
                down = self._twin.ended(error, self._clock.monotonic_ns(), self._under_way)
                await self._tell([down.code, {"place": down.place, "detail": down.detail}])
            except StoreFault as fault:
                await self._tell(["store", {"place": "", "detail": str(fault)}])
            if self._clock.monotonic_ns() - began_ns > RECONNECT_S_MAX * 1e9:
                delay_s = RECONNECT_S_MIN
            await self._clock.sleep(delay_s * self._uniform(0.5, 1.0))
            delay_s = min(2 * delay_s, RECONNECT_S_MAX)

    async def _serve(self, link: "Link") -> None:
        """Until the link is down: status, rows, and whatever comes in."""
        drain = Drain(self._store, self._clock, self._root, self._promise, self._suspects)
        self._blind = self._promise != RECEIVER and not link.tells_refusals
        if self._promise == RECEIVER:
            await link.subscribe([f"{self._root}/ack"])
        self._message.begin(link)
        await self._message.say(link, self._status("online"))
        self._twin.greeted(self._clock.monotonic_ns())
        await self._tell([], drain)
        try:
            parts = [
                drain.run(link),
                self._report(link, drain),
                _listen(link, drain),
                self._count(drain),
            ]
            await first_to_end(parts)
        except LinkDown as down:
            self._under_way = drain.note_suspects(down.code == LOST)
            raise
        except asyncio.CancelledError:
            await self._say_goodbye(link)
            raise

    async def _report(self, link: "Link", drain: "Drain") -> None:
        """The retained status message, whenever it would say something new.

        It counts up to now: a receiver that just began to listen has not missed what it counts.
        """
        while True:
            unsaved = self._bulletin.get(UNSAVED_ALARMS)
            self._twin.lasts(self._clock.monotonic_ns())
            await self._tell([], drain)
            await self._message.say(link, self._status("online"))
            await first_to_end([self._clock.sleep(STATUS_INTERVAL_S), self._other_alarms(unsaved)])

    async def _other_alarms(self, told: "list[Any] | None") -> None:
        """Until other alarms than `told` have nothing but the status message to go with.

        Looked at now and then: to be woken by each change of the bulletin cost 0.15 % of a core.
        """
        while self._bulletin.get(UNSAVED_ALARMS) == told:
            await self._clock.sleep(UNSAVED_LOOK_S)

    async def _count(self, drain: "Drain") -> None:
        """The counts on the page: when they change, and not more often than a person reads."""
        while True:
            await drain.changed.wait()
            drain.changed.clear()
            self._tell_too_large(drain)
            await self._tell([], drain)
            await self._clock.sleep(TELL_INTERVAL_S)

    async def _say_goodbye(self, link: "Link") -> None:
        farewell = self._message.say(link, self._status("offline"))
        try:
            await asyncio.wait_for(farewell, FAREWELL_S)
        except (TimeoutError, LinkDown):
            return  # the will says it instead

    def _status(self, state: str) -> "dict[str, Any]":
        return {"schema": 1, "state": state, "boot": self._store.boot, **self._facts()}

    def _tell_too_large(self, drain: "Drain") -> None:
        """Rows that wait because the broker takes no packet of their size."""
        for lane in LANES:
            mode, found = f"{TOO_LARGE_MODE}.{lane}", drain.too_large.get(lane)
            if found is None:
                self._bulletin.recover(mode)
                continue
            behind = "those behind it go" if lane == ALARM else "those behind it wait, too"
            self._bulletin.degrade(
                mode,
                f"a row ({found.kind}) of the lane {lane} waits, {behind}: it needs a packet of "
                f"{found.packet_bytes} bytes, the broker takes {found.limit_bytes} at most",
            )

    async def _tell(self, reason: "list[Any]", drain: "Drain | None" = None) -> None:
        """Posts the counts; `drain`: of the connection, when there is one."""
        try:
            self._stats = await self._store.stats()
        except StoreFault:
            pass  # what was known before; the keeper says that the store cannot be read
        stats = self._stats
        oldest_s = None
        if stats.oldest_mono_ns is not None:
            age_ns = self._clock.monotonic_ns() - stats.oldest_mono_ns
            oldest_s = round(age_ns / 1e9) if age_ns >= 0 else None
        self._bulletin.post(
            "uplink",
            {
                "connected": drain is not None,
                "promise": self._promise,
                "file": stats.file,
                "receiver_silent": drain is not None and drain.silent,
                "refusals_unseen": drain is not None and self._blind,
                "produced_rows": stats.produced_rows,
                "delivered_rows": stats.delivered_rows,
                "backlog_rows": stats.backlog_rows,
                "oldest_age_s": oldest_s,
                "reason": reason,
                "lanes": {lane.lane: _account(lane) for lane in stats.lanes},
            },
        )


def _account(lane: "Any") -> "dict[str, int]":
    """Of one lane since its file began: produced = delivered + evicted + refused + backlog."""
    names = ("produced", "delivered", "evicted", "refused", "backlog", "unsure", "seq", "before")
    return {name: getattr(lane, name) for name in names}


async def _listen(link: "Link", drain: "Drain") -> None:
    """What comes in; and listening is how a lost connection is noticed."""
    while True:
        topic, payload = await link.messages()
        drain.take(topic, payload)


async def first_to_end(coroutines: "list[Coroutine[Any, Any, None]]") -> None:
    """Runs them side by side until one ends or fails; ends the others, then raises its error."""
    tasks = [asyncio.ensure_future(one) for one in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
