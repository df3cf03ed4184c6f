"""What the store is asked to keep while its disk is being recorded, and what it has promised.

python -m tests.powercut.workload STATE_DIR MARK_FILE SYNCHRONOUS SEED ROUNDS
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


def body_of(boot: int, lane: str, seq: int) -> str:
    """A body that only this row can have, hard to compress."""
    fill = "".join(hashlib.sha256(f"{boot} {lane} {seq} {n}".encode()).hexdigest() for n in "abcd")
    return json.dumps({"seq": seq, "fill": fill})


class Workload:
    """Appends, acks and settings by seed; after each, a mark of what is promised now."""

    def __init__(self, store: SqliteStore, mark: Any, chance: random.Random) -> None:
        self._store = store
        self._mark = mark
        self._chance = chance
        self._seq = dict.fromkeys(LANES, 0)
        self._acked = dict.fromkeys(LANES, 0)
        self._setting = 0

    def tell(self) -> None:
        promised = {lane: row_id(self._store.boot, seq) for lane, seq in self._seq.items() if seq}
        told = {"promised": promised, "acked": self._acked, "setting": self._setting}
        self._mark.seek(0)  # within one page: the kernel splits a write that crosses two
        self._mark.write(json.dumps({"boot": self._store.boot, **told}).encode())

    async def round(self) -> None:
        lane = self._chance.choice((ALARM, LIVE, LIVE, HISTORY))
        count = 1 if lane == ALARM else self._chance.randint(1, 40)
        first = self._seq[lane] + 1
        boot = self._store.boot
        rows = [
            NewRow(lane, n, "verdict", body_of(boot, lane, n)) for n in range(first, first + count)
        ]
        await self._store.append(rows, [("m", first, rows[0].body)])
        self._seq[lane] += count
        self.tell()
        if self._chance.random() < 0.3:
            await self._ack()
        if self._chance.random() < 0.1:
            self._setting += 1
            await self._store.put_setting("kept", f"{boot} {self._setting}")
            self.tell()

    async def _ack(self) -> None:
        lane = self._chance.choice(LANES)
        waiting = await self._store.oldest(lane, 0, 50)
        if waiting:
            self._acked = {**self._acked, lane: self._chance.choice(waiting).id}
            self.tell()  # before the ack: from here on these rows may be gone
            await self._store.ack(lane, self._acked[lane])


async def main(folder: str, mark: str, synchronous: str, seed: int, rounds: int) -> None:
    chance = random.Random(seed)
    with open(mark, "wb", buffering=0) as marks:
        for _ in range(STARTS):
            store = SqliteStore(folder)
            notes = await store.open()
            assert notes == (), notes
            if synchronous != "FULL":
                for db in store._db.values():
                    db.conn.execute(f"PRAGMA synchronous={synchronous}")
            work = Workload(store, marks, chance)
            for _ in range(rounds // STARTS):
                await work.round()
            await store.close()


if __name__ == "__main__":
    where, marks_at, level, first_seed, how_many = sys.argv[1:]
    asyncio.run(main(where, marks_at, level, int(first_seed), int(how_many)))
