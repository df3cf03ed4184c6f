"""What the store is asked to keep while its disk is being recorded, and what it has promised.

python -m tests.powercut.workload STATE_DIR MARK_FILE SYNCHRONOUS SEED ROUNDS

As in the agent, rows are of the lane history while the link is down. While it is up live rows are
held in memory, sent from there, and acknowledged or, when nobody answers, written.
"""

import asyncio
import hashlib
import json
import random
import sys
from typing import Any

from agent.adapters.store_sqlite import SqliteStore
from agent.ports import ALARM, HISTORY, LANES, LIVE, NewRow, row_id

STARTS = 3  # of the store: closing and opening are moments of their own
LINK_CHANGES = 0.1  # of the rounds
SENT_ROWS = 50


def body_of(boot: int, lane: str, seq: int) -> str:
    """A body that only this row can have, hard to compress."""
    fill = "".join(hashlib.sha256(f"{boot} {lane} {seq} {n}".encode()).hexdigest() for n in "abcd")
    return json.dumps({"seq": seq, "fill": fill})


class Told:
    """What is promised at a moment, over all starts; each mark in the log is one of these.

    `promised`, `sent`, `acked`: {lane: id} through which rows are on the disk, may have reached the
    receiver, and were acknowledged. `used`: {lane: [[boot, seq]]}, the numbers of each boot.
    """

    def __init__(self, mark: Any) -> None:
        self._mark = mark
        self.boot = 0
        self.promised = dict.fromkeys(LANES, 0)
        self.sent = dict.fromkeys(LANES, 0)
        self.acked = dict.fromkeys(LANES, 0)
        self.used: dict[str, list[list[int]]] = {lane: [] for lane in LANES}
        self.setting = 0

    def begin(self, boot: int) -> None:
        self.boot, self.setting = boot, 0
        for lane in LANES:
            self.used[lane].append([boot, 0])

    def number(self, lane: str, count: int) -> range:
        """The numbers of so many new rows."""
        first = self.used[lane][-1][1] + 1
        self.used[lane][-1][1] += count
        return range(first, first + count)

    def keep_all(self) -> None:
        """A commit has returned: nothing is in memory alone."""
        for lane, boots in self.used.items():
            if boots[-1][1]:
                self.promised[lane] = row_id(*boots[-1])
        self.mark()

    def mark(self) -> None:
        held = {name: value for name, value in vars(self).items() if name != "_mark"}
        self._mark.seek(0)  # within one page: the kernel splits a write that crosses two
        self._mark.write(json.dumps(held).encode())


class Workload:
    """Rows, acknowledgements and settings by seed; after each, a mark of what is promised now."""

    def __init__(self, store: SqliteStore, told: Told, chance: random.Random) -> None:
        self._store = store
        self._told = told
        self._chance = chance
        self._is_up = False
        told.begin(store.boot)

    async def round(self) -> None:
        if self._chance.random() < LINK_CHANGES:
            self._is_up = not self._is_up
        lane = self._chance.choice((ALARM, *[LIVE if self._is_up else HISTORY] * 6))
        if lane == LIVE:
            await self._hand_over(self._chance.randint(1, 8))
            await self._send()
        else:
            await self._append(
                self._rows(lane, 1 if lane == ALARM else self._chance.randint(1, 40))
            )
        if self._chance.random() < 0.3:
            await self._ack(self._chance.choice(LANES))
        if self._chance.random() < 0.1:
            self._told.setting += 1
            await self._store.put_setting("kept", f"{self._told.boot} {self._told.setting}")
            self._told.mark()

    def _rows(self, lane: str, count: int) -> list[NewRow]:
        boot = self._told.boot
        return [
            NewRow(lane, n, "verdict", body_of(boot, lane, n))
            for n in self._told.number(lane, count)
        ]

    async def _append(self, rows: list[NewRow]) -> None:
        await self._store.append(rows, [("m", row.mono_ns, row.body) for row in rows[:1]])
        self._told.keep_all()

    async def _hand_over(self, count: int) -> None:
        """As the recorder does it: held where the store takes them, else committed."""
        rows = self._rows(LIVE, count)
        if not await self._store.hold(rows, [("m", rows[0].mono_ns, rows[0].body)]):
            await self._append(rows)

    async def _send(self) -> None:
        """As the deliverer does it: what the store gives is on the wire from the mark on."""
        rows = await self._store.oldest(LIVE, self._told.sent[LIVE], SENT_ROWS)
        if rows:
            self._told.sent[LIVE] = rows[-1].id
            self._told.mark()
        answer = self._chance.random()
        if rows and answer < 0.6:
            await self._free(LIVE, rows[-1].id)
        elif answer < 0.7:  # nobody answers within the lane's interval
            await self._append([])

    async def _ack(self, lane: str) -> None:
        waiting = await self._store.oldest(lane, 0, SENT_ROWS)
        if waiting:
            through = self._chance.choice(waiting).id
            self._told.sent[lane] = max(through, self._told.sent[lane])
            await self._free(lane, through)

    async def _free(self, lane: str, through: int) -> None:
        self._told.acked[lane] = through
        self._told.mark()  # before the ack: from here on these rows may be gone
        await self._store.ack(lane, through)


async def main(folder: str, mark: str, synchronous: str, seed: int, rounds: int) -> None:
    chance = random.Random(seed)
    with open(mark, "wb", buffering=0) as marks:
        told = Told(marks)
        for _ in range(STARTS):
            store = SqliteStore(folder)
            notes = await store.open()
            assert notes == (), notes
            if synchronous != "FULL":
                for db in store._db.values():
                    db.conn.execute(f"PRAGMA synchronous={synchronous}")
            work = Workload(store, told, chance)
            for _ in range(rounds // STARTS):
                await work.round()
            await store.close()
            told.keep_all()


if __name__ == "__main__":
    where, marks_at, level, first_seed, how_many = sys.argv[1:]
    asyncio.run(main(where, marks_at, level, int(first_seed), int(how_many)))
