"""Agents and stores with one promise broken each, that the days must catch."""

import asyncio
import json
from typing import Any

from agent.ports import LIVE, TOMBSTONE, NewRow
from agent.stages.deliver import Deliverer
from tests.links import PlainLink
from tests.scenario.days import DayStore


class AckBeforePublish(Deliverer):
    """The mutant: frees rows before they are sent."""

    async def _serve(self, link: Any) -> None:
        await super()._serve(_Hasty(link, self._store))


class _Hasty(PlainLink):
    """A link that says PUBACK first and sends afterwards."""

    def __init__(self, link: Any, store: Any) -> None:
        self._link = link
        self._store = store

    async def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        if not retain:
            held = json.loads(payload)
            last = held["boot"] << 32 | held["rows"][-1]["seq"]
            await self._store.ack(held["lane"], last)
        await self._link.publish(topic, payload, retain)

    async def subscribe(self, topics: list[str]) -> None:
        await self._link.subscribe(topics)

    async def messages(self) -> tuple[str, bytes]:
        got: tuple[str, bytes] = await self._link.messages()
        return got


class SendsFourfold(Deliverer):
    """The mutant: copies are harmless, and take four times the memory."""

    async def _serve(self, link: Any) -> None:
        await super()._serve(_Eager(link))


class _Eager(PlainLink):
    """A link that sends everything four times at once."""

    def __init__(self, link: Any) -> None:
        self.subscribe, self.messages, self._publish = link.subscribe, link.messages, link.publish

    async def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        await asyncio.gather(*[self._publish(topic, payload, retain) for _ in range(4)])


class SendsBehindTheUnsafe(DayStore):
    """The mutant: gives rows that are in memory alone while one before them is, and under way."""

    def _given(self, lane: str, after_id: int) -> list[Any]:
        return [row for row in self.waiting if lane == LIVE and row.id > after_id]


class ForgetsNumbers(DayStore):
    """The mutant: a life after a crash does not give up what the last one may have used."""

    def _end_boots_before(self) -> None:
        self.disk.marks.clear()


class CarriesNothingOn(DayStore):
    """The mutant: when a tombstone is refused, what it told is told no more."""

    async def set_aside(self, lane: str, refused: list[tuple[int, str]]) -> None:
        untold = [n for n, row in enumerate(self.disk.rows[lane]) if row.kind == TOMBSTONE]
        for n in untold:
            row = self.disk.rows[lane][n]
            if any(row.id == identity for identity, _ in refused):
                self.disk.rows[lane][n] = row._replace(kind="verdict")
        await super().set_aside(lane, refused)


class TellsLater(DayStore):
    """The mutant: a tombstone has a transaction of its own, after the one that lost the rows."""

    _later: tuple[dict[str, Any], ...] = ()

    async def append(self, rows: list[NewRow], history: list[tuple[str, int, str]]) -> None:
        await super().append(rows, history)
        self._tell_now()

    async def set_aside(self, lane: str, refused: list[tuple[int, str]]) -> None:
        await super().set_aside(lane, refused)
        self._tell_now()

    def _tell_now(self) -> None:
        later, self._later = self._later, ()
        super()._tell(list(later))

    def _tell(self, accounts: list[dict[str, Any]]) -> None:
        if hasattr(self, "world"):
            self._later = (*self._later, *accounts)
        else:  # of the boots before, at the start
            super()._tell(accounts)
