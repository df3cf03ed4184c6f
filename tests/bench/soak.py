"""The whole agent in real time on simulated chips: what was lost, and what it cost. JSON lines.

    python -m tests.bench.soak [--seconds 120]

The page is asked twice a second, every window is analysed, and a backlog of another boot drains to
a real Mosquitto meanwhile at the agent's own rate. Nothing may be lost, but in moments in which
the machine itself stands still: a bystander at real-time priority tells how long that was. The
simulated chips run in the agent's processes: what an accelerometer costs beside a bus that answers
at once is taken off.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

from agent.adapters.store_sqlite import SqliteStore
from agent.chips import known_chips
from agent.limits import HISTORY_ROWS_PER_S
from agent.ports import NewRow
from tests.bench.bystander import TOLD_MS, Bystander
from tests.bench.null_bus import simulated_share
from tests.bench.run import tell
from tests.mosquitto import Mosquitto
from tests.running import RunningAgent

SOAKS: dict[str, list[dict[str, Any]]] = {
    "adxl345 at 3200 Hz": [{"name": "a", "chip": "adxl345", "rate_hz": 3200}],
    "iis3dwb at 26667 Hz": [{"name": "a", "chip": "iis3dwb", "rate_hz": 26667}],
    "two adxl345, two thermocouples": [
        {"name": "a", "chip": "adxl345", "rate_hz": 3200},
        {"name": "b", "chip": "adxl345", "rate_hz": 3200},
        {"name": "t", "chip": "max31855"},
        {"name": "u", "chip": "max31856"},
    ],
}
BACKLOG_SHARE = 0.8  # of what could drain in the time: it drains through most of the soak
BATCH_ROWS = 5000
PI_4_TIMES = 8.0  # a Pi 4's core against this one, in numpy transforms: an assumption, not measured


def main() -> None:
    parser = argparse.ArgumentParser(description="Soak the whole agent in real time.")
    parser.add_argument("--seconds", type=float, default=120.0)
    seconds = parser.parse_args().seconds
    for name, sensors in SOAKS.items():
        with tempfile.TemporaryDirectory() as folder:
            soak(name, sensors, seconds, Path(folder))


def soak(name: str, sensors: list[dict[str, Any]], seconds: float, folder: Path) -> None:
    """One soak, and its lines."""
    broker = Mosquitto(folder)
    broker.start()
    simulation = {"defect_from_s": None}
    agent = RunningAgent(folder, broker.port, simulation=simulation, more=placed(sensors))
    try:
        backlog = asyncio.run(
            fill(agent.state_dir, int(BACKLOG_SHARE * HISTORY_ROWS_PER_S * seconds))
        )
        agent.start()
        before = agent.wait_for(lambda state: "health" in state and "uplink" in state)
        bystander = Bystander()
        began, cpu_s = time.monotonic(), agent.cpu_s()
        state = before
        while time.monotonic() - began < seconds:
            time.sleep(0.5)
            state = agent.state()
        share = (agent.cpu_s() - cpu_s) / (time.monotonic() - began)
        stood = bystander.end()
        lost = state["health"]["lost_samples"] - before["health"]["lost_samples"]
        tell(f"soak {name}: samples lost", lost, "samples", 0)
        tell(f"soak {name}: longest stall of the machine itself", stood["longest_ms"], "ms", None)
        tell(f"soak {name}: its stalls above {TOLD_MS:g} ms", stood["stalls"], "stalls", 0)
        tell(f"soak {name}: samples", state["health"]["samples"], "samples", None)
        drained = min(backlog, state["uplink"]["delivered_rows"])
        tell(f"soak {name}: backlog drained meanwhile", drained, "rows", backlog)
        own = share - sum(simulated_share(*one) for one in accelerometers(sensors))
        tell(f"soak {name}: CPU of one core, simulated chips included", share, "share", None)
        tell(f"soak {name}: CPU of one core, simulated chips taken off", own, "share", None)
        note = f"an estimate: {PI_4_TIMES:g} times this machine's share, an assumption"
        tell(f"soak {name}: the same on a Pi 4", PI_4_TIMES * own, "share of a core", note)
    finally:
        agent.close()
        broker.stop()


def placed(sensors: list[dict[str, Any]]) -> dict[str, Any]:
    """Configuration: the sensors on one simulated bus, a machine to each accelerometer."""
    thermocouples = [one["name"] for one in sensors if one["chip"].startswith("max")]
    machines = [
        {"name": one["name"], "vibration": one["name"], "rpm": 1770}
        for one in sensors
        if not one["chip"].startswith("max")
    ]
    for machine, thermocouple in zip(machines, thermocouples):
        machine["temperature"] = thermocouple
    return {
        "sensors": [{**one, "bus": "spi0", "chip_select": n} for n, one in enumerate(sensors)],
        "machines": machines,
        "buses": [{"name": "spi0", "kind": "sim_spi", "speed_hz": 10_000_000}],
    }


def accelerometers(sensors: list[dict[str, Any]]) -> list[tuple[Any, int]]:
    """(chip, rate) of each."""
    chips = known_chips()
    return [(chips[one["chip"]], one["rate_hz"]) for one in sensors if "rate_hz" in one]


async def fill(state_dir: Path, rows: int) -> int:
    """Another boot's unsent rows of the history lane, about 300 bytes each; how many."""
    store = SqliteStore(str(state_dir))
    await store.open()
    for first in range(0, rows, BATCH_ROWS):
        count = min(BATCH_ROWS, rows - first)
        body = '{{"machine":"a","state":"normal","place":{},"note":"{}"}}'
        held = [
            NewRow("history", n, "verdict", body.format(n, f"{n:032x}" * 7))
            for n in range(first, first + count)
        ]
        await store.append(held, [])
    await store.close()
    return rows


if __name__ == "__main__":
    main()
