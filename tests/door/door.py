"""Behind the kernel's door: simulated chips answer what real programs ask of device nodes.

`Door` compiles the preloaded library, listens, and gives the environment for a child process. Board
profiles refuse what each kernel driver refuses, with its errno.
"""

import os
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections import namedtuple
from pathlib import Path
from typing import Any

from tests.shared import needed

HERE = Path(__file__).resolve().parent
OPEN, I2C_TRANSFER, SPI_TRANSFER, READ, WRITE, SMBUS = range(1, 7)
EREMOTEIO, ETIMEDOUT, EOPNOTSUPP, EMSGSIZE, ENOENT, EIO = 121, 110, 95, 90, 2, 5
I2C_READ = 0x0001
SPI_BYTES_MAX = 4096
SMBUS_BYTE_DATA, SMBUS_WORD_DATA, SMBUS_I2C_BLOCK = 2, 3, 8

Message = namedtuple("Message", ("address", "reads", "content", "length"))

# `read_must_be_last`: i2c-bcm2835; `one_address`: i2c-designware.
Board = namedtuple("Board", ("name", "read_must_be_last", "one_address"))
PI_4 = Board("Raspberry Pi 4", True, False)
PI_5 = Board("Raspberry Pi 5", False, True)


class I2cNode:
    """/dev/i2c-N: `chips` by address. `stuck`: SDA is held low, everything times out."""

    def __init__(self, chips: dict[int, Any], board: Board) -> None:
        self.chips = chips
        self.stuck = False
        self._board = board
        self._pointers: dict[int, int] = {}

    def transfer(self, messages: list[Message]) -> bytes:
        if self._board.read_must_be_last and any(m.reads for m in messages[:-1]):
            raise OSError(EOPNOTSUPP, "a read is not the last message")
        if self._board.one_address and len({m.address for m in messages}) > 1:
            raise OSError(EOPNOTSUPP, "more than one address")
        return b"".join(self.one(message) for message in messages)

    def one(self, message: Message) -> bytes:
        if self.stuck:
            raise OSError(ETIMEDOUT, "SDA is stuck")
        chip = self.chips.get(message.address)
        if chip is None:
            raise OSError(EREMOTEIO, "no acknowledge")
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
    """/dev/spidevN.M: one chip. `modes`: what it has been addressed with."""

    def __init__(self, chip: Any, modes: tuple[int, ...]) -> None:
        self.chip = chip
        self.fails_with = 0
        self._modes = modes

    def transfer(self, sent: list[tuple[bytes, int, int]]) -> bytes:
        """`sent`: (bytes, mode, cs_change) of each transfer."""
        if self.fails_with:
            raise OSError(self.fails_with, "transfer failed")
        if sum(len(content) for content, _, _ in sent) > SPI_BYTES_MAX:
            raise OSError(EMSGSIZE, "more than spidev's buffer")
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


def _by_select(sent: list[tuple[bytes, int, int]]) -> list[list[tuple[bytes, int, int]]]:
    groups: list[list[tuple[bytes, int, int]]] = [[]]
    for place, one in enumerate(sent):
        groups[-1].append(one)
        if one[2] and place < len(sent) - 1:
            groups.append([])
    return groups


class Door:
    """`nodes`: {path: I2cNode or SpiNode}. `environment`: for the program that goes through."""

    def __init__(self, folder: Path, nodes: dict[str, Any]) -> None:
        self.nodes = nodes
        self._library = _compiled(folder)
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
                        node = self.nodes.get(body.decode())
                        result, answer = (0, b"") if node is not None else (-ENOENT, b"")
                    else:
                        result, answer = _answer(node, kind, argument, body)
                except OSError as error:
                    result, answer = -(error.errno or EIO), b""
                try:
                    connection.sendall(struct.pack("<iI", result, len(answer)) + answer)
                except OSError:
                    return  # the program was killed


def _answer(node: Any, kind: int, argument: int, body: bytes) -> tuple[int, bytes]:
    if kind == I2C_TRANSFER:
        return 0, node.transfer(_i2c_messages(argument, body))
    if kind == SPI_TRANSFER:
        return 0, node.transfer(_spi_transfers(argument, body))
    if kind == SMBUS:
        return _smbus(node, argument, body)
    if kind == READ:
        length = struct.unpack("<I", body)[0]
        return length, _half_duplex(node, argument, b"", length)
    return len(body), _half_duplex(node, argument, body, 0)


def _half_duplex(node: Any, address: int, content: bytes, length: int) -> bytes:
    if isinstance(node, SpiNode):
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


def _compiled(folder: Path) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    needed(compiler is not None, "a C compiler (apt-get install gcc libc6-dev)")
    target = folder / "door.so"
    command = [str(compiler), "-shared", "-fPIC", "-O1", "-o", str(target), str(HERE / "door.c")]
    subprocess.run([*command, "-ldl", "-lpthread"], check=True, env={**os.environ})
    return target
