"""An I2C bus that hangs, through the kernel's door: nine clocks on its pins, and its pins back."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.boards import Board, bus_of, read_board
from agent.page.words import phrase, sensor_detail
from hw.sim.lis3dh import SimLis3dh
from hw.sim.max31855 import SimMax31855
from hw.sim.wires import UNTIL_POWER_CYCLE
from tests.door.door import Door, I2cNode, SpiNode
from tests.door.gpio import GpioNode, bind_nodes

ROOT = Path(__file__).resolve().parents[2]
RASPBERRIES = ["raspberry-pi-zero-2-w", "raspberry-pi-3", "raspberry-pi-4", "raspberry-pi-5"]
LIS3DH_ID = 0x33
ETIMEDOUT, EIO, EBUSY, ENODEV, EINVAL = 110, 5, 16, 19, 22


class Bench:
    """A LIS3DH on /dev/i2c-1 of a board, its pins on /dev/gpiochip0, its driver in sysfs."""

    def __init__(self, folder: Path, board: Board) -> None:
        self.board = board
        self.i2c = I2cNode({0x18: SimLis3dh(lambda t0, period, count: [0.0] * 3 * count)}, board)
        found = bus_of(board, "smbus2", 1)
        assert found is not None
        self.nodes: dict[str, Any] = {"/dev/i2c-1": self.i2c}
        self.facts = found.recovery
        if self.facts is not None:
            lines = self.i2c.pins.lines(self.facts.sda, self.facts.scl)
            self.gpio = GpioNode(self.facts.gpiochip, lines)
            self.nodes["/dev/gpiochip0"] = self.gpio
            self.nodes.update(bind_nodes(self.i2c.pins, self.facts))
        self.folder = folder
        self.door: Door | None = None

    def recover(self, board: str = "", number: int = 1) -> dict[str, Any]:
        found: dict[str, Any] = self.said("recover", board or self.board.name, str(number))
        return found

    def said(self, program: str, *words: str) -> Any:
        """What a program of tests/door prints when it goes through."""
        self.door = self.door or Door(self.folder, self.nodes)
        done = subprocess.run(
            [sys.executable, "-m", f"tests.door.{program}", *words],
            cwd=ROOT,
            env={**os.environ, **self.door.environment},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, read_board(getattr(request, "param", "raspberry-pi-4")))
    yield bench
    if bench.door is not None:
        bench.door.close()


@pytest.mark.parametrize("bench", RASPBERRIES, indirect=True)
def test_a_chip_in_mid_byte_is_clocked_on_and_the_bus_gets_its_pins_back(bench: Bench) -> None:
    bench.i2c.pins.wires.hold_sda(7)
    found = bench.recover()
    assert found["before"][0] == ETIMEDOUT
    assert found["clocks"] == [0, None] and found["after"] == [0, LIS3DH_ID]
    assert bench.i2c.pins.wires.clocks == 7 + 1, "no more than are needed, and a STOP"
    assert bench.i2c.pins.bound and bench.i2c.pins.muxed


def test_a_chip_that_holds_on_is_said_and_the_bus_gets_its_pins_back(bench: Bench) -> None:
    bench.i2c.pins.wires.hold_sda(UNTIL_POWER_CYCLE)
    found = bench.recover()
    assert found["clocks"] == [EIO, "SDA stays low: cut the sensors' supply, look for a short"]
    assert found["after"][0] == ETIMEDOUT
    assert bench.i2c.pins.bound and bench.i2c.pins.muxed
    bench.i2c.pins.wires.power_cycle()
    assert bench.recover()["before"] == [0, LIS3DH_ID]


def test_without_rights_nothing_is_touched(bench: Bench) -> None:
    for path in [path for path in bench.nodes if path.startswith("/sys/")]:
        del bench.nodes[path]
    bench.i2c.pins.wires.hold_sda(7)
    _, words = bench.recover()["clocks"]
    assert "no rights to write /sys/bus/platform/drivers/i2c-bcm2835/unbind" in words
    assert bench.i2c.pins.wires.clocks == 0 and bench.i2c.pins.muxed


def test_a_line_that_something_else_has_is_said_and_the_bus_is_bound_again(bench: Bench) -> None:
    bench.gpio.lines[bench.facts.scl].busy = True
    bench.i2c.pins.wires.hold_sda(7)
    found = bench.recover()
    assert found["clocks"] == [EBUSY, "GPIO 2 or 3 is in use by something else"]
    assert bench.i2c.pins.bound and bench.i2c.pins.muxed


def test_another_board_than_was_named_is_left_alone(bench: Bench) -> None:
    bench.nodes["/dev/gpiochip0"] = GpioNode("pinctrl-rp1", {})
    found = bench.recover()
    assert found["clocks"] == [ENODEV, "there is no GPIO chip pinctrl-bcm2711: is it this board?"]
    assert bench.i2c.pins.bound


def test_a_driver_that_was_left_unbound_is_bound_again(bench: Bench) -> None:
    bench.i2c.pins.bound = bench.i2c.pins.muxed = False
    found = bench.recover()
    assert found["before"][0] == 2 and found["after"] == [0, LIS3DH_ID]


@pytest.mark.parametrize(
    ("board", "number", "words"),
    [
        ("none", 1, 'the configuration does not name the board ("board")'),
        ("generic", 1, "the pins of /dev/i2c-1 are not free for it (i2c-dev)"),
        ("raspberry-pi-4", 3, "the pins of /dev/i2c-3 are not free for it (i2c-gpio)"),
    ],
)
def test_a_bus_that_cannot_be_clocked_says_why(
    bench: Bench, board: str, number: int, words: str
) -> None:
    assert bench.recover(board, number)["clocks"][1] == words
    assert bench.i2c.pins.wires.clocks == 0


@pytest.mark.parametrize("bench", [*RASPBERRIES, "revolution-pi-connect-4"], indirect=True)
def test_what_a_board_refuses_it_refuses_with_its_errno(bench: Bench) -> None:
    spi = bus_of(bench.board, "spidev", 0) or bus_of(read_board("generic"), "spidev", 0)
    i2c = bus_of(bench.board, "smbus2", 1)
    assert spi is not None and i2c is not None
    bench.i2c.chips[0x19] = bench.i2c.chips[0x18]
    bench.nodes["/dev/spidev0.0"] = SpiNode(SimMax31855(lambda t_s: (20.0, 20.0, "")), (0,))
    assert bench.said("limits") == {
        "register": 0,
        "read_not_last": i2c.limits.read_not_last_errno or 0,
        "two_addresses": i2c.limits.two_addresses_errno or 0,
        "nak": i2c.limits.nak_errno,
        "message_of_8192": 0,
        "message_of_8193": EINVAL,
        "messages_42": 0,
        "messages_43": EINVAL,
        "spi_of_4096": 0,
        "spi_of_4097": spi.limits.too_long_errno,
    }


WORDS = {  # errno of a transfer: what a technician is told to look at, English and Spanish
    121: ("nobody answers at /dev/i2c-1 0x18: check SDA", "nadie contesta en /dev/i2c-1 0x18"),
    6: ("nobody answers at /dev/i2c-1 0x18: check SDA", "nadie contesta en /dev/i2c-1 0x18"),
    110: ("something holds SDA or SCL low", "algo mantiene SDA o SCL en bajo"),
    5: ("/dev/i2c-1 0x18 failed in mid-transfer: check the cable", "falló a media transferencia"),
    11: ("lost arbitration: check SDA for a short", "perdió el arbitraje: busque un corto en SDA"),
    95: ("cannot make this transfer: name the board", "no sabe hacer esta transferencia"),
    22: ("refuses this transfer", "rechaza esta transferencia"),
    71: ("/dev/i2c-1: Protocol error (0x18) (71)", "/dev/i2c-1: error de protocolo (0x18) (71)"),
}
ABSENT = ("config.txt needs dtparam=spi=on", "a config.txt le falta dtparam=spi=on")


def test_every_failure_of_a_bus_says_what_to_look_at(bench: Bench) -> None:
    bench.i2c.fails_with = [*WORDS]
    said = bench.said("faults", str(len(WORDS)))
    assert "nothing answers" in said[0][1]["text"] and "nothing answers" in said[1][1]["text"]
    for reason, words in zip(said, [*WORDS.values(), ABSENT], strict=True):
        for language, part in zip(("en", "es"), words, strict=True):
            assert part in sensor_detail(reason, language)


def test_absent_and_forbidden_nodes_name_the_line_or_the_group() -> None:
    for number, cure in ((2, "dtparam=i2c_arm=on"), (13, "i2c")):
        facts = {"errno": number, "text": "", "place": "/dev/i2c-1", "cure": cure}
        for language in ("en", "es"):
            words = sensor_detail(["bus", facts], language)
            assert words.endswith(cure) and "/dev/i2c-1" in words


@pytest.mark.parametrize(
    "words",
    [
        "SDA stays low: cut the sensors' supply, look for a short",
        'the configuration does not name the board ("board")',
        "the pins of /dev/i2c-3 are not free for it (i2c-gpio)",
        "no rights to write /sys/bus/platform/drivers/i2c-bcm2835/bind",
        "/dev/i2c-1 is held by process 12",
        "there is no GPIO chip pinctrl-rp1: is it this board?",
        "/dev/gpiochip0 may not be opened (is the user in the group gpio?)",
        "GPIO 2 or 3 is in use by something else",
    ],
)
def test_why_clocks_were_not_possible_is_said_in_spanish(words: str) -> None:
    said = phrase(f"bus reopened; nine clocks were not possible: {words}", "es")
    assert said.startswith("se abre de nuevo el bus; no se pudieron dar")
    assert phrase(words, "es") in said and phrase(words, "es") != words
