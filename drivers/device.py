"""What every driver is made of: register fields, register access, frame layouts, faults.

Portable: runs on MicroPython and CPython. A driver owns no time, no thread, no log and no buffer.
Where a chip needs a pause, the method is a generator that yields the milliseconds it wants.

Bus shapes (those of `machine.I2C` and of a chip-selected `machine.SPI`):
    I2C   readfrom_mem_into(address, register, buffer)   writeto_mem(address, register, buffer)
    SPI   write_readinto(write_buffer, read_buffer)       one chip-selected transfer
          write_readinto_repeated(write_buffer, read_buffer, count)   optional: `count` such
                                                    transfers, results one after another
"""

from collections import namedtuple

# A register field: `width` bits at `shift` of an 8-bit `register`.
Field = namedtuple("Field", ("name", "register", "shift", "width"))

# One channel of a frame: `bits` signed bits, `shift` bits up, of the `size`-byte integer at
# `offset`; value = (raw + bias) * scale, in `unit`. `order` is "little" or "big".
Channel = namedtuple(
    "Channel", ("name", "unit", "offset", "size", "order", "shift", "bits", "scale", "bias")
)

# Bits of a frame that must hold `value` under `mask` at byte `offset`; if not, the frame is
# reported with NE 107 `status` and `reason`.
Check = namedtuple("Check", ("offset", "mask", "value", "status", "reason"))

# A raw frame: `frame_bytes` long, its channels and its checks. Pure facts, so that numpy decodes a
# block at once on a Linux board and `decode_frame` does the same on MicroPython.
Layout = namedtuple("Layout", ("frame_bytes", "channels", "checks"))

# What one drain brought: frames now in the caller's buffer, frames the chip held when asked, and
# whether the chip had to throw frames away before.
Drained = namedtuple("Drained", ("frames", "level", "overrun"))


class SensorFault(Exception):
    """The chip answered but cannot be trusted: what was expected and found, which wire to check."""

    def __init__(self, chip: str, expected: str, found: str, check: str) -> None:
        super().__init__(f"{chip}: expected {expected}, found {found}; check {check}")
        self.chip = chip
        self.expected = expected
        self.found = found
        self.check = check


def sign_extend(value: int, bits: int) -> int:
    """`value`'s low `bits` bits as a two's-complement number."""
    sign = 1 << (bits - 1)
    return (value & (sign - 1)) - (value & sign)
