"""Drain: the store over one connection, until it ends: alarms, then live rows, then history.

Bundles of each lane are under way side by side, in a window; history at a set rate, so that it
takes neither the link nor the disk from what is new. What is free, by the broker's word or by the
receiver's, is freed. A row that the broker refuses is set aside, and its lane goes on. A row that
is larger than the broker said it takes is no fault of the row: it waits for another link, and in
the lanes of live rows and history those behind it wait, too; alarms go past it.
"""

import asyncio
from collections import namedtuple

from agent.core.flights import Flights
from agent.core.wire import (
    SCHEMA,
    TRIAL_LANE,
    Bundle,
    fits,
    fitting,
    payload_room,
    read_receipt,
)
from agent.limits import (
    BUNDLE_BYTES,
    BUNDLE_ROWS,
    BUNDLES_IN_FLIGHT,
    HISTORY_ROWS_PER_S,
    REFUSED_PAUSE_S,
    REFUSED_PAUSE_S_MAX,
    RESEND_S_MAX,
    RESEND_S_MIN,
    TOO_LARGE_LOOK_S,
)
from agent.ports import ALARM, HISTORY, LANES, LIVE, TOMBSTONE, LinkDown, Refused
from agent.stages.pace import Pace
from agent.stages.suspects import POISON_LOSSES, SUDDEN_S, SUSPECT_LOSSES, seen_again

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from agent.core.flights import Flight
    from agent.ports import Clock, Link, Row, Store
    from agent.stages.suspects import Suspect

RECEIVER = "receiver"
TRIAL = f'{{"schema":{SCHEMA},"lane":"{TRIAL_LANE}"}}'.encode()

# A row of `kind` needs a packet of so many bytes, the broker takes `limit_bytes`; until `look_ns`
# its lane stands still.
TooLarge = namedtuple("TooLarge", ("kind", "packet_bytes", "limit_bytes", "look_ns"))


class Drain:
    """One connection's. `changed` is set whenever rows were freed, the receiver fell silent, or a
    row was found that is too large for the broker (`too_large`: {lane: TooLarge}) or is no more.

    `suspects`: {lane: Suspect}, kept by the owner from one connection to the next.
    """

    def __init__(
        self,
        store: "Store",
        clock: "Clock",
        root: str,
        promise: str,
        suspects: "dict[str, Suspect]",
        rows_per_s: float = HISTORY_ROWS_PER_S,
    ) -> None:
        self._store = store
        self._clock = clock
        self._root = root
        self._by_receipt = promise == RECEIVER
        self._suspects = suspects
        self.changed = asyncio.Event()
        self._pace = Pace(rows_per_s)
        self.lanes = {lane: Flights(BUNDLES_IN_FLIGHT, self._by_receipt) for lane in LANES}
        self._tasks: "set[asyncio.Task[None]]" = set()
        self._wake = asyncio.Event()
        self._failed: "BaseException | None" = None
        self._pause_s = REFUSED_PAUSE_S
        self._taken = asyncio.Event()  # the broker has taken rows
        self.too_large: "dict[str, TooLarge]" = {}

    @property
    def silent(self) -> bool:
        """The receiver has not answered for one wait or more."""
        return any(flights.probing for flights in self.lanes.values())

    async def run(self, link: "Link") -> None:
        """Until LinkDown."""
        try:
            await self._begin(link)
            while True:
                waiting = await self._launch_all(link)
                await self._something(waiting)
                if self._failed is not None:
                    raise self._failed
                await self._free()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def take(self, topic: str, payload: bytes) -> None:
        """An incoming message; what is no receipt of ours is passed over."""
        receipt = read_receipt(payload) if topic == f"{self._root}/ack" else None
        if receipt is not None and receipt[1] in self.lanes:
            boot, lane, through = receipt
            self.lanes[lane].receipt(boot, through)
            self._wake.set()

    def note_suspects(self, sudden: bool) -> bool:
        """After the end of the connection: which bundle each lane had under way; whether any."""
        now_ns = self._clock.monotonic_ns()
        any_under_way = False
        for lane, flights in self.lanes.items():
            oldest = flights.oldest
            if oldest is None or oldest.landed_ns is not None:
                continue
            any_under_way = True
            if sudden and now_ns - oldest.launched_ns < SUDDEN_S * 1e9:
                rows = oldest.bundle.rows
                known = self._suspects.get(lane)
                self._suspects[lane] = seen_again(known, rows[0].id, rows[-1].id)
        return any_under_way

    async def _begin(self, link: "Link") -> None:
        for lane in LANES:
            suspect = self._suspects.get(lane)
            if suspect is not None and suspect.times >= POISON_LOSSES:
                reason = "the connection ends when it is sent"
                await self._store.set_aside(lane, [(suspect.first_id, reason)])
                del self._suspects[lane]
            elif suspect is not None and suspect.times == POISON_LOSSES - 1:
                await self._try_other(link, lane, suspect)
            await self._find_first(lane)

    async def _try_other(self, link: "Link", lane: str, suspect: "Suspect") -> None:
        """Before the last try of a row: where another message ends the connection, too, it is not
        the row, but a right that MQTT 3.1.1 has no word for. LinkDown then, and nothing is counted.
        """
        try:
            await link.publish(self._topic(TRIAL_LANE), TRIAL)
        except Refused:
            self._suspects[lane] = suspect._replace(times=SUSPECT_LOSSES)

    async def _find_first(self, lane: str) -> None:
        """What lies before the oldest row that is left has gone, acknowledged or given up."""
        first = await self._store.oldest(lane, 0, 1)
        if first:
            before_id = (first[0].id & ~0xFFFFFFFF) + _first_seq(first[0]) - 1
            self.lanes[lane].begin_after(before_id)

    async def _launch_all(self, link: "Link") -> "tuple[str, ...]":
        """Fills the windows by urgency; the lanes that have room and no rows."""
        waiting: "tuple[str, ...]" = ()
        for lane in LANES:
            more = await self._launch(link, lane)
            if more or not self._slots():
                break  # what is less urgent waits
            if self._has_room(lane) and not self._stands_still(lane):
                waiting += (lane,)
        return waiting

    def _has_room(self, lane: str) -> bool:
        """A lane with a suspect sends one row at a time: what comes behind it is not waited for."""
        flights = self.lanes[lane]
        return bool(flights.room) and not (self._is_careful(lane) and flights.oldest)

    def _is_careful(self, lane: str) -> bool:
        suspect = self._suspects.get(lane)
        return suspect is not None and suspect.times >= SUSPECT_LOSSES

    async def _launch(self, link: "Link", lane: str) -> bool:
        """Whether rows of the lane may be left that could not go for want of room."""
        flights, careful = self.lanes[lane], self._is_careful(lane)
        while self._has_room(lane) and self._slots() and not self._stands_still(lane):
            limit = 1 if careful else flights.room * BUNDLE_ROWS
            if lane == HISTORY:
                limit = min(limit, self._pace.allowed(self._clock.monotonic_ns()))
            rows = await self._store.oldest(lane, flights.after_id, limit) if limit else []
            if not rows:
                return False
            await self._start_all(link, lane, rows)
        return not (careful or flights.probing or self._stands_still(lane))

    async def _start_all(self, link: "Link", lane: str, rows: "list[Row]") -> None:
        """As many of them as there is room for, in packets that the broker takes."""
        room = payload_room(link.packet_bytes_max, self._topic(lane))
        made = fitting(rows, BUNDLE_ROWS, BUNDLE_BYTES, room)
        narrow = lane == LIVE and room is not None and room < BUNDLE_BYTES and len(made) > 1
        if narrow and (await self._store.held())[0]:
            made = made[:1]  # nothing goes behind a row that is in memory alone
        for bundle in made[: min(self.lanes[lane].room, self._slots())]:
            if fits(bundle, room):
                self._start(link, lane, bundle)
            elif not self._pass(link, lane, bundle):
                return

    def _pass(self, link: "Link", lane: str, bundle: "Bundle") -> bool:
        """A row that is too large for the broker waits; whether those behind it go."""
        limit = link.packet_bytes_max or 0
        room = payload_room(limit, self._topic(lane)) or 0
        look_ns = self._clock.monotonic_ns() + int(TOO_LARGE_LOOK_S * 1e9)
        found = TooLarge(bundle.rows[0].kind, bundle.bytes_most() - room + limit, limit, look_ns)
        if lane != ALARM or lane not in self.too_large:
            self.too_large[lane] = found
        self.changed.set()
        if lane == ALARM:
            self.lanes[lane].pass_over(bundle.last_id)
        return lane == ALARM

    def _stands_still(self, lane: str) -> bool:
        found = self.too_large.get(lane) if lane != ALARM else None
        return found is not None and self._clock.monotonic_ns() < found.look_ns

    def _topic(self, lane: str) -> str:
        return f"{self._root}/data/{lane}"

    def _slots(self) -> int:
        """Bundles that may still be held: one that a receipt freed is held until its PUBACK."""
        return len(LANES) * BUNDLES_IN_FLIGHT - len(self._tasks)

    def _start(self, link: "Link", lane: str, bundle: "Bundle") -> None:
        flights = self.lanes[lane]
        if lane != ALARM and lane in self.too_large:
            del self.too_large[lane]
            self.changed.set()  # thinned or evicted meanwhile
        flight = flights.launch(bundle, self._clock.monotonic_ns())
        if lane == HISTORY:
            self._pace.spend(len(bundle.rows))
        task = asyncio.ensure_future(self._fly(link, lane, flight))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failed = self._failed or task.exception()
        self._wake.set()

    async def _fly(self, link: "Link", lane: str, flight: "Flight") -> None:
        rows = flight.bundle.rows
        try:
            await self._send(link, lane, flight.bundle)
        except Refused as refused:
            if (
                len(rows) > 1
                or rows[0].kind == TOMBSTONE
                or await self._is_the_row(link, lane, rows)
            ):
                await self._one_by_one(link, lane, rows, str(refused))
        flight.landed_ns = self._clock.monotonic_ns()

    async def _send(self, link: "Link", lane: str, bundle: "Bundle") -> None:
        await link.publish(self._topic(lane), bundle.payload(self.lanes[lane].freed_id))
        self._taken.set()

    async def _is_the_row(self, link: "Link", lane: str, rows: "list[Row]") -> bool:
        """Whether the broker takes others and not this one, which was refused alone: it is tried
        again until others have gone. False: it has gone itself.
        """
        while not self._taken.is_set():
            await self._pause_or_taken()
            try:
                await self._send(link, lane, Bundle(rows))
                return False
            except Refused:
                continue
        return True

    async def _one_by_one(self, link: "Link", lane: str, rows: "list[Row]", reason: str) -> None:
        """Finds the rows of a bundle that the broker refuses, and sets them aside.

        A row may go by itself while one before it does not: so all are on the disk first. What
        tombstones tell is carried on: they alone are no sign that the broker refuses everything.
        """
        if (await self._store.held())[0]:
            await self._store.append([], [])
        refused = [(rows[0], reason)] if len(rows) == 1 else []
        for row in rows if len(rows) > 1 else ():
            try:
                await self._send(link, lane, Bundle([row]))
            except Refused as error:
                refused.append((row, str(error)))
        if len(refused) == len(rows) > 1 and any(row.kind != TOMBSTONE for row in rows):
            raise LinkDown("refuses_all", "", reason)  # then it is not the rows
        if any(row.kind == TOMBSTONE for row, _ in refused):
            await self._pause()
        await self._store.set_aside(lane, [(row.id, said) for row, said in refused])

    async def _pause(self) -> None:
        """A broker that refuses accounts gets each one anew, as another row: ever less often."""
        pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, REFUSED_PAUSE_S_MAX)
        await self._clock.sleep(pause_s)

    async def _pause_or_taken(self) -> None:
        waits = [asyncio.ensure_future(self._pause()), asyncio.ensure_future(self._taken.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _something(self, waiting: "tuple[str, ...]") -> None:
        """Waits until a bundle lands, a receipt or a row comes, or a time is over."""
        waits: "list[asyncio.Future[Any]]" = [asyncio.ensure_future(self._wake.wait())]
        paced_s = self._pace.wait_s()
        times = [self._resend_in_s(), self._look_in_s()]
        if HISTORY in waiting and paced_s > 0:
            waiting = tuple(lane for lane in waiting if lane != HISTORY)
            times.append(paced_s)
        if waiting:
            waits.append(asyncio.ensure_future(self._store.wait_for_rows(waiting)))
        ends = [time for time in times if time is not None]
        if ends:
            waits.append(asyncio.ensure_future(self._clock.sleep(max(0.0, min(ends)))))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        self._wake.clear()

    def _resend_in_s(self) -> "float | None":
        """Until the first lane has waited too long for a receipt; None when none waits."""
        now_ns = self._clock.monotonic_ns()
        times = []
        for flights in self.lanes.values():
            since_ns = flights.overdue_ns()
            if since_ns is not None:
                times.append(_patience_s(flights) - (now_ns - since_ns) / 1e9)
        return min(times) if times else None

    def _look_in_s(self) -> "float | None":
        """Until a lane that stands still is looked at again; None when none does."""
        now_ns = self._clock.monotonic_ns()
        stand_still = [lane for lane in self.too_large if self._stands_still(lane)]
        looks = [self.too_large[lane].look_ns - now_ns for lane in stand_still]
        return min(looks) / 1e9 if looks else None

    async def _free(self) -> None:
        for lane, flights in self.lanes.items():
            through_id = flights.free()
            if through_id:
                await self._store.ack(lane, through_id)
                suspect = self._suspects.get(lane)
                if suspect is not None and through_id >= suspect.last_id:
                    del self._suspects[lane]
                self.changed.set()
        await self._send_again()

    async def _send_again(self) -> None:
        """What has waited too long for the receiver's word, without what it has of it.

        It may wait for a tombstone that the broker refuses: what lies before the oldest row that is
        left has gone, says the next bundle, and the receiver's word goes on from there.
        """
        now_ns = self._clock.monotonic_ns()
        for lane, flights in self.lanes.items():
            since_ns = flights.overdue_ns()
            if since_ns is not None and now_ns - since_ns >= _patience_s(flights) * 1e9:
                through_id = flights.rewind()
                if through_id:
                    await self._store.ack(lane, through_id)
                await self._find_first(lane)
                self.changed.set()


def _patience_s(flights: "Flights") -> float:
    """How long a receipt is waited for: twice as long after each silence."""
    return float(min(RESEND_S_MIN * 2**flights.silent_rounds, RESEND_S_MAX))


def _first_seq(row: "Row") -> int:
    first: int = row.first_seq or row.id & 0xFFFFFFFF
    return first
