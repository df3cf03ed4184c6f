"""Behind the kernel's door: simulated chips answer what real programs ask of device nodes.

`Door` compiles the preloaded library, listens, and gives the environment for a child process. What
each kernel driver refuses, and with which errno, comes from the board's profile in hw/boards.
"""

import functools
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections import namedtuple
from pathlib import Path
from typing import Any

from agent.boards import Board, bus_of, read_board
from hw.sim.wires import I2cWires
from tests.door.gpio import BindNode, GpioNode, GpioRequest, I2cPins, Line
from tests.shared import needed

BUILT = tempfile.TemporaryDirectory(prefix="latido-door-")
HERE = Path(__file__).resolve().parent
OPEN, I2C_TRANSFER, SPI_TRANSFER, READ, WRITE, SMBUS, GPIO = range(1, 8)
EOPNOTSUPP, EINVAL, ENOENT, EIO = 95, 22, 2, 5
I2C_READ = 0x0001
SMBUS_BYTE_DATA, SMBUS_WORD_DATA, SMBUS_I2C_BLOCK = 2, 3, 8

Message = namedtuple("Message", ("address", "reads", "content", "length"))

PI_4, PI_5 = read_board("raspberry-pi-4"), read_board("raspberry-pi-5")


class I2cNode:
    """/dev/i2c-N of a board: `chips` by address. `stuck`: everything times out until told else.

    `pins`: whose its two wires are; a chip in mid-byte holds `pins.wires`. `refused`: errnos given.
    """

    def __init__(self, chips: dict[int, Any], board: Board, number: int = 1) -> None:
        found = bus_of(board, "smbus2", number)
        assert found is not None, f"{board.title} has no /dev/i2c-{number}"
        self.chips = chips
        self.stuck = False
        self.hangs_s = 0.0  # how long a transfer on held wires takes: 1 s with Linux's drivers
        self.fails_with: list[int] = []  # errnos of the next transfers
        self.pins = I2cPins(I2cWires())
        self.refused: list[int] = []
        self._limits = found.limits
        self._pointers: dict[int, int] = {}

    @property
    def there(self) -> bool:
        return self.pins.bound

    def transfer(self, messages: list[Message]) -> bytes:
        if self.fails_with:
            self._refuse(self.fails_with.pop(0))
        limits = self._limits
        long = any(max(m.length, len(m.content)) > limits.message_bytes_max for m in messages)
        if long or len(messages) > limits.messages_max:
            self._refuse(EINVAL)
        if any(m.reads for m in messages[:-1]):
            self._refuse(limits.read_not_last_errno)
        if len({m.address for m in messages}) > 1:
            self._refuse(limits.two_addresses_errno)
        return b"".join(self.one(message) for message in messages)

    def _refuse(self, number: int | None) -> None:
        if number is not None:
            self.refused.append(number)
            raise OSError(number, "this board's driver refuses it")

    def one(self, message: Message) -> bytes:
        if self.stuck or not self.pins.muxed or not self.pins.wires.sda:
            time.sleep(self.hangs_s)
            self._refuse(self._limits.stuck_errno)
        chip = self.chips.get(message.address)
        if chip is None:
            self._refuse(self._limits.nak_errno)
        assert chip is not None
        chip.advance(time.monotonic_ns())
        if message.reads:
            buffer = bytearray(message.length)
            chip.read_registers(self._pointers.get(message.address, 0), buffer)
            return bytes(buffer)
        if message.content:
            self._pointers[message.address] = message.content[0]
            if len(message.content) > 1:
                chip.write_registers(message.content[0], message.content[1:])
        return b""


class SpiNode:
    """/dev/spidevN.M: one chip. `modes`: those in which it understands."""

    there = True

    def __init__(self, chip: Any, modes: tuple[int, ...], board: Board = PI_5) -> None:
        found = bus_of(board, "spidev", 0)
        assert found is not None, f"{board.title} has no SPI"
        self.chip = chip
        self.fails_with = 0
        self._modes = modes
        self._limits = found.limits

    def transfer(self, sent: list[tuple[bytes, int, int]]) -> bytes:
        """`sent`: (bytes, mode, cs_change) of each transfer."""
        if self.fails_with:
            raise OSError(self.fails_with, "transfer failed")
        if sum(len(content) for content, _, _ in sent) > self._limits.transfer_bytes_max:
            raise OSError(self._limits.too_long_errno, "more than spidev's buffer")
        return b"".join(self._selected(group) for group in _by_select(sent))

    def _selected(self, group: list[tuple[bytes, int, int]]) -> bytes:
        """Transfers between two edges of chip select are one for the chip."""
        content = b"".join(part for part, _, _ in group)
        received = bytearray(len(content))
        self.chip.advance(time.monotonic_ns())
        self.chip.transfer(content, received)
        if group[0][1] & 3 not in self._modes:  # sampled on the wrong edge: shifted by a bit
            whole = int.from_bytes(received, "big") >> 1
            return whole.to_bytes(len(received), "big")
        return bytes(received)


class SelectedSpi:
    """/dev/spidevN.0 without a chip select of its own: GPIO lines select. {line: SpiNode}.

    Messages between two edges of a line are one transfer for its chip: it hears them all again from
    the first, and what is new of its answer counts (right for registers, not for FIFOs).
    """

    there = True

    def __init__(self, nodes: dict[int, SpiNode]) -> None:
        self._nodes = nodes
        self._selected: SpiNode | None = None
        self._so_far: list[tuple[bytes, int, int]] = []

    def lines(self) -> dict[int, Line]:
        return {number: self._line(node) for number, node in self._nodes.items()}

    def _line(self, node: SpiNode) -> Line:
        def drive(level: int) -> None:
            if not level:
                self._selected, self._so_far = node, []
            elif self._selected is node:
                self._selected = None

        return Line(drive=drive)

    def transfer(self, sent: list[tuple[bytes, int, int]]) -> bytes:
        if self._selected is None:
            return b"\xff" * sum(len(content) for content, _, _ in sent)  # MISO floats
        self._so_far += [(content, mode, 0) for content, mode, _ in sent]
        new = sum(len(content) for content, _, _ in sent)
        return self._selected.transfer(self._so_far)[-new:]


def _by_select(sent: list[tuple[bytes, int, int]]) -> list[list[tuple[bytes, int, int]]]:
    groups: list[list[tuple[bytes, int, int]]] = [[]]
    for place, one in enumerate(sent):
        groups[-1].append(one)
        if one[2] and place < len(sent) - 1:
            groups.append([])
    return groups


class Door:
    """`nodes`: {path: I2cNode, SpiNode, SelectedSpi, GpioNode or BindNode}.

    `environment`: for the program that goes through.
    """

    def __init__(self, folder: Path, nodes: dict[str, Any]) -> None:
        self.nodes = nodes
        self._library = _compiled()
        self._place = str(folder / "door")
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self._place)
        self._listener.listen()
        self.requests = 0
        self.errors: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(self._library),
            "LATIDO_DOOR": self._place,
            "LATIDO_DOOR_NODES": ":".join(self.nodes),
        }

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        node: Any = None
        with connection:
            while head := _exactly(connection, 12):
                kind, argument, length = struct.unpack("<III", head)
                body = _exactly(connection, length)
                self.requests += 1
                try:
                    if kind == OPEN:
                        node, result, answer = self._opened(body.decode()), 0, b""
                    else:
                        result, answer = _answer(node, kind, argument, body)
                except OSError as error:
                    result, answer = -(error.errno or EIO), b""
                try:
                    connection.sendall(struct.pack("<iI", result, len(answer)) + answer)
                except OSError:
                    break  # the program was killed
        if isinstance(node, GpioRequest):
            node.close()

    def _opened(self, path: str) -> Any:
        node = self.nodes.get(path)
        if isinstance(node, GpioNode):
            return node.connect()
        if node is None or not getattr(node, "there", True):
            raise OSError(ENOENT, "no such node")
        return node


def _answer(node: Any, kind: int, argument: int, body: bytes) -> tuple[int, bytes]:
    if kind == I2C_TRANSFER:
        return 0, node.transfer(_i2c_messages(argument, body))
    if kind == SPI_TRANSFER:
        return 0, node.transfer(_spi_transfers(argument, body))
    if kind == SMBUS:
        return _smbus(node, argument, body)
    if kind == GPIO:
        return 0, node.ioctl(argument, body)
    if isinstance(node, BindNode):
        node.write(body)
        return len(body), b""
    if kind == READ:
        length = struct.unpack("<I", body)[0]
        return length, _half_duplex(node, argument, b"", length)
    return len(body), _half_duplex(node, argument, body, 0)


def _half_duplex(node: Any, address: int, content: bytes, length: int) -> bytes:
    if isinstance(node, (SpiNode, SelectedSpi)):
        return node.transfer([(content or bytes(length), 0, 0)])
    return node.one(Message(address, not content, content, length))  # type: ignore[no-any-return]


def _smbus(node: I2cNode, address: int, body: bytes) -> tuple[int, bytes]:
    reads, command, size = body[0], body[1], struct.unpack_from("<I", body, 2)[0]
    block = (
        body[6] if size == SMBUS_I2C_BLOCK else {SMBUS_BYTE_DATA: 1, SMBUS_WORD_DATA: 2}.get(size)
    )
    if block is None:
        raise OSError(EOPNOTSUPP, f"SMBus kind {size}")
    data = body[7 : 7 + block] if size == SMBUS_I2C_BLOCK else body[6 : 6 + block]
    if not reads:
        node.one(Message(address, False, bytes((command,)) + data, 0))
        return 0, b""
    node.one(Message(address, False, bytes((command,)), 0))
    content = node.one(Message(address, True, b"", block))
    if size == SMBUS_I2C_BLOCK:
        content = bytes((block,)) + content
    return len(content), content


def _i2c_messages(count: int, body: bytes) -> list[Message]:
    messages, at = [], 0
    for _ in range(count):
        address, flags, length = struct.unpack_from("<HHH", body, at)
        at += 6
        reads = bool(flags & I2C_READ)
        content = b"" if reads else body[at : at + length]
        at += len(content)
        messages.append(Message(address, reads, content, length))
    return messages


def _spi_transfers(count: int, body: bytes) -> list[tuple[bytes, int, int]]:
    transfers, at = [], 0
    for _ in range(count):
        length, _, cs_change, mode, _ = struct.unpack_from("<IIBBH", body, at)
        at += 12
        transfers.append((body[at : at + length], mode, cs_change))
        at += length
    return transfers


def _exactly(connection: socket.socket, length: int) -> bytes:
    content = b""
    while len(content) < length:
        try:
            part = connection.recv(length - len(content))
        except ConnectionResetError:  # the program was killed
            return b""
        if not part:
            return b""
        content += part
    return content


@functools.cache
def _compiled() -> Path:
    """The library, built once by each run of the tests."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    needed(compiler is not None, "a C compiler (apt-get install gcc libc6-dev)")
    target = Path(BUILT.name) / "door.so"
    command = [str(compiler), "-shared", "-fPIC", "-O1", "-o", str(target), str(HERE / "door.c")]
    subprocess.run([*command, "-ldl", "-lpthread"], check=True, env={**os.environ})
    return target
