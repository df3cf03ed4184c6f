"""The store measured: rows in, bytes on the card, memory, idle CPU; against buffers of others.

`python -m tests.bench.append [NAME …]` prints JSON lines; `make bench-delivery` runs it too. Others
run in an environment of their own (`.venv-bench`, made on first use), with the same payload, in the
same run. Ours pays full durability: what `append` returned from is on the disk.
"""

import asyncio
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from agent.adapters.store_sqlite import SqliteStore
from agent.limits import BUNDLE_ROWS, COMMIT_INTERVAL_S
from agent.ports import HISTORY, LIVE, NewRow
from agent.store.disk import written_bytes
from tests.bench.others import WAYS

HERE = Path(__file__).resolve().parent
VENV = HERE.parent.parent / ".venv-bench"
OTHERS = ("persist-queue>=1,<2", "litequeue>=0.9,<1", "thingsboard-gateway>=3.7,<4")
BODY_BYTES = 300
GROUP_ROWS = {"persistqueue": 60, "litequeue": 60, "thingsboard_gateway": 1000}
OTHER_ROWS = {"persistqueue": 1_000, "litequeue": 5_000, "thingsboard_gateway": 20_000}
LIFE_ROWS = 7_200  # two hours at one a second
MEMORY_ROWS = 1_000_000
IDLE_SECONDS = 300
HISTORY_S = round(COMMIT_INTERVAL_S[HISTORY])
DISK_MB = 256
TURNS = 3


def say(name: str, value: float, unit: str, goal: "float | None" = None) -> None:
    print(json.dumps({"name": name, "value": round(value, 3), "unit": unit, "goal": goal}))
    sys.stdout.flush()


def body(number: int) -> str:
    """A verdict of about `BODY_BYTES` whose figures change as those of a machine do."""
    chance = random.Random(number)
    held = {
        "machine": "Bomba 1",
        "state": "normal",
        "reason": ["like_baseline", {}],
        "velocity_rms_mm_s": round(chance.gauss(1.4, 0.05), 3),
        "zone": "A",
        "temperature_degc": round(chance.gauss(48, 0.3), 2),
        "operating_state": "running",
        "rate_hz": round(chance.gauss(3204, 0.2), 2),
        "anomaly": {"score": round(chance.gauss(0.4, 0.1), 3), "threshold": 1.0},
        "utc_ns": 1_790_000_000_000_000_000 + number * 1_000_000_000 + chance.randrange(10**6),
        "clock_synced": True,
    }
    text = json.dumps(held, separators=(",", ":"))
    return text + " " * max(0, BODY_BYTES - len(text))


def rows_of(first: int, count: int, lane: str = HISTORY) -> list[NewRow]:
    return [NewRow(lane, n * 10**9, "verdict", body(n)) for n in range(first, first + count)]


Life = Callable[[SqliteStore], Awaitable[None]]


def with_store(folder: Path, scene: Callable[[SqliteStore], Awaitable[float]]) -> float:
    async def run() -> float:
        store = SqliteStore(str(folder))
        await store.open()
        try:
            return await scene(store)
        finally:
            await store.close()

    return asyncio.run(run())


def append_rate(folder: Path, group: int, total: int) -> float:
    """Rows a second, committed in groups."""
    rows = rows_of(1, total)

    async def scene(store: SqliteStore) -> float:
        began = time.perf_counter()
        for at in range(0, total, group):
            await store.append(rows[at : at + group], [])
        return total / (time.perf_counter() - began)

    return with_store(folder, scene)


def environment() -> Path:
    """The python of the others' environment; made with what it needs if it is not there."""
    python = VENV / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *OTHERS], check=True)
    return python


def bench_append() -> None:
    python = environment()
    with tempfile.TemporaryDirectory(dir=HERE) as place:  # on a disk, not in memory
        say("append_one_by_one", append_rate(Path(place) / "one", 1, 1_000), "rows/s")
        for name in WAYS:
            group = GROUP_ROWS[name]
            total = max(group * 20, 6_000)
            ours = theirs = 0.0
            for turn in range(TURNS):  # the best of each: others use this disk too
                folder = Path(place) / f"{name} {turn}"
                theirs = max(theirs, other_rate(python, name, folder))
                ours = max(ours, append_rate(folder / "ours", group, total))
            say(f"append_{name}", theirs, "rows/s")
            say(f"append_in_groups_of_{group}", ours, "rows/s")
            say(f"append_vs_{name}", ours / theirs, "ratio", 1.0)


def other_rate(python: Path, name: str, folder: Path) -> float:
    folder.mkdir()
    count = OTHER_ROWS[name]
    words = [str(python), str(HERE / "others.py"), name, str(folder), str(count), body(1)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return count / float(done.stdout.split()[-1])


def bench_bytes() -> None:
    """Bytes that reach the device per row, over its life: kept, acknowledged, freed."""
    for name, life, goal in (
        ("live_online", life_online, 700.0),
        ("live_unanswered", life_unanswered, None),
        ("history_offline", life_offline, 700.0),
    ):
        say(f"bytes_a_row_{name}", life_bytes(life), "B", goal)


def life_bytes(life: Life) -> float:
    with tempfile.TemporaryDirectory(dir=HERE) as place:
        disk = LoopDisk(Path(place)) if os.geteuid() == 0 else None
        folder = disk.mounted if disk else Path(place)
        try:
            return with_store(folder / "state", lambda store: written_by(life, store, disk))
        finally:
            if disk:
                disk.close()


async def written_by(life: Life, store: SqliteStore, disk: "LoopDisk | None") -> float:
    os.sync()
    before = disk.written() if disk else written_bytes()
    await life(store)
    os.sync()
    return ((disk.written() if disk else written_bytes()) - before) / LIFE_ROWS


async def life_online(store: SqliteStore) -> None:
    """A live row a second, acknowledged within it; an account each history interval."""
    for second in range(1, LIFE_ROWS + 1):
        await tell_live(store, second)
        found = await store.oldest(LIVE, 0, BUNDLE_ROWS)
        await store.ack(LIVE, found[-1].id)
        if second % HISTORY_S == 0:
            await store.append([], [])


async def life_unanswered(store: SqliteStore) -> None:
    """A live row a second, committed each second: no answer came in time."""
    for second in range(1, LIFE_ROWS + 1):
        await tell_live(store, second)
        await store.append([], [])
        if second > 10:
            await store.ack(LIVE, store.boot << 32 | second - 5)


async def tell_live(store: SqliteStore, second: int) -> None:
    row, past = rows_of(second, 1, LIVE), [("m", second * 10**9, body(second))]
    if not await store.hold(row, past):
        await store.append(row, past)


async def life_offline(store: SqliteStore) -> None:
    """A history row a second; what was sent some commits ago is freed with the next."""
    for first in range(1, LIFE_ROWS, HISTORY_S):
        past = [("m", n * 10**9, body(n)) for n in range(first, first + HISTORY_S)]
        await store.append(rows_of(first, HISTORY_S, HISTORY), past)
        if first > 10 * HISTORY_S:
            await store.ack(HISTORY, store.boot << 32 | first - 5 * HISTORY_S)


class LoopDisk:
    """ext4 on a loop device: what is written to it is counted by the kernel, journal and all."""

    def __init__(self, place: Path) -> None:
        image = place / "image"
        with image.open("wb") as file:
            file.truncate(DISK_MB * 2**20)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
        words = ["losetup", "--find", "--show", str(image)]
        self._loop = subprocess.run(words, capture_output=True, text=True, check=True)
        self.mounted = place / "mounted"
        self.mounted.mkdir()
        subprocess.run(["mount", self._loop.stdout.strip(), str(self.mounted)], check=True)

    def written(self) -> int:
        """Bytes so far (Documentation/block/stat.rst, field 7, in sectors of 512)."""
        name = Path(self._loop.stdout.strip()).name
        return int(Path(f"/sys/block/{name}/stat").read_text().split()[6]) * 512

    def close(self) -> None:
        subprocess.run(["umount", str(self.mounted)], check=True)
        subprocess.run(["losetup", "--detach", self._loop.stdout.strip()], check=True)


def bench_memory() -> None:
    """Resident memory from the first 100,000 rows to a million, all of them in and out."""

    async def scene(store: SqliteStore) -> float:
        grown, text = 0, body(1)
        for first in range(0, MEMORY_ROWS, 1000):
            await store.append([NewRow(LIVE, n, "v", text) for n in range(first, first + 1000)], [])
            found = await store.oldest(LIVE, 0, 1000)
            await store.ack(LIVE, found[-1].id)
            grown = rss_bytes() if first == MEMORY_ROWS // 10 else grown
        return (rss_bytes() - grown) / 2**20

    with tempfile.TemporaryDirectory(dir=HERE) as place:
        say("store_memory_growth_in_a_million_rows", with_store(Path(place), scene), "MB", 1.0)


def rss_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def bench_idle() -> None:
    """CPU of the store alone with four rows a second: kept, read, freed, each second."""

    async def scene(store: SqliteStore) -> float:
        began = time.process_time()
        for second in range(IDLE_SECONDS):
            await store.append(rows_of(4 * second, 4, LIVE), [("m", second * 10**9, body(1))])
            found = await store.oldest(LIVE, 0, 50)
            await store.ack(LIVE, found[-1].id)
        return (time.process_time() - began) / IDLE_SECONDS

    with tempfile.TemporaryDirectory(dir=HERE) as place:
        share = 100 * with_store(Path(place), scene)
        say("store_cpu_at_four_rows_a_second", share, "% of a core", 1.5)


BENCHES: dict[str, Callable[[], Any]] = {
    "append": bench_append,
    "bytes": bench_bytes,
    "memory": bench_memory,
    "idle": bench_idle,
}


def main() -> None:
    for name in sys.argv[1:] or BENCHES:
        BENCHES[name]()


if __name__ == "__main__":
    main()
