"""Lives of a store in processes of their own, killed at any moment, on a disk that fills and frees.

The parent is the other program that fills the disk, and the receiver: it holds what was promised
against what was delivered, is held, or was told as given up.
"""

import asyncio
import contextlib
import json
import multiprocessing
import random
import signal
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any

from agent.adapters.store_sqlite import SqliteStore
from agent.ports import ALARM, HISTORY, LANES, LIVE, TOMBSTONE, NewRow, StoreFault, row_boot
from tests.small_disk import SmallDisk

# Forked from a process without threads, which has imported what a life needs.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.adapters.full_disk_life"])
WEIGHTS = {HISTORY: 8, LIVE: 4, ALARM: 4, "ack": 4, "setting": 1, "capture": 1}


class Life:
    """What one process does with the store; `tell`: each promise, once it is one."""

    def __init__(self, store: SqliteStore, disk: SmallDisk, seed: str, tell: Connection) -> None:
        self.store, self.disk, self.tell = store, disk, tell
        self.chance = random.Random(seed)
        self.number = 0
        self.seed = seed

    async def run(self, steps: int) -> None:
        notes = await self.store.open()
        assert not any("damaged" in note or "lost" in note for note in notes), (self.seed, notes)
        for _ in range(steps):
            (what,) = self.chance.choices(list(WEIGHTS), list(WEIGHTS.values()))
            if what in LANES:
                await self.append(what)
            elif what == "ack":
                await self.deliver(self.chance.choice(LANES))
            else:
                await self.write(what)
            for lane in (await self.store.stats()).lanes:
                whole = lane.delivered + lane.evicted + lane.refused + lane.backlog
                assert lane.produced == whole and lane.backlog >= 0, (self.seed, lane)
        await self.store.close()

    async def append(self, lane: str) -> None:
        count = self.chance.choice([1, 3]) if lane == ALARM else self.chance.choice([5, 60, 250])
        size = self.chance.choice([20, 200, 600])
        names = [f"{self.seed}/{self.number + n}" for n in range(count)]
        self.number += count
        rows = [
            NewRow(lane, self.number, "verdict", json.dumps([n, self.chance.randbytes(size).hex()]))
            for n in names
        ]
        try:
            await self.store.append(rows, [("m", self.number, '"past"')])
        except StoreFault as fault:
            assert lane != ALARM or not self.reserve(), f"{self.seed}: {fault}"
            return
        self.tell.send(("kept", lane, self.store.boot, names))

    def reserve(self) -> int:
        ballast = self.disk.state / "ballast"
        return ballast.stat().st_size if ballast.exists() else 0

    async def deliver(self, lane: str) -> None:
        held = await self.store.oldest(lane, 0, self.chance.choice([1, 40, 400]))
        if held:
            self.tell.send(("delivered", lane, [(row.kind, row.body) for row in held]))
            await self.store.ack(lane, held[-1].id)

    async def write(self, what: str) -> None:
        with contextlib.suppress(StoreFault):
            if what == "setting":
                value = self.chance.randbytes(9000).hex()
                self.tell.send(("tried", value))
                await self.store.put_setting("k", value)
                self.tell.send(("setting", value))
            else:
                await self.store.keep_capture("m", 1, "{}", self.chance.randbytes(40_000), b"x")


def live(disk: SmallDisk, seed: str, steps: int, tell: Connection) -> None:
    life = Life(SqliteStore(str(disk.state)), disk, seed, tell)
    asyncio.run(life.run(steps))
    tell.send(("end",))


class Account:
    """What was promised, and what became of it."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[str, int, int]] = {}
        self.counts: dict[tuple[str, int], int] = {}
        self.delivered: set[str] = set()
        self.gone: list[dict[str, Any]] = []
        self.tried = [""]
        self.setting = ""

    def take(self, told: tuple[Any, ...]) -> None:
        if told[0] == "kept":
            _, lane, boot, names = told
            for name in names:
                self.counts[lane, boot] = self.counts.get((lane, boot), 0) + 1
                self.kept[name] = (lane, boot, self.counts[lane, boot])
        elif told[0] == "delivered":
            for kind, body in told[2]:
                self.note(kind, body)
        elif told[0] == "tried":
            self.tried.append(told[1])
        elif told[0] == "setting":
            self.setting = told[1]

    def note(self, kind: str, body: str) -> None:
        if kind == TOMBSTONE:
            one = json.loads(body)
            self.gone += [one, *one.get("also", [])]
        else:
            self.delivered.add(json.loads(body)[0])

    def missing(self) -> list[str]:
        """Promised rows that are neither delivered nor told as gone; no alarm may be gone."""
        return [
            name
            for name, (lane, boot, seq) in self.kept.items()
            if name not in self.delivered and not (lane != ALARM and self._is_gone(lane, boot, seq))
        ]

    def _is_gone(self, lane: str, boot: int, seq: int) -> bool:
        return any(
            one["lane"] == lane and one["boot"] == boot and one["seq_from"] <= seq <= one["seq_to"]
            for one in self.gone
        )


def lives(disk: SmallDisk, seed: int, count: int) -> Account:
    """`count` lives of up to 90 steps, about half of them killed; the disk in between at random."""
    chance, account = random.Random(seed), Account()
    for number in range(count):
        before = chance.choice([0, 0, None, chance.randrange(2**20)])
        disk.free() if before is None else disk.fill(before)
        here, there = PROCESSES.Pipe(duplex=False)
        process = PROCESSES.Process(
            target=live, args=(disk, f"{seed}/{number}", chance.randint(20, 90), there)
        )
        process.start()
        there.close()
        deadline = chance.choice([10**6, chance.randrange(60)])
        _watch(process, here, (disk, chance, account), deadline)
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL), f"seed {seed}/{number}"
    return account


def _watch(process: Any, here: Connection, rest: tuple[Any, ...], deadline: int) -> None:
    disk, chance, account = rest
    for place, told in enumerate(_lines(here)):
        account.take(told)
        if place == deadline:
            process.kill()
        if chance.random() < 0.1:
            chance.choice([disk.fill, disk.fill, disk.free])()


def _lines(here: Connection) -> Iterator[tuple[Any, ...]]:
    with contextlib.suppress(EOFError, OSError):  # a kill may tear what is being told
        while True:
            yield here.recv()


async def settle(disk: SmallDisk, account: Account) -> str:
    """The last life, on a disk with room: all that is held is delivered; the setting is read."""
    store = SqliteStore(str(disk.state))
    await store.open()
    for lane in LANES:
        for row in await store.oldest(lane, 0, 10**6):
            account.note(row.kind, row.body)
            assert row_boot(row.id) <= store.boot
    setting = await store.get_setting("k")
    await store.close()
    return setting or ""
