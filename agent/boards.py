"""Boards by their files in hw/boards: which bus, which pins, what each kernel driver refuses.

hw/boards/README.md says what each key means and where it comes from.
"""

import json
from collections import namedtuple
from pathlib import Path

import hw

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

FOLDER = Path(hw.__file__).resolve().parent / "boards"
Board = namedtuple("Board", ("name", "title", "buses", "groups", "real_time_clock"))
BoardBus = namedtuple(
    "BoardBus",
    (
        "name",
        "kind",
        "number",
        "driver",
        "pins",
        "chip_selects",
        "speed_hz",
        "config_txt",
        "limits",
        "select_lines",
        "recovery",
        "notes",
    ),
)
I2cLimits = namedtuple(
    "I2cLimits",
    (
        "message_bytes_max",
        "messages_max",
        "read_not_last_errno",
        "two_addresses_errno",
        "nak_errno",
        "stuck_errno",
        "clock_stretching",
    ),
)
SpiLimits = namedtuple("SpiLimits", ("transfer_bytes_max", "too_long_errno"))
Recovery = namedtuple("Recovery", ("gpiochip", "sda", "scl", "platform_driver", "platform_device"))
KERNEL_KIND = {"blinka_i2c": "smbus2", "blinka_spi": "spidev"}  # Blinka uses the same nodes


def wire_of(bus: "Any") -> "tuple[str, int]":
    """What a configured bus is on the board, whoever drives it: two names may mean one wire."""
    return KERNEL_KIND.get(bus.kind, bus.kind), bus.number


def node_of(bus: "Any", chip_select: int) -> str:
    """The kernel's node of a configured bus or of a chip select on it; "" of a simulated one."""
    kind, number = wire_of(bus)
    if kind.startswith("sim_"):
        return ""
    return f"/dev/i2c-{number}" if kind == "smbus2" else f"/dev/spidev{number}.{chip_select}"


def known_boards() -> "tuple[str, ...]":
    """The names that a configuration may give, in the order of the alphabet."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


def read_board(name: str, folder: "Path" = FOLDER) -> "Board":
    """The profile of a known board; TypeError when its file lacks a key or has one too many."""
    held = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    buses = tuple(_bus(bus) for bus in held["buses"])
    return Board(name, held["board"], buses, tuple(held["groups"]), held["real_time_clock"])


def bus_of(board: "Board", kind: str, number: int) -> "BoardBus | None":
    """The board's bus that a configured one of `kind` and `number` is; None when it has none."""
    for bus in buses_of_kind(board, kind):
        if bus.number == number:
            return bus
    return None


def buses_of_kind(board: "Board", kind: str) -> "list[BoardBus]":
    """The board's buses that a configured one of `kind` may be; Blinka knows the header's only."""
    same = [bus for bus in board.buses if bus.kind == KERNEL_KIND.get(kind, kind)]
    return [bus for bus in same if kind not in KERNEL_KIND or bus.driver != "i2c-gpio"]


def recovery_facts(board_name: "str | None", bus: "Any") -> "tuple[Recovery | None, str]":
    """(how the configured I2C `bus` can be clocked by hand, or None; why it cannot)."""
    if board_name is None:
        return None, 'the configuration does not name the board ("board")'
    found = bus_of(read_board(board_name), bus.kind, bus.number)
    if found is None or found.recovery is None:
        driver = "unknown to the board" if found is None else found.driver
        return None, f"the pins of /dev/i2c-{bus.number} are not free for it ({driver})"
    return found.recovery, ""


def pin_words(bus: "BoardBus | None", wires: str) -> str:
    """`wires` with the header's pin numbers: "MISO" gives "MISO (pin 21)" where they are known."""
    pins = {} if bus is None else bus.pins
    for wire, pin in pins.items():
        wires = wires.replace(wire, f"{wire} (pin {pin})")
    return wires


def _bus(held: "dict[str, Any]") -> "BoardBus":
    kind = I2cLimits if held["kind"] == "smbus2" else SpiLimits
    limits = kind(**held["limits"])
    recovery = None if held["recovery"] is None else Recovery(**held["recovery"])
    return BoardBus(**dict(held, limits=limits, recovery=recovery))
