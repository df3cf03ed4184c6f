"""What a named board's profile says of a configuration: buses, chip selects, speed, what fits."""

from agent.boards import bus_of, buses_of_kind, read_board
from agent.checked import one_of
from agent.chips import BUS_KINDS, known_chips

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from agent.boards import Board, BoardBus
    from agent.chips import Chip
    from agent.config import Bus, Sensor, Settings

CHIPS = known_chips()
CONFIG_TXT = "/boot/firmware/config.txt"


def board_relations(settings: "Settings") -> "list[str]":
    """Complaints about what the named board cannot bear; it bears every simulated bus."""
    if settings.board is None:
        return []
    board = read_board(settings.board)
    complaints: "list[str]" = []
    found: "dict[str, BoardBus]" = {}
    for place, bus in enumerate(settings.buses):
        if bus.kind.startswith("sim_"):
            continue
        there = bus_of(board, bus.kind, bus.number)
        if there is None:
            complaints.append(_no_such_bus(f"buses[{place}].number", bus, board))
            continue
        found[bus.name] = there
        complaints += too_fast(f"buses[{place}].speed_hz", bus, there)
    for place, sensor in enumerate(settings.sensors):
        if sensor.bus in found:
            path = f"sensors[{place}]"
            complaints += unfit(path, sensor, CHIPS[sensor.chip], found[sensor.bus], board)
    return complaints


def too_fast(path: str, bus: "Bus", there: "BoardBus") -> "list[str]":
    """An I2C bus runs as config.txt says; asking for more does not make it faster."""
    if not BUS_KINDS[bus.kind] or there.speed_hz is None or bus.speed_hz <= there.speed_hz:
        return []
    return [
        f"{path}: {bus.speed_hz} is faster than this bus runs (expected at most {there.speed_hz},"
        f" which {_line(there)} sets)"
    ]


def unfit(
    path: str, sensor: "Sensor", chip: "Chip", there: "BoardBus", board: "Board"
) -> "list[str]":
    """A chip select that is not there, a clock that may not be stretched, a burst too long."""
    if there.kind == "spidev":
        return _unfit_for_spi(path, sensor, chip, there, board)
    complaints = []
    if chip.stretches_clock and not there.limits.clock_stretching:
        complaints.append(
            f'{path}.bus: "{sensor.bus}" does not bear a chip that stretches the clock, as'
            f" {chip.name} does ({there.driver}; expected {_bearing_bus(board)})"
        )
    if chip.burst_bytes > there.limits.message_bytes_max:
        complaints.append(_too_long(path, chip, chip.burst_bytes, there.limits.message_bytes_max))
    return complaints


def _unfit_for_spi(
    path: str, sensor: "Sensor", chip: "Chip", there: "BoardBus", board: "Board"
) -> "list[str]":
    complaints = []
    if sensor.chip_select not in there.chip_selects:
        complaints.append(
            f"{path}.chip_select: {sensor.chip_select} is not a chip select of {there.name} of"
            f" {board.name} {one_of(there.chip_selects)}"
        )
    sent = chip.burst_bytes + 1  # the register's number goes before
    if sent > there.limits.transfer_bytes_max:
        complaints.append(_too_long(path, chip, sent, there.limits.transfer_bytes_max))
    return complaints


def _too_long(path: str, chip: "Chip", sent: int, at_most: int) -> str:
    return (
        f"{path}.chip: {chip.name} is read in bursts of {sent} bytes, and this board's driver takes"
        f" {at_most} (expected another bus)"
    )


def _no_such_bus(path: str, bus: "Bus", board: "Board") -> str:
    kind = "I2C" if BUS_KINDS[bus.kind] else "SPI"
    numbers = tuple(one.number for one in buses_of_kind(board, bus.kind))
    return f"{path}: {bus.number} is not an {kind} bus of {board.name} {one_of(numbers)}"


def _bearing_bus(board: "Board") -> str:
    """Which of the board's buses bears a stretched clock, and how it comes to be."""
    for bus in board.buses:
        if bus.kind == "smbus2" and bus.limits.clock_stretching:
            return f'a bus of its own: "number": {bus.number}, with {_line(bus)}'
    return "an SPI chip instead: this board has no such bus"


def _line(bus: "Any") -> str:
    return f"{' '.join(bus.config_txt) or 'the device tree'} in {CONFIG_TXT}"
