"""A stop that meets something that just arrives is still a stop."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from agent.core.bulletin import Bulletin
from agent.core.mailbox import Mailbox
from agent.ports import FrameBatch
from agent.stages.acquire import Acquirer
from agent.stages.record import Record, Recorder
from tests.doubles import FastClock
from tests.memory_store import MemoryStore

TURNS = 20  # of the loop: more than a task needs to come to its wait, or to its end


class Boxed:
    """A sensor whose batches are put in by hand."""

    name = "a"

    def __init__(self) -> None:
        self.mailbox = Mailbox(10)

    async def start(self) -> None:
        return

    async def next_batch(self) -> FrameBatch:
        batch: FrameBatch = await self.mailbox.get()
        return batch


async def turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def stopped_while(run: Coroutine[Any, Any, None], box: Mailbox, item: Any) -> bool:
    """Whether the task ends that is cancelled in the turn in which `item` comes."""
    task = asyncio.ensure_future(run)
    await turns()
    box.put(item)
    task.cancel()
    await turns()
    ended = task.cancelled()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return ended


def test_the_recorder_stops_while_a_record_comes_and_keeps_it() -> None:
    async def scene() -> None:
        records, store = Mailbox(10), MemoryStore()
        recorder = Recorder(store, FastClock(), Bulletin(), records)
        records.put(Record("verdict", {"n": 1}, None, False))
        assert await stopped_while(recorder.run(), records, Record("verdict", {}, None, False))
        await recorder.finish()
        assert recorder.produced_rows == 2

    asyncio.run(scene())


def test_an_acquirer_stops_while_a_batch_comes() -> None:
    async def scene() -> None:
        sensor: Any = Boxed()
        acquirer = Acquirer(sensor, 3200, [], False, FastClock())
        batch = FrameBatch("a", b"", 0, 0, 0, False, "", ())
        assert await stopped_while(acquirer.run(), sensor.mailbox, batch)

    asyncio.run(scene())
