"""Deliver: the outbox to the broker, oldest first, freed only after the PUBACK.

A sliding window of bundles is in flight; what is acknowledged without a hole before it is freed. A
connection that ends takes nothing with it: what was not acknowledged is sent again on the next one,
and its key (boot, lane, seq) lets the receiver drop the copy.
"""

import asyncio
import json
import random
from collections import deque

from agent.core.wire import bundles
from agent.limits import (
    BUNDLE_BYTES,
    BUNDLE_ROWS,
    BUNDLES_IN_FLIGHT,
    RECONNECT_S_MAX,
    RECONNECT_S_MIN,
    STATUS_INTERVAL_S,
)
from agent.ports import LANES, LinkDown

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from agent.core.bulletin import Bulletin
    from agent.ports import Clock, Link, Store, Upstream

FAREWELL_S = 0.5  # the last words of a clean stop must not hold it up


class Deliverer:
    """`root`: the device's topics; `facts`: a callable with what the status message tells."""

    def __init__(
        self,
        store: "Store",
        upstream: "Upstream",
        clock: "Clock",
        bulletin: "Bulletin",
        root: str,
        facts: "Callable[[], dict[str, Any]]",
    ) -> None:
        self._store = store
        self._upstream = upstream
        self._clock = clock
        self._bulletin = bulletin
        self._root = root
        self._facts = facts

    async def run(self) -> None:
        delay_s = RECONNECT_S_MIN
        await self._tell(False, ["starting", {}])
        while True:
            began_ns = self._clock.monotonic_ns()
            try:
                async with self._upstream.connect() as link:
                    await self._serve(link)
            except LinkDown as down:
                facts = {"place": down.place, "detail": down.detail}
                await self._tell(False, [down.code, facts])
            if self._clock.monotonic_ns() - began_ns > RECONNECT_S_MAX * 1e9:
                delay_s = RECONNECT_S_MIN
            await self._clock.sleep(delay_s * random.uniform(0.5, 1.0))
            delay_s = min(2 * delay_s, RECONNECT_S_MAX)

    async def _serve(self, link: "Link") -> None:
        """Until the link is down: status, rows, and whatever comes in."""
        await self._tell(True, [])
        try:
            await first_to_end([self._drain(link), self._report(link), _discard(link)])
        except asyncio.CancelledError:
            await self._say_goodbye(link)
            raise

    async def _drain(self, link: "Link") -> None:
        flying: "deque[tuple[asyncio.Task[None], str, int]]" = deque()
        after = dict.fromkeys(LANES, 0)
        try:
            while True:
                for lane in LANES:
                    after[lane] = await self._launch(link, flying, lane, after[lane])
                if not flying:
                    await self._store.wait_for_rows()
                    continue
                await flying[0][0]
                await self._ack_landed(flying)
                await self._tell(True, [])
        finally:
            for task, _, _ in flying:
                task.cancel()

    async def _launch(self, link: "Link", flying: "deque[Any]", lane: str, after_id: int) -> int:
        """Fills the window with the oldest rows not yet in flight; the id of the last of them."""
        free = BUNDLES_IN_FLIGHT - len(flying)
        if free <= 0:
            return after_id
        rows = await self._store.oldest(lane, after_id, free * BUNDLE_ROWS)
        for payload, last_id in bundles(rows, lane, BUNDLE_ROWS, BUNDLE_BYTES)[:free]:
            publish = link.publish(f"{self._root}/data/{lane}", payload)
            flying.append((asyncio.ensure_future(publish), lane, last_id))
            after_id = last_id
        return after_id

    async def _ack_landed(self, flying: "deque[Any]") -> None:
        through: "dict[str, int]" = {}
        while flying and flying[0][0].done() and flying[0][0].exception() is None:
            _, lane, last_id = flying.popleft()
            through[lane] = last_id
        for lane, last_id in through.items():
            await self._store.ack(lane, last_id)

    async def _report(self, link: "Link") -> None:
        """The retained status message: at once, then whenever it would say something new."""
        told = b""
        while True:
            status = self._status("online")
            if status != told:
                await link.publish(f"{self._root}/status", status, retain=True)
                told = status
            await self._clock.sleep(STATUS_INTERVAL_S)

    async def _say_goodbye(self, link: "Link") -> None:
        farewell = link.publish(f"{self._root}/status", self._status("offline"), retain=True)
        try:
            await asyncio.wait_for(farewell, FAREWELL_S)
        except (TimeoutError, LinkDown):
            return  # the will says it instead

    def _status(self, state: str) -> bytes:
        status = {"schema": 1, "state": state, "boot": self._store.boot}
        return json.dumps({**status, **self._facts()}, separators=(",", ":")).encode()

    async def _tell(self, connected: bool, reason: "list[Any]") -> None:
        stats = await self._store.stats()
        oldest_s = None
        if stats.oldest_mono_ns is not None:
            age_ns = self._clock.monotonic_ns() - stats.oldest_mono_ns
            oldest_s = round(age_ns / 1e9) if age_ns >= 0 else None
        self._bulletin.post(
            "uplink",
            {
                "connected": connected,
                "produced_rows": stats.produced_rows,
                "delivered_rows": stats.delivered_rows,
                "backlog_rows": stats.backlog_rows,
                "oldest_age_s": oldest_s,
                "reason": reason,
            },
        )


async def _discard(link: "Link") -> None:
    """Incoming messages have no reader yet; listening is how a lost connection is noticed."""
    while True:
        await link.messages()


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
