"""What a healthy day costs: CPU of four sensors' rows a second on their way to a real Mosquitto.

The delivery side is everything that runs in the agent but sampling and analysis, in its own
process: recorder, store, uplink, page without clients, and all that watches. Then the whole agent
with four slow accelerometers; their simulated chips and the analysis are in that figure.
"""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

from agent.adapters.clock_os import OsClock
from agent.adapters.store_sqlite import SqliteStore
from agent.adapters.upstream_aiomqtt import AiomqttUpstream
from agent.core.bulletin import Bulletin
from agent.core.mailbox import Mailbox
from agent.limits import RECORDS_QUEUED
from agent.page.app import PageServer
from agent.stages.date import Dater
from agent.stages.deliver import Deliverer
from agent.stages.health import Health
from agent.stages.keep import Keeper
from agent.stages.record import Record, Recorder
from agent.supervisor import Supervisor
from tests.bench.soak import placed
from tests.mosquitto import Mosquitto
from tests.running import RunningAgent

ROOT = "latido/bench/idle"
SENSORS = 4
SETTLE_S = 5.0
SLOW = [{"name": f"m{n}", "chip": "adxl345", "rate_hz": 100} for n in range(SENSORS)]


def delivery_share(broker: Any, seconds: float) -> tuple[float, float]:
    """(share of one core, rows a second that were delivered) of the delivery side, no sensors."""

    async def run() -> tuple[float, float]:
        with tempfile.TemporaryDirectory() as folder:
            side = DeliverySide(folder, broker)
            await side.start()
            try:
                await asyncio.sleep(SETTLE_S)
                began_s, cpu_s, rows = time.monotonic(), time.process_time(), await side.delivered()
                await asyncio.sleep(seconds)
                took_s = time.monotonic() - began_s
                share = (time.process_time() - cpu_s) / took_s
                return share, (await side.delivered() - rows) / took_s
            finally:
                await side.stop()

    return asyncio.run(run())


class DeliverySide:
    """The agent's stages and tasks without its sensors, under the agent's own supervisor."""

    def __init__(self, folder: str, broker: Any) -> None:
        clock, bulletin = OsClock(), Bulletin()
        self._store = SqliteStore(folder)
        self._records = Mailbox(RECORDS_QUEUED)
        self._page = PageServer(bulletin, clock, "127.0.0.1", 0, "es")
        self._supervisor = Supervisor(clock, bulletin)
        self._stop = asyncio.Event()
        recorder = Recorder(self._store, clock, bulletin, self._records)
        deliverer = Deliverer(
            self._store,
            AiomqttUpstream(broker, "bench", f"{ROOT}/status"),
            clock,
            bulletin,
            ROOT,
            broker.receipt,
            bulletin.snapshot,
        )
        health = Health(clock, bulletin, dict, lambda: (0, 0), dict)
        for name, task in (
            ("date", Dater(self._store, clock, bulletin, self._records).run),
            ("keep", Keeper(self._store, clock, bulletin).run),
            ("record", recorder.run),
            ("deliver", deliverer.run),
            ("health", health.run),
            ("summaries", self._summaries),
        ):
            self._supervisor.add(name, task)

    async def start(self) -> None:
        await self._store.open()
        await self._page.start()
        self._running = asyncio.ensure_future(self._supervisor.run(self._stop))

    async def stop(self) -> None:
        self._stop.set()
        await self._running
        await self._page.stop()
        await self._store.close()

    async def delivered(self) -> int:
        return int((await self._store.stats()).delivered_rows)

    async def _summaries(self) -> None:
        """One of each sensor a second, each at its own moment, as four machines give them."""
        number = 0
        while True:
            machine = f"m{number % SENSORS}"
            self._records.put(Record("verdict", summary(machine, number), machine, False))
            number += 1
            await asyncio.sleep(1.0 / SENSORS)


def summary(machine: str, number: int) -> dict[str, Any]:
    """A verdict as it goes upstream, some 500 bytes of JSON."""
    return {
        "machine": machine,
        "state": "normal",
        "reason": ["like_baseline", {}],
        "velocity_rms_mm_s": round(1.2 + number % 97 / 100, 3),
        "displacement_rms_um": round(11 + number % 89 / 10, 2),
        "zone": "A",
        "zone_by": "velocity",
        "edition": "ISO 20816-3:2022",
        "temperature_degc": round(40 + number % 31 / 10, 2),
        "operating_state": "running",
        "rate_hz": 3200.0,
        "anomaly": {"score": 0.4, "threshold": 1.0, "verdict": "normal", "model": "default"},
        "speed": {"hz": 29.5, "confidence": 0.9, "source": "given"},
        "findings": [],
        "alarms": [],
        "utc_ns": number,
        "clock_synced": True,
    }


def agent_share(port: int, folder: Path, seconds: float) -> tuple[float, float]:
    """(share of one core, rows a second) of `latido run` with four slow accelerometers."""
    agent = RunningAgent(folder, port, simulation={"defect_from_s": None}, more=placed(SLOW))
    try:
        agent.start()
        agent.wait_for(lambda state: (state.get("uplink") or {}).get("connected"))
        time.sleep(SETTLE_S)
        began_s, cpu_s = time.monotonic(), agent.cpu_s()
        rows = agent.state()["uplink"]["delivered_rows"]
        time.sleep(seconds)
        took_s = time.monotonic() - began_s
        used_s = agent.cpu_s() - cpu_s
        return used_s / took_s, (agent.state()["uplink"]["delivered_rows"] - rows) / took_s
    finally:
        agent.close()


def bench_idle(broker_at: Any, say: Any, seconds: float = 60.0) -> None:
    with tempfile.TemporaryDirectory() as folder:
        broker = Mosquitto(Path(folder))
        broker.start()
        try:
            share, rate = delivery_share(broker_at(broker.port), seconds)
            say("idle_cpu_4_rows_per_s", 100 * share, "% of a core")
            say("idle_rows_per_s", rate, "rows/s")
            share, rate = agent_share(broker.port, Path(folder), seconds)
            say("idle_cpu_agent_4_accelerometers_100_hz", 100 * share, "% of a core")
            say("idle_agent_rows_per_s", rate, "rows/s")
        finally:
            broker.stop()
