"""A disk that takes nothing at all: the store opens, delivers what is there, and comes back."""

import asyncio
import random
from pathlib import Path

import pytest

from agent.adapters.store_sqlite import SqliteStore
from agent.core.bulletin import Bulletin
from agent.core.mailbox import Mailbox
from agent.limits import RECORDS_QUEUED
from agent.ports import ALARM, HISTORY, LIVE, NewRow, StoreFault, row_boot
from agent.stages.keep import Keeper
from agent.stages.record import Record, Recorder
from agent.store.reading import account, open_to_read
from tests.doubles import FastClock
from tests.small_disk import KINDS, SmallDisk, small_disk
from tests.stores import rows_of


def blocked(disk: SmallDisk, why: str) -> None:
    """From now on nothing can be written: not a byte is left, or the kernel lets nobody write."""
    if why == "full":
        (disk.state / "ballast").unlink(missing_ok=True)
        disk.fill()
    else:
        disk.read_only()


def unblocked(disk: SmallDisk, why: str) -> None:
    if why == "full":
        disk.free()
    else:
        disk.writable()


def blocks() -> list[tuple[str, str]]:
    return [(kind, why) for kind in KINDS for why in ("full", "read-only")]


def store_on(disk: SmallDisk) -> SqliteStore:
    return SqliteStore(str(disk.state), urandom=bytes)


async def lived(disk: SmallDisk) -> None:
    """A life before: rows of each lane, a setting, a clean end."""
    store = store_on(disk)
    await store.open()
    await store.append(rows_of(1, 40, LIVE) + rows_of(1, 40, HISTORY), [])
    await store.put_setting("k", "kept")
    await store.close()


@pytest.mark.parametrize(("kind", "why"), blocks())
def test_the_store_opens_delivers_and_comes_back(tmp_path: Path, kind: str, why: str) -> None:
    async def scene(disk: SmallDisk) -> None:
        await lived(disk)
        blocked(disk, why)
        store = store_on(disk)
        assert await store.open() == ()
        assert "takes nothing" in (await store.stats()).giving_way
        assert await store.get_setting("k") == "kept"
        held = await store.oldest(LIVE, 0, 100)
        assert [row.body for row in held] == [row.body for row in rows_of(1, 40)]
        await store.ack(LIVE, held[29].id)
        for _ in range(3):
            with pytest.raises(StoreFault):
                await store.append(rows_of(41, 42, ALARM), [])
        with pytest.raises(StoreFault):
            await store.put_setting("k", "new")
        with pytest.raises(StoreFault):
            await store.keep_capture("m", 1, "{}", b"recording", b"lines")
        with pytest.raises(StoreFault):
            await store.set_aside(LIVE, [(held[30].id, "no")])
        unblocked(disk, why)
        boot = store.boot
        await store.append(rows_of(41, 42, LIVE), [])
        assert (await store.stats()).giving_way == "" and store.boot == boot == 2
        left = await store.oldest(LIVE, 0, 100)
        assert [row_boot(row.id) for row in left] == [1] * 10 + [2] * 2
        stats = (await store.stats()).lanes
        assert (stats[1].produced, stats[1].delivered, stats[1].backlog) == (42, 30, 12)
        await store.put_setting("k", "new")
        await store.close()
        again = store_on(disk)
        await again.open()
        assert [r.body for r in await again.oldest(LIVE, 0, 100)] == [r.body for r in left]
        assert await again.get_setting("k") == "new" and again.boot == 3
        await again.close()

    with small_disk(tmp_path, kind) as disk:
        asyncio.run(scene(disk))


@pytest.mark.parametrize(("kind", "why"), blocks())
def test_a_first_start_with_nothing_to_read_is_a_start(tmp_path: Path, kind: str, why: str) -> None:
    async def scene(disk: SmallDisk) -> None:
        blocked(disk, why)
        store = store_on(disk)
        assert await store.open() == ()
        assert await store.oldest(HISTORY, 0, 10) == [] and await store.recent("m", 5) == []
        assert await store.get_setting("k") is None
        with pytest.raises(StoreFault):
            await store.append(rows_of(1, 3), [])
        unblocked(disk, why)
        await store.append(rows_of(1, 3), [])
        assert len(await store.oldest(LIVE, 0, 10)) == 3
        await store.close()

    with small_disk(tmp_path, kind) as disk:
        asyncio.run(scene(disk))


def test_a_second_agent_is_kept_out_of_a_read_only_directory(tmp_path: Path) -> None:
    async def scene(disk: SmallDisk) -> None:
        await lived(disk)
        blocked(disk, "read-only")
        one, other = store_on(disk), store_on(disk)
        await one.open()
        with pytest.raises(StoreFault, match="another agent"):
            await other.open()
        await other.close()
        await one.close()
        unblocked(disk, "read-only")

    with small_disk(tmp_path) as disk:
        asyncio.run(scene(disk))


@pytest.mark.parametrize(("kind", "why"), blocks())
def test_another_program_reads_the_account_all_the_same(
    tmp_path: Path, kind: str, why: str
) -> None:
    async def scene(disk: SmallDisk) -> None:
        await lived(disk)
        blocked(disk, why)
        db = open_to_read(disk.state / "telemetry.db")
        boot, lanes = account(db)
        assert boot == 1 and [lane.backlog for lane in lanes] == [0, 40, 40]
        db.close()

    with small_disk(tmp_path, kind) as disk:
        asyncio.run(scene(disk))


def test_two_that_started_without_a_disk_never_write_beside_each_other(tmp_path: Path) -> None:
    async def scene(disk: SmallDisk) -> None:
        blocked(disk, "read-only")
        late, first = store_on(disk), store_on(disk)
        await late.open()
        await first.open()
        unblocked(disk, "read-only")
        await first.append(rows_of(1, 10), [])
        with pytest.raises(StoreFault, match="another agent"):
            await late.append(rows_of(11, 20), [])
        await first.close()
        for _ in range(4):
            try:
                await late.append(rows_of(11, 20), [])
                break
            except StoreFault:
                continue
        assert len(await late.oldest(LIVE, 0, 100)) == 20 and late.boot > first.boot
        await late.close()

    with small_disk(tmp_path) as disk:
        asyncio.run(scene(disk))


def test_a_card_that_fails_under_the_store_still_gives_what_it_has(tmp_path: Path) -> None:
    async def scene(disk: SmallDisk) -> None:
        store = store_on(disk)
        await store.open()
        await store.append(rows_of(1, 10), [])
        disk.fail()
        for _ in range(2):
            with pytest.raises(StoreFault):
                await store.append(rows_of(11, 20), [])
        held = await store.oldest(LIVE, 0, 100)
        assert [row.body for row in held] == [row.body for row in rows_of(1, 10)]
        await store.ack(LIVE, held[4].id)
        assert (await store.stats()).lanes[1].backlog == 5
        await store.close()
        again = store_on(disk)
        await again.open()
        assert len(await again.oldest(LIVE, 0, 100)) == 10 and (await again.stats()).giving_way
        await again.close()

    with small_disk(tmp_path, "ext4") as disk:
        asyncio.run(scene(disk))


def test_rows_wait_in_memory_in_order_and_what_is_dropped_is_counted(tmp_path: Path) -> None:
    async def scene(disk: SmallDisk) -> None:
        await lived(disk)
        blocked(disk, "full")
        store, bulletin, records = store_on(disk), Bulletin(), Mailbox(2 * RECORDS_QUEUED)
        await store.open()
        recorder = Recorder(store, FastClock(), bulletin, records)
        running = asyncio.ensure_future(recorder.run())
        for n in range(RECORDS_QUEUED + 100):
            records.put(Record("verdict", {"n": n}, None, n % 100 == 0))
        while recorder.dropped_rows < 100 or "store" not in bulletin.get("degraded"):
            await asyncio.sleep(0.01)
        assert "No space left" in bulletin.get("degraded")["store"]
        while "100 rows dropped" not in bulletin.get("degraded")["store"]:
            await asyncio.sleep(0.01)
        Keeper(store, FastClock(), bulletin)._tell(await store.stats())
        assert "wait in memory" in bulletin.get("degraded")["disk"]
        disk.free()
        while recorder.produced_rows < RECORDS_QUEUED:
            await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        Keeper(store, FastClock(), bulletin)._tell(await store.stats())
        told = bulletin.get("degraded")
        assert list(told) == ["dropped_rows"] and "100 dropped" in told["dropped_rows"]
        found = await store.oldest(ALARM, 0, 10**6) + await store.oldest(HISTORY, 0, 10**6)
        alarms = [f'{{"n":{n}}}' for n in range(0, RECORDS_QUEUED + 100, 100)]
        kept = [f'{{"n":{n}}}' for n in range(102, RECORDS_QUEUED + 100) if n % 100]
        before = [row.body for row in rows_of(1, 40)]
        assert [row.body for row in found] == alarms + before + kept
        await store.close()

    with small_disk(tmp_path) as disk:
        asyncio.run(scene(disk))


def test_what_a_failed_commit_had_of_the_past_is_shown_once(tmp_path: Path) -> None:
    async def scene(disk: SmallDisk) -> None:
        store = store_on(disk)
        await store.open()
        await store.append(rows_of(1, 2, ALARM), [])
        blocked(disk, "full")
        fill = random.Random(1).randbytes(1_500_000).hex()
        for _ in range(3):
            with pytest.raises(StoreFault):
                await store.append([NewRow(LIVE, 1, "verdict", f'"{fill}"')], [("m", 1, '"once"')])
        disk.free()
        await store.append([NewRow(LIVE, 1, "verdict", '"x"')], [("m", 1, '"once"')])
        assert await store.recent("m", 10) == ['"once"']
        await store.close()

    with small_disk(tmp_path) as disk:
        asyncio.run(scene(disk))
