"""Days of an agent's delivery, by seed: outages, lost PUBACKs, crashes, a full disk, a dead broker.

The real Recorder, Dater and Deliverer and the real ledger's account, on a store in memory, a link
and a broker that are simulated, in simulated time. A day ends with all healed; then every row that
was ever numbered is at the receiver or has a tombstone there. What a crash took along, numbered or
not, is no older than its lane's interval, and in no boot is anything missing before one that came.
"""

import asyncio
import contextlib
import json
from typing import Any

from agent.core.bulletin import Bulletin
from agent.core.mailbox import Mailbox
from agent.limits import (
    BUNDLES_IN_FLIGHT,
    COMMIT_INTERVAL_S,
    RECORDS_QUEUED,
    STORE_RETRY_S,
)
from agent.ports import ALARM, HISTORY, LANES, LIVE, NewRow, StoreFault
from agent.stages.date import Dater
from agent.stages.deliver import Deliverer
from agent.stages.record import Record, Recorder
from tests.memory_store import Killed, MemoryStore
from tests.scenario.sim_uplink import DEVICE, ROOT, Fuse, SimUpstream, World
from tests.sim_loop import SimClock

ROWS_MAX = 600  # of the store: small, so that days overflow it
HEAL_S = 2 * 3600.0
CUT_SHARE = 0.1  # of the rows are on their way when the link is cut
CRASH_SHARE = 0.02  # or the process killed
FULL_S_MAX = 600.0
STEADY_SHARE = 0.15  # of what a machine tells comes row by row, not in a burst
LIVES = 100  # of a storm
SLACK_S = 0.05  # of a commit's own time
STREAM_S = (0.05, 2.0)  # between rows of a steady machine
EVENTS = 12  # faults a day
AWAITS_LOG2 = 7.0  # at most so many of the store and the link until a death
DEATH_S_MAX = 3.0  # else it comes after a while, at whatever the agent waits for then
PENDING_MAX = len(LANES) * BUNDLES_IN_FLIGHT
TASKS_LEFT_MAX = 20  # of a day that is over, and all that it waits for
FAULTS = ("outage", "cut", "pubacks", "crash", "crash", "full", "clock", "refuse", "broker", "heal")


class DayStore(MemoryStore):
    """One that dies where the fuse says; it counts how often a full disk was noticed."""

    world: World

    async def append(self, rows: list[NewRow], history: list[tuple[str, int, str]]) -> None:
        try:
            await super().append(rows, history)
        except StoreFault:
            self.world.saw["commits that a full disk refused"] += 1
            raise

    def crashed(self) -> "DayStore":
        after = super().crashed()
        assert isinstance(after, DayStore)
        after.world, after.full = self.world, self.full
        return after

    async def _turn(self) -> None:
        await super()._turn()
        self.world.fuse.tick()


class Day:
    """One day of one agent. `deliverer`, `store`: the classes, so that mutants can be tried."""

    def __init__(
        self,
        seed: int,
        promise: str,
        deliverer: type[Deliverer] = Deliverer,
        store: type[DayStore] = DayStore,
    ) -> None:
        self.world = World(seed, promise)
        self._deliverer = deliverer
        self._store = store(rows_max=ROWS_MAX)
        self._store.world = self.world
        self._bulletin = Bulletin()
        self._records = Mailbox(RECORDS_QUEUED)
        self._clock = SimClock()
        self._running: list[asyncio.Task[None]] = []
        self._crashing = asyncio.Lock()
        self._full_until_s = -1e9
        self._made: dict[int, tuple[float, float]] = {}  # of this life: (when, may wait so long)
        self._number = 0  # of rows told
        self._surprises: list[str] = []
        self.tasks_left = 0

    async def run(self) -> None:
        """Lives it, to its end."""
        asyncio.get_running_loop().set_exception_handler(self._unexpected)
        self._start()
        await self._pass()
        await self._end()

    def _unexpected(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What nobody awaited fails the day, but for the end of a life: that is not even logged."""
        error = context.get("exception")
        if not isinstance(error, Killed):
            self._surprises.append(f"{context['message']}: {error!r}")

    async def _pass(self) -> None:
        chance = self.world.random
        loop = asyncio.get_running_loop()
        producing = asyncio.ensure_future(self._produce(loop.time() + 86_400.0))
        for at_s in sorted(chance.uniform(0.0, 86_000.0) for _ in range(EVENTS)):
            await asyncio.sleep(max(0.0, at_s - loop.time()))
            await self._happen(chance.choice(FAULTS))
        await producing

    async def _end(self) -> None:
        """All healed, until nothing is left."""
        loop = asyncio.get_running_loop()
        self._heal()
        await asyncio.sleep(2 * COMMIT_INTERVAL_S[HISTORY])
        end_s = loop.time() + HEAL_S
        while loop.time() < end_s and not await self._all_gone():
            await asyncio.sleep(20.0)
        self.tasks_left = len(asyncio.all_tasks())
        await self._stop()

    def verdict(self) -> None:
        """AssertionError when a row is neither delivered nor tombstoned, or memory grew."""
        assert not self._surprises, self._surprises[:3]
        account = self.world.account
        holes = account.holes()
        assert not holes, f"holes: {holes[:3]}"
        for lane in LANES:
            streams = [stream for key, stream in account.streams.items() if key.lane == lane]
            known = sum(stream.known().count for stream in streams)
            produced = self._store.disk.produced[lane]
            assert known == produced, f"{lane}: {produced} produced, the fate of {known} is known"
        before = self.world.missing_before_others()
        assert not before, f"missing, and later ones came: {before[:3]}"
        assert account.unaccounted(DEVICE) == 0, "the device says that more has gone"
        most, left = self.world.most_pending, self.tasks_left
        assert most <= PENDING_MAX + 1, f"{most} in flight, more than the windows allow"
        assert left <= TASKS_LEFT_MAX, f"{left} tasks are left at the end of the day"

    @property
    def rows(self) -> int:
        """Produced so far."""
        return sum(self._store.disk.produced.values())

    def _start(self) -> None:
        self.world.fuse = Fuse()
        self._bulletin = Bulletin()
        self._records = Mailbox(RECORDS_QUEUED)
        made = self._deliverer(
            self._store,
            SimUpstream(self.world),
            self._clock,
            self._bulletin,
            ROOT,
            self.world.promise,
            lambda: {"uplink": self._bulletin.get("uplink")},
            self.world.random.uniform,
        )
        recorder = Recorder(self._store, self._clock, self._bulletin, self._records)
        self._dater = Dater(self._store, self._clock, self._bulletin, self._records)
        self._dater.look()
        self._running = [asyncio.ensure_future(one) for one in (made.run(), recorder.run())]

    async def _stop(self) -> None:
        for task in self._running:
            task.cancel()
        for ended in await asyncio.gather(*self._running, return_exceptions=True):
            if isinstance(ended, BaseException):
                with contextlib.suppress(asyncio.CancelledError, Killed):
                    raise ended

    async def _produce(self, until_s: float) -> None:
        """Rows in bursts, and now and then a steady machine; some urgent."""
        chance = self.world.random
        while asyncio.get_running_loop().time() < until_s:
            await asyncio.sleep(chance.uniform(1.0, 800.0))
            steady = chance.random() < STEADY_SHARE
            urgent = not steady and chance.random() < 0.1
            for _ in range(chance.choice((1, 1, 5, 60))):
                self._number += 1
                self._tell(self._number, urgent)
                if steady:
                    await asyncio.sleep(chance.uniform(*STREAM_S))
                    await self._disturb(CUT_SHARE / 5)
            await self._disturb(CUT_SHARE)

    def _tell(self, number: int, urgent: bool) -> None:
        uplink = self._bulletin.get("uplink")
        lane = ALARM if urgent else LIVE if uplink and uplink["connected"] else HISTORY
        self._made[number] = (asyncio.get_running_loop().time(), COMMIT_INTERVAL_S[lane])
        self._records.put(Record("verdict", {"n": number}, None, urgent))

    async def _disturb(self, cut_share: float) -> None:
        chance = self.world.random
        what = chance.random()
        if what < CRASH_SHARE / 5:
            await self._crash()
        elif what < cut_share:
            await asyncio.sleep(chance.uniform(0.0, 1.0))
            self.world.cut()

    async def _happen(self, what: str) -> None:
        """One of FAULTS."""
        chance, world = self.world.random, self.world
        if what == "outage":
            world.up = False
            world.cut()
        elif what == "cut":
            world.cut()
        elif what == "pubacks":
            world.puback_lost = chance.choice((0.0, 0.05, 0.2))
        elif what == "crash":
            await self._crash()
        elif what == "full":
            self._store.full = True
            asyncio.get_running_loop().call_later(chance.uniform(1.0, FULL_S_MAX), self._disk_free)
        elif what == "clock":
            self._clock.utc_step_s += chance.uniform(-1e9, 1e9)
            self._dater.look()
        elif what == "refuse":
            world.poison = chance.randint(1, 50)
            world.unburied = chance.choice((0.0, 0.3, 1.0))
        elif what == "broker":
            world.doubled = chance.choice((0.05, 0.5))
            world.forgotten = chance.choice((0.0, 0.05, 0.5)) if self._by_receipt else 0.0
        else:
            self._heal()

    @property
    def _by_receipt(self) -> bool:
        return self.world.promise == "receiver"

    async def _crash(self, within_s: float = DEATH_S_MAX) -> None:
        """The process dies and starts again; now and then the next life is as short."""
        chance = self.world.random
        async with self._crashing:
            for _ in range(chance.choice((1, 1, 1, 2, 3))):
                self.world.fuse.light(int(2.0 ** chance.uniform(0.0, AWAITS_LOG2)))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(chance.uniform(0.0, within_s)):
                        await self.world.fuse.burnt.wait()
                await self._die()

    async def _die(self) -> None:
        """At whatever await it is at."""
        saw = self.world.saw
        saw["crashes"] += 1
        saw["crashes in work of the store or the link"] += self.world.fuse.burnt.is_set()
        saw["rows in memory alone at a crash"] += len(self._store.waiting)
        self._note_full()
        self._store = self._store.crashed()
        self.world.cut()
        await self._stop()
        self._check_what_went()
        self._start()

    def _disk_free(self) -> None:
        self._note_full()
        self._store.full = False

    def _note_full(self) -> None:
        if self._store.full:
            self._full_until_s = asyncio.get_running_loop().time() + STORE_RETRY_S

    def _check_what_went(self) -> None:
        """AssertionError when the crash took a row that should have been safe by then."""
        disk = self._store.disk
        kept = {json.loads(row.body).get("n") for rows in disk.rows.values() for row in rows}
        safe = self.world.arrived | kept | {json.loads(row.body).get("n") for row in disk.buried}
        fuse = self.world.fuse
        end_s = fuse.burnt_s if fuse.burnt.is_set() else asyncio.get_running_loop().time()
        for number, (made_s, interval_s) in self._made.items():
            late = end_s > max(made_s, self._full_until_s) + interval_s + SLACK_S
            assert number in safe or not late, f"row {number} of {made_s} s went at {end_s} s"
        self._made = {}

    def _heal(self) -> None:
        self.world.heal()
        self._disk_free()
        self.world.cut()

    async def _all_gone(self) -> bool:
        return int((await self._store.stats()).backlog_rows) == 0


class Storm(Day):
    """Many short lives of a machine that tells something all the time, and a link that is cut."""

    async def _pass(self) -> None:
        for _ in range(LIVES):
            await self._live()
            await self._crash(0.2)

    async def _live(self) -> None:
        """Until its end comes, at an await or at a time."""
        chance, world, loop = self.world.random, self.world, asyncio.get_running_loop()
        world.poison = chance.choice((None, chance.randint(1, 20)))
        world.unburied = chance.choice((0.0, 0.5))
        world.fuse.light(int(2.0 ** chance.uniform(0.0, AWAITS_LOG2 + 4.0)))
        end_s = loop.time() + chance.uniform(1.0, 8.0)
        while loop.time() < end_s and not world.fuse.burnt.is_set():
            self._number += 1
            self._tell(self._number, chance.random() < 0.01)
            await asyncio.sleep(chance.uniform(0.01, 0.3))
            if chance.random() < 0.02:
                world.cut()
