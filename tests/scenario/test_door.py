"""The whole agent, unmodified, on device nodes behind which simulated chips answer.

One agent on each board meets every fault of its buses, one after another, and comes back each time.
"""

import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.boards import Board, bus_of
from agent.page.words import sensor_detail
from hw.machines.part import PARTS, felt_by
from hw.machines.pump import Pump
from hw.sim.adxl345 import SimAdxl345
from hw.sim.lis3dh import SimLis3dh
from hw.sim.max31855 import SimMax31855
from tests.door.door import PI_4, PI_5, Door, I2cNode, SpiNode
from tests.door.gpio import GpioNode, bind_nodes
from tests.running import RunningAgent

SPI_A, SPI_T, I2C = "/dev/spidev0.0", "/dev/spidev0.1", "/dev/i2c-1"
RATE_HZ = 1600  # at 3200 Hz the door is too slow for windows without a gap
CONFIG: dict[str, Any] = {
    "buses": [
        {"name": "spi0", "kind": "spidev", "number": 0, "speed_hz": 5000000},
        {"name": "i2c1", "kind": "smbus2", "number": 1, "speed_hz": 400000},
    ],
    "sensors": [
        {"name": "de", "chip": "adxl345", "bus": "spi0", "rate_hz": RATE_HZ},
        {"name": "t", "chip": "max31855", "bus": "spi0", "chip_select": 1},
        {"name": "nde", "chip": "lis3dh", "bus": "i2c1", "rate_hz": 400},
    ],
    "machines": [
        {"name": "Bomba 1", "vibration": "de", "temperature": "t", "rpm": 1770},
        {"name": "Motor 1", "vibration": "nde", "temperature": "t", "rpm": 1770},
    ],
}
RECOVERY_S = 5.0
TRUE_HZ = 1.02 * RATE_HZ  # of the accelerometer
LISTEN_S = 5.0
COUNT_ERROR = 0.02  # of a count by the clock
FRAMES_LATE = 50  # 15 ms: by which the count of the last drain may be late
HELD_UP = 0.02  # of a FIFO of 20 ms, by a machine that runs other tests as well


class Plant:
    """The chips of CONFIG on one pump, and the nodes that lead to them."""

    def __init__(self, board: Board) -> None:
        pump = Pump(1, 1770)
        self.accelerometer = SimAdxl345(felt_by(PARTS["adxl345"], pump, 1), 0.02)
        self.slow = SimLis3dh(felt_by(PARTS["lis3dh"], pump, 2), -0.03)
        self.thermocouple = SimMax31855(lambda t_s: (44.0, 27.0, ""))
        self.spi = SpiNode(self.accelerometer, (3,))
        self.i2c = I2cNode({0x18: self.slow}, board)
        found = bus_of(board, "smbus2", 1)
        assert found is not None
        pins = found.recovery
        self.board = board.name
        self.nodes: dict[str, Any] = {
            SPI_A: self.spi,
            SPI_T: SpiNode(self.thermocouple, (0,)),
            I2C: self.i2c,
            "/dev/gpiochip0": GpioNode(pins.gpiochip, self.i2c.pins.lines(pins.sda, pins.scl)),
            **bind_nodes(self.i2c.pins, pins),
        }

    def overruns(self) -> int:
        """Samples that the chips had to throw away, all of them."""
        return self.accelerometer.sampler.overruns + self.slow.sampler.overruns

    def mend(self) -> None:
        """All that a test has broken."""
        self.spi.fails_with, self.i2c.stuck, self.i2c.hangs_s = 0, False, 0.0
        self.i2c.chips[0x18] = self.slow

    @contextmanager
    def agent(self, folder: Path, rate_hz: int) -> Iterator[RunningAgent]:
        """Listening by the accelerometer at that rate; its end is looked at, too."""
        door = Door(folder, self.nodes)
        first = {**CONFIG["sensors"][0], "rate_hz": rate_hz}
        more = {**CONFIG, "board": self.board, "sensors": [first, *CONFIG["sensors"][1:]]}
        running = RunningAgent(folder, more=more, environment=door.environment)
        try:
            running.start()
            yield running
            assert running.terminate()[0] == 0
            assert not self.accelerometer.registers[0x2D] & 0x08, "put to sleep at the end"
        finally:
            running.close()
            door.close()
        assert door.errors == []


@pytest.fixture(scope="module", params=[PI_4, PI_5], ids=lambda board: board.title)
def plant(request: pytest.FixtureRequest) -> Plant:
    return Plant(request.param)


@pytest.fixture(scope="module")
def running(plant: Plant, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAgent]:
    with plant.agent(tmp_path_factory.mktemp("door"), RATE_HZ) as agent:
        yield agent


@pytest.fixture
def agent(running: RunningAgent, plant: Plant) -> Iterator[RunningAgent]:
    """It judges both machines; what is broken afterwards is mended."""
    for name in ("Bomba 1", "Motor 1"):
        running.wait_for(lambda state, name=name: judges(state, name))
    yield running
    plant.mend()


def said_of(state: dict[str, Any], name: str) -> str:
    """The reason that a machine's verdict gives."""
    return str(state.get(f"machine/{name}", {}).get("reason", [""])[0])


def judges(state: dict[str, Any], name: str) -> bool:
    """Learning, or comparing once it has learned."""
    return said_of(state, name) in ("learning", "like_baseline")


def each_loss_is_counted(agent: RunningAgent, plant: Plant) -> None:
    """Five seconds: this machine may hold the agent up, but what that costs the agent must know."""
    health = agent.state()["health"]
    lost, samples = health["lost_samples"], health["samples"]
    overruns = plant.overruns()
    wanted = samples + LISTEN_S * (TRUE_HZ + 388)
    agent.wait_for(lambda state: state["health"]["samples"] > wanted, 6 * LISTEN_S)
    missing = plant.overruns() - overruns
    enough = lost + (1 - COUNT_ERROR) * missing - FRAMES_LATE
    agent.wait_for(lambda state: state["health"]["lost_samples"] >= enough, LISTEN_S)


def failing(state: dict[str, Any], machine: str) -> bool:
    """Whether any sensor of the machine has failed."""
    return any(one["status"] == "failure" for one in state[f"machine/{machine}"]["sensors"])


def test_the_agent_listens_through_the_kernels_door(agent: RunningAgent, plant: Plant) -> None:
    state = agent.state()
    for name, rate_hz in (("Bomba 1", TRUE_HZ), ("Motor 1", 388.0)):
        card = state[f"machine/{name}"]
        assert card["rate_hz"] == pytest.approx(rate_hz, rel=5e-3)
        assert 0.1 < card["velocity_rms_mm_s"] < 1.0
        assert card["temperature_degc"] == pytest.approx(44.0, abs=0.26)
    assert state["device"]["simulated"] is False and state["degraded"] == {}
    each_loss_is_counted(agent, plant)
    assert plant.i2c.refused == [], "the agent asks for nothing that the board refuses"


def test_of_a_chip_that_the_door_is_too_slow_for_each_loss_is_counted(tmp_path: Path) -> None:
    plant = Plant(PI_5)
    with plant.agent(tmp_path, 3200) as agent:
        agent.wait_for(lambda state: state.get("health", {}).get("samples", 0) > 0)
        for _ in range(2):
            each_loss_is_counted(agent, plant)
            counted = agent.state()["health"]["lost_samples"]
            assert counted <= (1 + COUNT_ERROR) * plant.overruns() + FRAMES_LATE, "counted twice"


@pytest.mark.parametrize("what", ["SDA stuck", "chip pulled", "SPI fails"])
def test_a_bus_that_fails_is_named_and_comes_back_by_itself(
    agent: RunningAgent, plant: Plant, what: str
) -> None:
    machine = "Bomba 1" if what == "SPI fails" else "Motor 1"
    other = "Motor 1" if what == "SPI fails" else "Bomba 1"
    before = agent.state()[f"machine/{other}"]["windows"]
    kept = plant.slow if what == "SPI fails" else plant.accelerometer
    overruns, began = kept.sampler.overruns, time.monotonic()
    if what == "SPI fails":
        plant.spi.fails_with = errno.EIO
        said = "/dev/spidev0.0 failed in mid-transfer"
    elif what == "SDA stuck":
        plant.i2c.stuck, said = True, "/dev/i2c-1 0x18 does not answer in time"
    else:
        plant.i2c.chips.clear()
        said = "nobody answers at /dev/i2c-1 0x18"
    state = agent.wait_for(lambda state: said_of(state, machine) == "sensor", 10)
    assert said in sensor_detail(state[f"machine/{machine}"]["reason"][1]["reason"], "en")
    assert state[f"machine/{machine}"]["state"] == "unknown"
    if what == "chip pulled":
        plant.slow.reset()
    plant.mend()
    agent.wait_for(lambda state: not failing(state, machine), RECOVERY_S)
    agent.wait_for(lambda state: judges(state, machine), 3 * RECOVERY_S)
    if what == "SPI fails":
        assert kept.sampler.overruns == overruns, "the other bus lost a sample"
    else:
        frames = (time.monotonic() - began) * TRUE_HZ
        assert kept.sampler.overruns - overruns < HELD_UP * frames, "the other bus was held up"
    state = agent.state()
    assert state[f"machine/{other}"]["windows"] > before
    assert not [mode for mode in state["degraded"] if mode.startswith("restarted")]


def test_a_bus_hung_by_a_chip_in_mid_byte_is_freed_by_nine_clocks(
    agent: RunningAgent, plant: Plant
) -> None:
    before, given = agent.state(), "nine clocks given"
    windows, recoveries = before["machine/Bomba 1"]["windows"], before["health"]["recoveries"]
    clocked = recoveries.get("nde", {}).get(given, 0)
    lost = plant.accelerometer.sampler.overruns
    plant.i2c.hangs_s = 1.0
    plant.i2c.pins.wires.hold_sda(9)
    agent.wait_for(
        lambda state: state["health"]["recoveries"].get("nde", {}).get(given, 0) > clocked, 15
    )
    done = agent.state()["machine/Motor 1"]["windows"]
    state = agent.wait_for(lambda state: state["machine/Motor 1"]["windows"] > done, 10)
    now = state["health"]["recoveries"]
    assert now["nde"][given] == clocked + 1
    assert now.get("de") == recoveries.get("de"), "the other bus noticed nothing"
    assert plant.i2c.pins.wires.sda and plant.i2c.pins.muxed
    assert state["machine/Bomba 1"]["windows"] > windows
    hung = 3 * TRUE_HZ  # what three transfers that time out would cost this bus
    assert plant.accelerometer.sampler.overruns - lost < 0.1 * hung
