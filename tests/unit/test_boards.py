"""Boards as data: one format, and what a named board refuses of a configuration."""

import copy
import errno
import json
from pathlib import Path
from typing import Any

import pytest

from agent.boards import FOLDER, bus_of, known_boards, pin_words, read_board
from agent.checked import ConfigFault
from agent.chips import known_chips
from agent.config import Sensor, read_settings
from agent.config_board import unfit

CONFIG: dict[str, Any] = {
    "schema": 1,
    "board": "raspberry-pi-4",
    "device": {"site": "planta-1", "name": "pi-7"},
    "state_dir": "/var/lib/latido",
    "buses": [
        {"name": "spi0", "kind": "spidev", "speed_hz": 5000000},
        {"name": "i2c1", "kind": "smbus2", "number": 1, "speed_hz": 400000},
        {"name": "i2c3", "kind": "smbus2", "number": 3},
    ],
    "sensors": [
        {"name": "de", "chip": "iis3dwb", "bus": "spi0", "chip_select": 1},
        {"name": "nde", "chip": "lis3dh", "bus": "i2c1", "rate_hz": 400},
        {"name": "t", "chip": "mcp9600", "bus": "i2c3"},
    ],
    "machines": [{"name": "Bomba 1", "vibration": "de", "temperature": "t"}],
}
PI_5 = "raspberry-pi-5"


def said(path: str, value: Any, board: str | None = "raspberry-pi-4") -> list[str]:
    """The complaints about CONFIG with one value changed."""
    held = copy.deepcopy(CONFIG)
    held["board"] = board
    place: Any = held
    *way, last = path.split(".")
    for step in way:
        place = place[int(step) if step.isdigit() else step]
    place[last] = value
    try:
        read_settings(json.dumps(held))
    except ConfigFault as fault:
        return fault.complaints
    return []


@pytest.mark.parametrize("name", known_boards())
def test_every_board_has_the_same_keys_and_numbers_that_can_be(name: str) -> None:
    board = read_board(name)
    assert board.title and board.buses and board.groups
    for bus in board.buses:
        assert bus.kind in ("smbus2", "spidev") and bus.driver
        assert bool(bus.chip_selects) == (bus.kind == "spidev")
        assert all(isinstance(pin, int) and 1 <= pin <= 40 for pin in bus.pins.values())
        errnos = [value for key, value in bus.limits._asdict().items() if key.endswith("errno")]
        assert all(number is None or number in errno.errorcode for number in errnos)
    places = [(bus.kind, bus.number) for bus in board.buses]
    assert len(set(places)) == len(places)


def test_the_boards_that_users_buy_are_there() -> None:
    wanted = {f"raspberry-pi-{one}" for one in ("zero-2-w", "3", "4", "5")} | {"generic"}
    assert wanted < set(known_boards())


@pytest.mark.parametrize("change", [{"colour": 1}, {"limits": {}}, {"recovery": {"sda": 2}}])
def test_a_board_file_with_a_key_too_many_or_too_few_is_noticed(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    held = json.loads((FOLDER / "generic.json").read_text())
    held["buses"][0].update(change)
    (tmp_path / "odd.json").write_text(json.dumps(held))
    with pytest.raises(TypeError):
        read_board("odd", tmp_path)


def test_a_configuration_that_fits_its_board_is_read() -> None:
    assert said("version", 1) == []


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("buses.0.number", 1, "buses[0].number: 1 is not an SPI bus of raspberry-pi-4 (choose 0)"),
        (
            "buses.1.number",
            7,
            "buses[1].number: 7 is not an I2C bus of raspberry-pi-4 (choose 1 3)",
        ),
        (
            "sensors.0.chip_select",
            2,
            "sensors[0].chip_select: 2 is not a chip select of spi0 of raspberry-pi-4 (choose 0 1)",
        ),
        (
            "board",
            "raspberry-pi-6",
            'board: "raspberry-pi-6" is not (choose generic raspberry-pi-3 raspberry-pi-4'
            " raspberry-pi-5 raspberry-pi-zero-2-w revolution-pi-connect-4)",
        ),
    ],
)
def test_what_the_board_has_not_is_refused(path: str, value: Any, complaint: str) -> None:
    assert said(path, value) == [complaint]
    if path not in ("board",):
        assert said(path, value, None) == [], "without a board nobody knows"


@pytest.mark.parametrize("board", ["raspberry-pi-zero-2-w", "raspberry-pi-3", "raspberry-pi-4"])
def test_a_chip_that_stretches_the_clock_needs_a_bus_that_bears_it(board: str) -> None:
    slow = {"name": "i2c1", "kind": "smbus2", "number": 1}
    held = copy.deepcopy(CONFIG)
    held["board"], held["buses"][1] = board, slow
    held["sensors"][2]["bus"] = "i2c1"
    held["sensors"][1]["rate_hz"] = 100
    with pytest.raises(ConfigFault) as caught:
        read_settings(json.dumps(held))
    assert caught.value.complaints == [
        'sensors[2].bus: "i2c1" does not bear a chip that stretches the clock, as mcp9600 does'
        ' (i2c-bcm2835; expected a bus of its own: "number": 3, with'
        " dtoverlay=i2c-gpio,bus=3,i2c_gpio_sda=23,i2c_gpio_scl=24 in /boot/firmware/config.txt)"
    ]
    held["board"] = PI_5
    assert read_settings(json.dumps(held)).board == PI_5


def test_blinka_has_the_headers_bus_only() -> None:
    bus = {"name": "i2c3", "kind": "blinka_i2c", "number": 3}
    assert said("buses", [*CONFIG["buses"][:2], bus]) == [
        "buses[2].number: 3 is not an I2C bus of raspberry-pi-4 (choose 1)"
    ]


def test_a_bus_too_fast_for_a_chip_is_refused_on_any_board() -> None:
    (line,) = said("buses.2.speed_hz", 400000, None)
    assert line.startswith(
        'sensors[2].bus: "i2c3" runs at 400000 Hz, too fast for mcp9600'
        " (expected a bus of at most 100000 Hz"
    )


def test_a_clock_that_config_txt_does_not_set_is_refused() -> None:
    free = {"name": "free", "kind": "smbus2", "number": 1, "speed_hz": 1_000_000}
    spi = {"name": "de", "chip": "lis3dh", "bus": CONFIG["buses"][0]["name"], "chip_select": 0}
    held = copy.deepcopy(CONFIG)
    held["buses"][1] = free
    held["sensors"][1] = {**spi, "name": held["sensors"][1]["name"], "rate_hz": 100}
    with pytest.raises(ConfigFault) as caught:
        read_settings(json.dumps(held))
    assert caught.value.complaints == [
        "buses[1].speed_hz: 1000000 is faster than this bus runs (expected at most 400000,"
        " which dtparam=i2c_arm=on,i2c_arm_baudrate=400000 in /boot/firmware/config.txt sets)"
    ]


def test_a_burst_longer_than_the_driver_takes_is_refused() -> None:
    board, chip = read_board(PI_5), known_chips()["iis3dwb"]
    there = bus_of(board, "spidev", 0)
    assert there is not None
    sensor = Sensor("de", "iis3dwb", "spi0", None, 26667, 0, ())
    sent = chip.burst_bytes + 1
    assert sent > 3500, "the whole FIFO is one burst"
    for at_most, complaints in (
        (sent, []),
        (
            sent - 1,
            [
                f"sensors[0].chip: iis3dwb is read in bursts of {sent} bytes, and this board's"
                f" driver takes {sent - 1} (expected another bus)"
            ],
        ),
    ):
        limited = there._replace(limits=there.limits._replace(transfer_bytes_max=at_most))
        assert unfit("sensors[0]", sensor, chip, limited, board) == complaints


def test_wires_are_named_with_the_pins_of_the_board() -> None:
    board = read_board("raspberry-pi-4")
    spi = bus_of(board, "blinka_spi", 0)
    assert pin_words(spi, "MISO, CS and the supply") == "MISO (pin 21), CS and the supply"
    assert pin_words(bus_of(board, "smbus2", 1), "SDA, SCL") == "SDA (pin 3), SCL (pin 5)"
    assert pin_words(None, "MISO") == "MISO"
