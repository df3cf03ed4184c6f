"""Run through the kernel's door: transfers that boards refuse, by smbus2 and by spidev's ioctl.

python -m tests.door.limits      {what: errno, or 0 where it works}
"""

import fcntl
import json
import os
import struct
from array import array
from collections.abc import Callable
from typing import Any

from smbus2 import SMBus, i2c_msg

LIS3DH, OTHER, NOBODY, WHO_AM_I = 0x18, 0x19, 0x42, 0x0F
SPI_MESSAGE = 1 << 30 | 32 << 16 | ord("k") << 8


def errno_of(call: Callable[[], Any]) -> int:
    try:
        call()
    except OSError as error:
        return error.errno or -1
    return 0


def spi(size: int) -> None:
    room = array("B", bytes(size))
    at, _ = room.buffer_info()
    message = struct.pack("<QQIIHBBBBBB", at, at, size, 1_000_000, 0, 8, 0, 0, 0, 0, 0)
    node = os.open("/dev/spidev0.0", os.O_RDWR)
    fcntl.ioctl(node, SPI_MESSAGE, bytearray(message), True)


def main() -> None:
    bus = SMBus(1)
    point, read = i2c_msg.write(LIS3DH, [WHO_AM_I]), i2c_msg.read(LIS3DH, 1)
    cases: dict[str, Callable[[], Any]] = {
        "register": lambda: bus.i2c_rdwr(point, read),
        "read_not_last": lambda: bus.i2c_rdwr(point, read, point, read),
        "two_addresses": lambda: bus.i2c_rdwr(point, i2c_msg.write(OTHER, [WHO_AM_I])),
        "nak": lambda: bus.i2c_rdwr(i2c_msg.read(NOBODY, 1)),
        "message_of_8192": lambda: bus.i2c_rdwr(i2c_msg.read(LIS3DH, 8192)),
        "message_of_8193": lambda: bus.i2c_rdwr(i2c_msg.read(LIS3DH, 8193)),
        "messages_42": lambda: bus.i2c_rdwr(*[point] * 42),
        "messages_43": lambda: bus.i2c_rdwr(*[point] * 43),
        "spi_of_4096": lambda: spi(4096),
        "spi_of_4097": lambda: spi(4097),
    }
    print(json.dumps({name: errno_of(call) for name, call in cases.items()}))


if __name__ == "__main__":
    main()
