"""A store that gives nothing for a while ends the connection, said by name, and nothing else."""

import asyncio
from typing import Any

from agent.page.words import link_sentence
from agent.ports import Row, StoreFault, StoreStats
from tests.delivery_rig import Broker, Rig
from tests.memory_store import MemoryStore
from tests.sim_loop import simulated


class Sick(MemoryStore):
    """Reads fail while `sick`."""

    sick = True

    async def oldest(self, lane: str, after_id: int, limit_rows: int) -> list[Row]:
        self._look()
        return await super().oldest(lane, after_id, limit_rows)

    async def stats(self) -> StoreStats:
        self._look()
        return await super().stats()

    def _look(self) -> None:
        if self.sick:
            raise StoreFault("/state: disk I/O error")


def test_a_store_that_cannot_be_read_is_said_and_all_goes_on_when_it_can() -> None:
    async def scene() -> None:
        rig = Rig(Broker())
        rig.store = rig.deliverer._store = store = Sick()
        await rig.produce(live=60, alarm=3)
        running: asyncio.Future[Any] = asyncio.ensure_future(rig.deliverer.run())
        await asyncio.sleep(120.0)
        assert not running.done() and rig.broker.received == []
        told = rig.bulletin.get("uplink")
        assert told["connected"] is False
        assert "el disco no da" in link_sentence(told["reason"], "es")
        assert "disk I/O error" in link_sentence(told["reason"], "en")
        store.sick = False
        await asyncio.sleep(60.0)
        assert rig.bulletin.get("uplink")["backlog_rows"] == 0
        assert len(rig.broker.received) == 63
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    simulated(scene())
