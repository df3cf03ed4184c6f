"""Delivery measured: from a full store to a real Mosquitto, acknowledged and freed, in one run.

`python -m tests.bench.delivery [NAME …]` prints JSON lines. Ratios are against simpler shapes of
the same way in the same run: read a row, await its publish, free it, the next; the same reading a
hundred rows ahead; and single rows in paho's own window.
"""

import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiomqtt
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from agent.adapters.clock_os import OsClock
from agent.adapters.store_sqlite import SqliteStore
from agent.adapters.upstream_aiomqtt import AiomqttUpstream
from agent.config import Broker
from agent.core.bulletin import Bulletin
from agent.limits import HISTORY_ROWS_PER_S
from agent.ports import HISTORY, LIVE, NewRow
from agent.stages.deliver import Deliverer
from agent.stages.drain import Drain
from tests.bench.idle import bench_idle
from tests.mosquitto import Mosquitto
from tests.proxy import Proxy

ROOT = "latido/bench/d"
ROWS, BODY_BYTES = 20_000, 300
AWAITED_ROWS = 3_000  # of the slow shape: its rate does not depend on how many
WINDOW_ROWS = 20_000
PAHO_WINDOW = 20  # the library's own default
DAY_ROWS = 86_400
ROUND_TRIP_S = 0.1
GOALS = {
    "drain_vs_await_each": 25.0,
    "drain_vs_paho_window": 4.0,
    "drain_cpu_us_a_row": 15.0,
    "day_at_100_ms_s": 60.0,
    "live_age_during_day_s": 2.0,
    "idle_cpu_4_rows_per_s": 1.5,
    "rss_growth_over_a_million_rows": 1.0,  # MB: what an allocator keeps; a leak of a byte a row
}


def say(name: str, value: float, unit: str) -> None:
    goal = GOALS.get(name)
    print(json.dumps({"name": name, "value": round(value, 3), "unit": unit, "goal": goal}))
    sys.stdout.flush()


def body(number: int) -> str:
    text = f'{{"n":{number},"x":"'
    return text + "x" * (BODY_BYTES - len(text) - 2) + '"}'


async def filled(folder: str, lane: str, count: int) -> SqliteStore:
    store = SqliteStore(folder)
    await store.open()
    for first in range(0, count, 5000):
        rows = [NewRow(lane, n, "verdict", body(n)) for n in range(first, min(count, first + 5000))]
        await store.append(rows, [])
    return store


def broker_at(port: int) -> Broker:
    plain: dict[str, Any] = dict.fromkeys(Broker._fields)
    return Broker(**{**plain, "host": "127.0.0.1", "port": port, "receipt": "broker"})


async def left(store: SqliteStore) -> int:
    return int((await store.stats()).backlog_rows)


async def drained(store: SqliteStore, port: int) -> None:
    """By the agent's own stage over one connection, until the store is empty; history unpaced."""
    upstream = AiomqttUpstream(broker_at(port), "bench", f"{ROOT}/status")
    drain = Drain(store, OsClock(), ROOT, "broker", {}, rows_per_s=1e9)
    async with upstream.connect() as link:
        running = asyncio.ensure_future(drain.run(link))
        while await left(store):
            await asyncio.sleep(0.005)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    await store.append([], [])  # the deletes themselves


async def awaited(store: SqliteStore, port: int, rows_read: int = 1) -> None:
    """The plain shape: read a row; publish it, wait for its PUBACK, free it, the next."""
    async with aiomqtt.Client("127.0.0.1", port, identifier="bench") as client:
        while rows := await store.oldest(HISTORY, 0, rows_read):
            for row in rows:
                await client.publish(f"{ROOT}/data/{HISTORY}", row.body, qos=1)
                await store.ack(HISTORY, row.id)
    await store.append([], [])


async def read_ahead(store: SqliteStore, port: int) -> None:
    await awaited(store, port, 100)


async def windowed(store: SqliteStore, port: int) -> None:
    """Single rows in paho's own window, read by the hundred, freed when the hundred is through."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="bench")
    client.max_inflight_messages_set(PAHO_WINDOW)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        after = 0
        flying: list[tuple[int, Any]] = []
        while rows := await store.oldest(HISTORY, after, 100):
            topic = f"{ROOT}/data/{HISTORY}"
            flying += [(row.id, client.publish(topic, row.body, qos=1)) for row in rows]
            after = rows[-1].id
            while len(flying) > 200:
                await asyncio.to_thread(flying[99][1].wait_for_publish)
                await store.ack(HISTORY, flying[99][0])
                del flying[:100]
        for identity, info in flying[-1:]:
            await asyncio.to_thread(info.wait_for_publish)
            await store.ack(HISTORY, identity)
    finally:
        client.loop_stop()
    await store.append([], [])


def measured(
    port: int, count: int, shape: Callable[[SqliteStore, int], Awaitable[None]]
) -> tuple[float, float]:
    """(rows a second, CPU microseconds a row, all threads) of one shape."""

    async def run() -> tuple[float, float]:
        with tempfile.TemporaryDirectory() as folder:
            store = await filled(folder, HISTORY, count)
            began_s, cpu_s = time.perf_counter(), time.process_time()
            await shape(store, port)
            took_s, used_s = time.perf_counter() - began_s, time.process_time() - cpu_s
            assert await left(store) == 0
            await store.close()
            return count / took_s, used_s / count * 1e6

    return asyncio.run(run())


def bench_drain() -> None:
    with tempfile.TemporaryDirectory() as folder:
        broker = Mosquitto(Path(folder))
        broker.start()
        try:
            each, _ = measured(broker.port, AWAITED_ROWS, awaited)
            ahead, _ = measured(broker.port, AWAITED_ROWS, read_ahead)
            window, _ = measured(broker.port, WINDOW_ROWS, windowed)
            runs = [measured(broker.port, ROWS, drained) for _ in range(3)]
        finally:
            broker.stop()
    ours, cpu_us = max(runs)
    say("await_each", each, "rows/s")
    say("await_each_read_ahead", ahead, "rows/s")
    say("paho_window", window, "rows/s")
    say("drain", ours, "rows/s")
    say("drain_vs_await_each", ours / each, "x")
    say("drain_vs_await_each_read_ahead", ours / ahead, "x")
    say("drain_vs_paho_window", ours / window, "x")
    say("drain_cpu_us_a_row", cpu_us, "us")


def bench_day() -> None:
    """A day's backlog at 100 ms, at the set rate, while a live row comes every quarter second."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "broker").mkdir()
        broker = Mosquitto(Path(folder) / "broker")
        broker.start()
        proxy = Proxy(broker.port).start()
        proxy.delay(ROUND_TRIP_S)
        arrivals = Arrivals(broker.port)
        try:
            took_s = asyncio.run(_day(f"{folder}/state", proxy.port, arrivals))
        finally:
            arrivals.close()
            proxy.close()
            broker.stop()
    ages = sorted(arrivals.ages_s)
    say("day_at_100_ms_s", took_s, "s")
    say("live_age_during_day_s", ages[-1], "s")
    say("live_rows_during_day", len(ages), "rows")
    say("history_rate_set", HISTORY_ROWS_PER_S, "rows/s")


async def _day(folder: str, port: int, arrivals: "Arrivals") -> float:
    store = await filled(folder, HISTORY, DAY_ROWS)
    upstream = AiomqttUpstream(broker_at(port), "bench", f"{ROOT}/status")
    deliverer = Deliverer(store, upstream, OsClock(), Bulletin(), ROOT, "broker", dict)
    began_s = time.monotonic()
    running = asyncio.ensure_future(deliverer.run())
    made = 0
    while await left(store) and time.monotonic() - began_s < 300:
        await store.append([NewRow(LIVE, time.monotonic_ns(), "verdict", body(made))], [])
        made += 1
        await asyncio.sleep(0.25)
        if arrivals.history >= DAY_ROWS:
            break
    took_s = time.monotonic() - began_s
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await store.close()
    return took_s


class Arrivals:
    """A receiver that knows how old each live row was when it came."""

    def __init__(self, port: int) -> None:
        self.ages_s: list[float] = []
        self.history = 0
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="arrivals")
        self._client.on_message = self._take
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("latido/+/+/data/#", 1)
        self._client.loop_start()

    def close(self) -> None:
        self._client.loop_stop()

    def _take(self, client: Any, userdata: Any, message: Any) -> None:
        now_ns = time.monotonic_ns()
        held = json.loads(message.payload)
        if held["lane"] == LIVE:
            self.ages_s += [(now_ns - row["mono_ns"]) / 1e9 for row in held["rows"]]
        else:
            self.history += len(held["rows"])


def bench_memory() -> None:
    """Resident memory after draining a million rows, beside what it was after the first tenth."""

    async def run() -> tuple[int, int]:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "broker").mkdir()
            broker = Mosquitto(Path(folder) / "broker")
            broker.start()
            first = 0
            try:
                for turn in range(20):
                    store = await filled(f"{folder}/state", HISTORY, 50_000)
                    await drained(store, broker.port)
                    await store.close()
                    first = first or (rss_kb() if turn == 1 else 0)
                return first, rss_kb()
            finally:
                broker.stop()

    first, last = asyncio.run(run())
    say("rss_after_100k_rows", first / 1024, "MB")
    say("rss_after_a_million_rows", last / 1024, "MB")
    say("rss_growth_over_a_million_rows", (last - first) / 1024, "MB")


def rss_kb() -> int:
    text = Path("/proc/self/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0])


BENCHES: dict[str, Callable[[], None]] = {
    "drain": bench_drain,
    "day": bench_day,
    "memory": bench_memory,
    "idle": lambda: bench_idle(broker_at, say),
}


def main() -> None:
    for name in sys.argv[1:] or BENCHES:
        BENCHES[name]()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    say("peak_memory", peak / 1024, "MB")


if __name__ == "__main__":
    main()
