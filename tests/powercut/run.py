"""`make powercut`: the power fails at recorded moments; what the store promised must be there.

    python -m tests.powercut.run [--points 300] [--seed 1]

Needs root, /dev/fuse and loop devices. A store works on ext4 on a recording disk. Then, for each
crash point, the disk is made as it may have been: all that was written before the last flush, and
of what came after it a random part, torn at a sector. ext4 replays its journal, the store opens.
With `synchronous=NORMAL`, the control, promised rows must be missing: else the rig sees nothing.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from agent.adapters.store_sqlite import SqliteStore
from agent.ports import LIVE
from tests.powercut import judge
from tests.powercut.device import FLUSH, MARK, WRITE, read_log

DISK_BYTES = 48 * 2**20
SECTOR = 512
SUPERBLOCK = 1024  # where it begins
ROUNDS = 300


def main() -> int:
    parser = argparse.ArgumentParser(description="Replay power cuts of the store.")
    parser.add_argument("--points", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    why = missing()
    if why:
        print(f"skipped: {why}")
        return 0
    lost = {}
    for level, points in (("FULL", options.points), ("NORMAL", options.points // 4)):
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            log = record(Path(folder), level, options.seed)
            found = replay(Path(folder), log, points, options.seed)
        lost[level] = len([one for one in found if one])
        for one in [one for one in found if one][:3]:
            print(f"  synchronous={level}: {one}")
        took = time.monotonic() - began
        print(f"synchronous={level}: promises broken at {lost[level]} of {points} ({took:.0f} s)")
    sound = lost["FULL"] == 0 and lost["NORMAL"] > 0
    print("seed", options.seed, "holds" if sound else "DOES NOT HOLD")
    return 0 if sound else 1


def missing() -> str:
    """Why the rig cannot run here; "" when it can."""
    if os.geteuid() != 0:
        return "mounting needs root"
    absent = [p for p in ("/dev/fuse", "/dev/loop-control") if not os.path.exists(p)]
    absent += [p for p in ("mkfs.ext4", "losetup", "fusermount") if not shutil.which(p)]
    return f"there is no {absent[0]}" if absent else ""


def record(folder: Path, level: str, seed: int) -> Path:
    """Runs the workload on a recorded disk; the log."""
    fuse, disk, log = folder / "fuse", folder / "ext4", folder / "log"
    fuse.mkdir()
    disk.mkdir()
    words = [sys.executable, "-m", "tests.powercut.device", str(fuse), str(log), str(DISK_BYTES)]
    recorder = subprocess.Popen(words)
    try:
        wait_for(fuse / "disk")
        command("mkfs.ext4", "-q", "-F", str(fuse / "disk"))
        loop = command("losetup", "--find", "--show", str(fuse / "disk")).strip()
        try:
            command("mount", loop, str(disk))
            try:
                words = [str(disk / "state"), str(fuse / "mark"), level, str(seed), str(ROUNDS)]
                command(sys.executable, "-m", "tests.powercut.workload", *words)
            finally:
                command("umount", str(disk))
        finally:
            command("losetup", "--detach", loop)
    finally:
        command("fusermount", "-u", str(fuse))
        recorder.wait(timeout=20)
    return log


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} does not appear"
        time.sleep(0.02)


def command(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def replay(folder: Path, log: Path, points: int, seed: int) -> list[str]:
    """For each crash point "" or the promise that was broken."""
    events = list(read_log(log))
    begun = next(n for n, (kind, _, _) in enumerate(events) if kind == MARK)
    chance = random.Random(seed)
    flushes = [n for n in range(begun, len(events)) if events[n][0] == FLUSH]
    print(f"  {len(events)} events, {len(flushes)} flushes after the first promise")
    at_flush = chance.sample(flushes, min(points // 3, len(flushes)))
    between = [chance.randrange(begun, len(events)) for _ in range(points - len(at_flush))]
    disk, pending, promise = bytearray(DISK_BYTES), [], {}
    found, done, ahead = [], 0, 0
    for point in sorted(at_flush + between):
        for kind, offset, content in events[done:point]:
            if kind == WRITE:
                pending.append((offset, content))
            elif kind == FLUSH:
                apply(disk, pending)
                pending = []
            else:
                promise = json.loads(content)
        done = max(done, point)
        crashed = bytearray(disk)
        apply(crashed, survivors(pending, chance))
        found.append(broken_promise(folder, crashed, promise, point))
        ahead += promise["sent"][LIVE] > promise["promised"][LIVE]
    print(f"  at {ahead} of {points} points rows had been sent that were in memory alone")
    return found


def apply(disk: bytearray, writes: list[tuple[int, bytes]]) -> None:
    for offset, content in writes:
        disk[offset : offset + len(content)] = content


def survivors(pending: list[tuple[int, bytes]], chance: random.Random) -> list[tuple[int, bytes]]:
    """What of the unflushed writes reached the disk: all, none, or any of them, whole or torn."""
    share = chance.choice((0.0, 0.3, 0.7, 1.0))
    some = [write for write in pending if chance.random() < share]
    if some and chance.random() < 0.5:
        place = chance.randrange(len(some))
        offset, content = some[place]
        some[place] = torn(offset, content, chance.randrange(len(content) // SECTOR + 1))
    return some


def torn(offset: int, content: bytes, sectors: int) -> tuple[int, bytes]:
    """The first `sectors` of a write. ext4 takes for granted that its superblock, two of them, is
    written whole: torn, it has a wrong checksum, and the kernel asks for e2fsck -y.
    """
    kept = sectors * SECTOR
    if offset + kept == SUPERBLOCK + SECTOR:
        kept += SECTOR
    return offset, content[:kept]


def broken_promise(folder: Path, disk: bytearray, promise: Any, point: int) -> str:
    """Mounts the crashed disk (ext4 replays its journal) and asks the store."""
    image, place, state = folder / "crashed", folder / "after", folder / f"state {point}"
    image.write_bytes(disk)
    place.mkdir(exist_ok=True)
    command("mount", "-o", "loop", str(image), str(place))
    try:
        shutil.copytree(place / "state", state)
    finally:
        command("umount", str(place))
    try:
        return asyncio.run(compare(state, promise, point))
    finally:
        shutil.rmtree(state)


async def compare(state: Path, promise: Any, point: int) -> str:
    store = SqliteStore(str(state))
    notes = await store.open()
    try:
        found = str(notes) if notes else await judge.broken_promise(store, promise)
        return f"event {point}: {found}" if found else ""
    finally:
        await store.close()


if __name__ == "__main__":
    sys.exit(main())
