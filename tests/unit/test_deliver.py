"""Delivery over a link that behaves badly: freed is only what was acknowledged without a hole."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

from agent.adapters.store_sqlite import SqliteStore
from agent.core.bulletin import Bulletin
from agent.core.wire import bundles
from agent.ports import LIVE, LinkDown, NewRow, Row, row_id
from agent.stages.deliver import Deliverer
from tests.doubles import FastClock


class Broker:
    """Acknowledges in any order; `fail_at`: the publish that finds the connection gone."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.received: list[int] = []
        self.connections = 0
        self._fail_at = fail_at
        self._published = 0
        self._down = asyncio.Event()

    @contextlib.asynccontextmanager
    async def connect(self) -> "AsyncIterator[Broker]":
        self.connections += 1
        self._down = asyncio.Event()
        yield self

    async def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        if retain:
            return
        self._published += 1
        number = self._published
        await asyncio.sleep(0.001 * (number % 3))  # later ones overtake earlier ones
        if self._fail_at is not None and number >= self._fail_at:
            self._fail_at = None
            self._down.set()
            raise LinkDown("cut")
        if self._down.is_set():
            raise LinkDown("cut")
        self.received += [row["seq"] for row in json.loads(payload)["rows"]]

    async def subscribe(self, topics: list[str]) -> None:
        return

    async def messages(self) -> tuple[str, bytes]:
        await self._down.wait()
        raise LinkDown("cut")


def delivered(folder: Path, broker: Broker, count: int) -> tuple[Bulletin, int]:
    """Runs delivery of `count` rows until the store is empty; (bulletin, rows left)."""

    async def scene() -> tuple[Bulletin, int]:
        store, bulletin = SqliteStore(str(folder)), Bulletin()
        await store.open()
        rows = [NewRow(LIVE, n, "verdict", '{"a":1}') for n in range(1, count + 1)]
        await store.append(rows, [])
        deliverer = Deliverer(store, broker, FastClock(), bulletin, "latido/a/b", dict)
        running = asyncio.ensure_future(deliverer.run())
        for _ in range(2000):
            await asyncio.sleep(0.002)
            if (bulletin.get("uplink") or {}).get("delivered_rows") == count:
                break
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        left = (await store.stats()).backlog_rows
        await store.close()
        return bulletin, left

    return asyncio.run(scene())


def test_every_row_arrives_over_a_steady_link(tmp_path: Path) -> None:
    broker = Broker()
    _, left = delivered(tmp_path, broker, 2000)
    assert left == 0 and broker.connections == 1
    assert sorted(broker.received) == list(range(1, 2001))


def test_a_cut_link_loses_nothing_and_repeats_only_the_unacknowledged(tmp_path: Path) -> None:
    for fail_at in (1, 2, 7, 23):
        broker = Broker(fail_at)
        bulletin, left = delivered(tmp_path / str(fail_at), broker, 2000)
        assert left == 0 and broker.connections == 2
        assert set(broker.received) == set(range(1, 2001))
        assert len(broker.received) - 2000 <= 10 * 50, "at most one window is sent twice"
        assert bulletin.get("uplink")["backlog_rows"] == 0 and bulletin.get("uplink")["connected"]


def test_a_bundle_holds_consecutive_rows_of_one_boot() -> None:
    ids = [row_id(1, 1), row_id(1, 2), row_id(1, 5), row_id(2, 1), row_id(2, 2)]
    rows = [Row(LIVE, identity, 7, "verdict", '{"x":"é"}', 0) for identity in ids]
    made = bundles(rows, "live", 50, 16384)
    assert [last for _, last in made] == [row_id(1, 2), row_id(1, 5), row_id(2, 2)]
    first = json.loads(made[0][0])
    assert (first["schema"], first["boot"], first["lane"], first["seq_from"]) == (1, 1, "live", 1)
    assert first["rows"][1] == {"seq": 2, "mono_ns": 7, "kind": "verdict", "body": {"x": "é"}}


def test_a_bundle_is_bounded_in_rows_and_bytes() -> None:
    rows = [Row(LIVE, row_id(1, n), 0, "v", '"' + "x" * 500 + '"', 0) for n in range(1, 101)]
    made = bundles(rows, "live", 50, 4096)
    assert all(len(payload) < 5000 for payload, _ in made)
    assert sum(len(json.loads(payload)["rows"]) for payload, _ in made) == 100
    huge = [Row(LIVE, row_id(1, 1), 0, "v", '"' + "x" * 9000 + '"', 0)]
    assert len(bundles(huge, "live", 50, 4096)) == 1
