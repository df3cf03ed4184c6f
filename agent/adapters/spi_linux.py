"""SPI through Linux's spidev ioctl, linux/spi/spidev.h. Called from the bus's own thread only.

A batch of equal transfers is one message of the ioctl: chip select rises between them, one system
call for a whole FIFO, and the interpreter is free meanwhile. Opened at the first transfer and again
after an error, as a bus may appear late or hang.
"""

import errno
import fcntl
import os
import struct
from array import array

from agent.ports import BusFault

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

_TRANSFER = "<QQIIHBBBBBB"  # struct spi_ioc_transfer: tx, rx, length, speed, delay, bits, cs_change
_TRANSFER_BYTES = 32
_MAGIC = ord("k")
_WRITE = 1
_MESSAGE_BYTES_MAX = 4096  # spidev's default buffer size, a direction
CONFIG_TXT = "dtparam=spi=on"
BUFFER_TXT = "spidev.bufsiz=4096"  # the default, and what the messages here are made for
_GAP_US = 5  # an ADXL345 wants as long between two of its FIFO entries


def _request(number: int, size: int) -> int:
    """_IOW('k', number, size) of asm-generic/ioctl.h."""
    return _WRITE << 30 | size << 16 | _MAGIC << 8 | number


_SET_MODE = _request(1, 1)
_SET_BITS = _request(3, 1)


def open_bus(settings: "Any", plant: "Any", clock: "Any") -> "SpiBus":
    """`settings`: agent.config.Bus; its number is N of /dev/spidevN.CS."""
    return SpiBus(settings)


class SpiBus:
    """Gives each sensor the device of its chip select."""

    has_clock_line = False  # its clock holds no chip in the middle of a byte: select ends that

    def __init__(self, settings: "Any") -> None:
        self._settings = settings
        self._devices: "list[SpiLinux]" = []

    def device(self, sensor: "Any", chip: "Any", address: "int | None") -> "SpiLinux":
        speed_hz = min(self._settings.speed_hz, chip.speed_hz_max)
        path = f"/dev/spidev{self._settings.number}.{sensor.chip_select}"
        self._devices.append(SpiLinux(path, chip.spi_mode, speed_hz))
        return self._devices[-1]

    def clocks(self) -> None:
        """Never called: see `has_clock_line`."""

    def reopen(self) -> None:
        for device in self._devices:
            device.close()


class SpiLinux:
    """The SPI port over one spidev node. OSError with the node's name."""

    def __init__(self, path: str, mode: int, speed_hz: int) -> None:
        self._path = path
        self._mode = mode
        self._speed_hz = speed_hz
        self._node: "int | None" = None
        self._sent = array("B", bytes(_MESSAGE_BYTES_MAX))
        self._received = array("B", bytes(_MESSAGE_BYTES_MAX))

    def write_readinto(self, write_buffer: "Any", read_buffer: "Any") -> None:
        self.write_readinto_repeated(write_buffer, read_buffer, 1)

    def write_readinto_repeated(self, write_buffer: "Any", read_buffer: "Any", count: int) -> None:
        """`count` chip-selected transfers of `write_buffer`, results back to back."""
        size = len(write_buffer)
        at_once = _MESSAGE_BYTES_MAX // size
        self._sent[:size] = array("B", bytes(write_buffer))
        for first in range(0, count, at_once):
            some = min(at_once, count - first)
            self._send(size, some)
            begin = first * size
            read_buffer[begin : begin + some * size] = bytes(self._received[: some * size])

    def _send(self, size: int, count: int) -> None:
        message = self.message(size, count)
        try:
            fcntl.ioctl(self._opened(), _request(0, len(message)), message, True)
        except OSError as error:
            self.close()
            raise self._fault(error)

    def message(self, size: int, count: int) -> bytearray:
        """The ioctl's argument: `count` transfers of `size` bytes each."""
        sent_at, _ = self._sent.buffer_info()
        received_at, _ = self._received.buffer_info()
        message = bytearray(_TRANSFER_BYTES * count)
        for place in range(count):
            last = place == count - 1
            struct.pack_into(
                _TRANSFER,
                message,
                _TRANSFER_BYTES * place,
                sent_at,
                received_at + place * size,
                size,
                self._speed_hz,
                0 if last else _GAP_US,
                8,
                0 if last else 1,
                0,
                0,
                0,
                0,
            )
        return message

    def close(self) -> None:
        node, self._node = self._node, None
        if node is not None:
            os.close(node)

    def _opened(self) -> int:
        if self._node is None:
            self._node = os.open(self._path, os.O_RDWR)
            fcntl.ioctl(self._node, _SET_MODE, bytes((self._mode,)))
            fcntl.ioctl(self._node, _SET_BITS, bytes((8,)))
        return self._node

    def _fault(self, error: "OSError") -> "BusFault":
        number, path = error.errno or errno.EIO, self._path
        if number in (errno.ENOENT, errno.ENXIO):
            text = f"{path} is not there ({CONFIG_TXT} in config.txt?)"
            return BusFault(errno.ENOENT, text, path, CONFIG_TXT)
        if number == errno.EACCES:
            text = f"{path} may not be opened (is the user in the group spi?)"
            return BusFault(number, text, path, "spi")
        if number == errno.EMSGSIZE:
            text = f"{path}: a transfer longer than spidev's buffer ({BUFFER_TXT} in cmdline.txt)"
            return BusFault(number, text, path, BUFFER_TXT)
        return BusFault(number, f"{path}: {error.strerror or error}", path)
