"""CircuitPython's drivers, written by others, agree with our chips and with our drivers.

They go through the kernel's door: Blinka, its I2C, SPI and GPIO, and the /dev nodes are the real
ones. Our drivers read the same chips over Blinka, too, and so does the whole agent.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.boards import bus_of
from hw.machines.part import PARTS, felt_by
from hw.machines.pump import Pump
from hw.sim.adxl345 import SimAdxl345
from hw.sim.lis3dh import SimLis3dh
from hw.sim.max31855 import SimMax31855
from hw.sim.max31856 import SimMax31856
from hw.sim.mcp9600 import SimMcp9600
from tests.door.door import PI_4, Door, I2cNode, SelectedSpi, SpiNode
from tests.door.gpio import GpioNode
from tests.running import RunningAgent

ROOT = Path(__file__).resolve().parents[2]
FELT_G = (0.5, -0.75, 1.0)
HOT, COLD = 81.25, 26.5  # below the limit at which heat is an alarm
CE0, CE1 = 8, 7
BLINKA = {"BLINKA_FORCECHIP": "BCM2XXX", "BLINKA_FORCEBOARD": "RASPBERRY_PI_4B"}
# What each may be off by: its own least bit, their scales (16/1365 g a count where the datasheet
# says 12 mg, 4 mg for 1/256 g), the MAX31855's quarter of a degree.
TOLERANCE = {"lis3dh": 0.03, "adxl345": 0.03, "mcp9600": 0.07, "max31855": 0.26, "max31856": 0.02}


def still(t0_s: float, period_s: float, count: int) -> list[float]:
    return [*FELT_G] * count


def warm(t_s: float) -> tuple[float, float, str]:
    return HOT, COLD, ""


def nodes_of(i2c: dict[int, Any], selected: dict[int, SpiNode]) -> dict[str, Any]:
    """A Pi 4 with `dtoverlay=spi0-0cs`: GPIO lines select."""
    spi = SelectedSpi(selected)
    return {
        "/dev/i2c-1": I2cNode(i2c, PI_4),
        "/dev/spidev0.0": spi,
        "/dev/gpiochip0": GpioNode("pinctrl-bcm2711", spi.lines()),
    }


def test_drivers_written_by_others_and_ours_read_what_the_physics_put_in(tmp_path: Path) -> None:
    chips = {0x18: SimLis3dh(still), 0x53: SimAdxl345(still), 0x67: SimMcp9600(warm)}
    selected = {5: SpiNode(SimMax31855(warm), (0,)), 6: SpiNode(SimMax31856(warm), (1, 3))}
    door = Door(tmp_path, nodes_of(chips, selected))
    done = subprocess.run(
        [sys.executable, "-m", "tests.door.circuitpython"],
        cwd=ROOT,
        env={**os.environ, **door.environment, **BLINKA},
        capture_output=True,
        text=True,
        timeout=60,
    )
    door.close()
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    for chip, tolerance in TOLERANCE.items():
        expected = FELT_G if chip in ("lis3dh", "adxl345") else (HOT, COLD)
        for reader in ("theirs", "ours"):
            values = found[reader][chip]
            assert values == pytest.approx(expected, abs=tolerance), (reader, chip)
        assert found["theirs"][chip] == pytest.approx(found["ours"][chip], abs=tolerance), chip


CONFIG: dict[str, Any] = {
    "board": "raspberry-pi-4",
    "buses": [
        {"name": "spi", "kind": "blinka_spi", "speed_hz": 2000000},
        {"name": "i2c", "kind": "blinka_i2c", "number": 1, "speed_hz": 400000},
    ],
    "sensors": [
        {"name": "de", "chip": "adxl345", "bus": "spi", "rate_hz": 100},
        {"name": "t", "chip": "max31855", "bus": "spi", "chip_select": 1},
        {"name": "nde", "chip": "lis3dh", "bus": "i2c", "rate_hz": 400},
    ],
    "machines": [{"name": "Motor 1", "vibration": "nde", "temperature": "t", "rpm": 1770}],
}


class Plant:
    """The chips of CONFIG behind Blinka's nodes, and the agent before them."""

    def __init__(self, folder: Path) -> None:
        pump = Pump(1, 1770)
        self.adxl345 = SimAdxl345(still)
        lis3dh = SimLis3dh(felt_by(PARTS["lis3dh"], pump, 2))
        selected = {CE0: SpiNode(self.adxl345, (3,)), CE1: SpiNode(SimMax31855(warm), (0,))}
        self.nodes = nodes_of({0x18: lis3dh}, selected)
        self.door = Door(folder, self.nodes)
        environment = {**self.door.environment, **BLINKA}
        self.agent = RunningAgent(folder, more=CONFIG, environment=environment)

    def close(self) -> None:
        self.agent.close()
        self.door.close()


def reason_of(state: dict[str, Any]) -> list[Any]:
    return list(state.get("machine/Motor 1", {}).get("reason", [""]))


def test_the_whole_agent_listens_over_blinka(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    try:
        plant.agent.start()
        state = plant.agent.wait_for(lambda state: reason_of(state)[0] == "learning")
        assert state["machine/Motor 1"]["temperature_degc"] == pytest.approx(HOT, abs=0.26)
        assert state["machine/Motor 1"]["rate_hz"] == pytest.approx(400, rel=5e-3)
    finally:
        plant.close()


def test_a_chip_select_that_the_spi_driver_holds_is_said_with_its_cure(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    found = bus_of(PI_4, "blinka_spi", 0)
    assert found is not None
    for line in found.select_lines.values():
        plant.nodes["/dev/gpiochip0"].lines[line].busy = True
    try:
        plant.agent.start()
        state = plant.agent.wait_for(
            lambda state: "dtoverlay=spi0-0cs" in json.dumps(state.get("machine/Motor 1", {}))
        )
        assert state["degraded"] == {}
    finally:
        plant.close()
