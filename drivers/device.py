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

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    class Registers(Protocol):
        """8-bit registers of one chip, and the wires to suspect when they answer wrongly."""

        chip: str
        read_wires: str
        write_wires: str

        def read(self, register: int) -> int: ...
        def read_into(self, register: int, buffer: Any, size: int) -> None: ...
        def reader(self, register: int, size: int) -> tuple[Callable[[], None], Any]: ...
        def write(self, register: int, value: int) -> None: ...


# A register field: `width` bits at `shift` of an 8-bit `register`.
Field = namedtuple("Field", ("name", "register", "shift", "width"))

# One channel of a frame: `bits` signed bits, `shift` bits up, of the `size`-byte integer at
# `offset`; value = (raw + bias) * scale, in `unit`. `order` is "little" or "big". `step`: raw
# counts between two neighbouring values (a left-justified word ends in bits that are always 0).
Channel = namedtuple(
    "Channel", ("name", "unit", "offset", "size", "order", "shift", "bits", "scale", "bias", "step")
)

# Byte `offset` of a frame, under `mask`, must be one of `values`: a constant, or sign bits that
# repeat one another. If not, the frame is reported with NE 107 `status` and `reason`.
Check = namedtuple("Check", ("offset", "mask", "values", "status", "reason"))

# `bits` bits, `shift` bits up, of byte `offset` that count on from frame to frame; where they do
# not, frames are missing or stand twice, and that is reported with `status` and `reason`.
Counter = namedtuple("Counter", ("offset", "shift", "bits", "status", "reason"))

# A raw frame: `frame_bytes` long, its channels, its checks, its counter (None: it has none) and
# `correct`, a function from a frame's values to better ones (None: they are right as they are).
# Facts, so that numpy decodes a block at once on a Linux board and `decode_frame` does the same on
# MicroPython.
Layout = namedtuple("Layout", ("frame_bytes", "channels", "checks", "counter", "correct"))

# What one drain brought: frames now in the caller's buffer, frames the chip held when asked, and
# whether the chip had to throw frames away before.
Drained = namedtuple("Drained", ("frames", "level", "overrun"))


def drained_whole(most: int) -> "tuple[Drained, ...]":
    """What a drain of 0 to `most` frames without loss gives, made once: they are never changed."""
    return tuple(Drained(level, level, False) for level in range(most + 1))


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


def put(registers: "Registers", field: "Field", value: int) -> None:
    """Writes one field, keeps its neighbours, reads back; SensorFault when the chip kept another.

    ValueError when `value` does not fit the field's width.
    """
    limit = 1 << field.width
    if not 0 <= value < limit:
        raise ValueError(f"{field.name}: {value} does not fit {field.width} bits")
    mask = (limit - 1) << field.shift
    wanted = registers.read(field.register) & ~mask & 0xFF | value << field.shift
    registers.write(field.register, wanted)
    found = registers.read(field.register)
    if found != wanted:
        raise SensorFault(
            registers.chip,
            f"register 0x{field.register:02x} ({field.name}) to hold 0x{wanted:02x}",
            f"0x{found:02x}",
            registers.write_wires,
        )


def expect_id(registers: "Registers", register: int, expected: "tuple[int, ...]") -> None:
    """SensorFault, with the wires to check, when something else or nothing answers."""
    found = registers.read(register)
    if found not in expected:
        raise SensorFault(
            registers.chip,
            "device id " + " or ".join(f"0x{one:02x}" for one in expected),
            f"0x{found:02x}",
            registers.read_wires,
        )


def still_set(registers: "Registers", kept: "tuple[tuple[Field, int], ...]") -> None:
    """SensorFault when a field that was set is no longer: the chip has been without supply."""
    for field, value in kept:
        found = registers.read(field.register) >> field.shift & ((1 << field.width) - 1)
        if found != value:
            raise SensorFault(
                registers.chip,
                f"{field.name} still 0x{value:02x}",
                f"0x{found:02x}",
                "its supply: it was reset while it ran",
            )


class I2cRegisters:
    """8-bit registers over I2C. OSError from the bus passes through."""

    read_wires = "SDA, SCL, the supply and the address pin"
    write_wires = "SDA, SCL and their pull-ups"

    def __init__(self, chip: str, bus: "Any", address: int, many_bit: int = 0) -> None:
        self.chip = chip
        self._bus = bus
        self._address = address
        self._many_bit = many_bit
        self._one = bytearray(1)

    def read(self, register: int) -> int:
        self._bus.readfrom_mem_into(self._address, register, self._one)
        return self._one[0]

    def read_into(self, register: int, buffer: "Any", size: int) -> None:
        """One burst from `register` on fills the first `size` bytes of `buffer`."""
        self._bus.readfrom_mem_into(
            self._address, self._many_bit | register, memoryview(buffer)[:size]
        )

    def reader(self, register: int, size: int) -> "tuple[Callable[[], None], Any]":
        """(read, view): each call of `read` puts `size` bytes from `register` on into `view`."""
        bus, address, first = self._bus, self._address, self._many_bit | register
        view = memoryview(bytearray(size))
        return lambda: bus.readfrom_mem_into(address, first, view), view

    def write(self, register: int, value: int) -> None:
        self._one[0] = value
        self._bus.writeto_mem(self._address, register, self._one)


_SLICES_KEPT = 33  # as many sizes as bursts of a FIFO of 32 have


class SpiRegisters:
    """8-bit registers over SPI, the first byte being `read_code` or `write_code` of the register.

    `many_bit`: what the first byte of a burst needs besides; `longest`: bytes of the longest burst.
    """

    read_wires = "MISO, CS and the supply"
    write_wires = "MOSI, SCK and the bus speed"

    def __init__(
        self, chip: str, bus: "Any", read_bit: int, many_bit: int = 0, longest: int = 1
    ) -> None:
        self.chip = chip
        self._bus = bus
        self._read_bit = read_bit
        self._many_bit = many_bit
        self._out = bytearray(2)
        self._in = bytearray(2)
        self._burst_register = -1
        self._slices: "dict[int, tuple[Any, Any, Any]]" = {}
        self._sent = memoryview(bytearray(1 + longest))
        self._received = memoryview(bytearray(1 + longest))

    def read_code(self, register: int) -> int:
        return self._read_bit | register

    def write_code(self, register: int) -> int:
        return register

    @staticmethod
    def register_of(first: int) -> int:
        """Which register a first byte means; a bit for bursts still in it."""
        return first & 0x7F

    def read(self, register: int) -> int:
        self._out[0] = self.read_code(register)
        self._out[1] = 0
        self._bus.write_readinto(self._out, self._in)
        return self._in[1]

    def read_into(self, register: int, buffer: "Any", size: int) -> None:
        """One burst from `register` on fills the first `size` bytes of `buffer`."""
        sent, received, payload = self._slices.get(size) or self._sliced(size)
        if register != self._burst_register:
            self._burst_register = register
            self._sent[0] = self.read_code(register) | self._many_bit
        self._bus.write_readinto(sent, received)
        buffer[:size] = payload

    def _sliced(self, size: int) -> "tuple[Any, Any, Any]":
        """What a burst of `size` bytes sends, receives, and brings behind the first byte's echo."""
        received = self._received[: 1 + size]
        slices = (self._sent[: 1 + size], received, received[1:])
        if len(self._slices) < _SLICES_KEPT:
            self._slices[size] = slices
        return slices

    def reader(self, register: int, size: int) -> "tuple[Callable[[], None], Any]":
        """(read, view): each call of `read` puts `size` bytes from `register` on into `view`."""
        bus, sent, received = self._bus, bytearray(1 + size), memoryview(bytearray(1 + size))
        sent[0] = self.read_code(register) | (self._many_bit if size > 1 else 0)
        return lambda: bus.write_readinto(sent, received), received[1:]

    def write(self, register: int, value: int) -> None:
        self._out[0] = self.write_code(register)
        self._out[1] = value
        self._bus.write_readinto(self._out, self._in)


def repeater(bus: "Any") -> "Any":
    """`repeat(command, buffer, count)`: `count` transfers of `command`, each chip-selected, results
    back to back in `buffer`, a memoryview. In one call of the system where the bus can.
    """
    batched = getattr(bus, "write_readinto_repeated", None)
    if batched is not None:
        return batched

    def one_by_one(command: "Any", buffer: "Any", count: int) -> None:
        size = len(command)
        for place in range(count):
            bus.write_readinto(command, buffer[place * size : (place + 1) * size])

    return one_by_one


def decode_frame(raw: "Any", layout: "Layout") -> "list[float]":
    """Values of one frame's channels; the plain half of the numpy decoder, with the same results.

    `raw`: `layout.frame_bytes` bytes.
    """
    values = [(_integer(raw, one) + one.bias) * one.scale for one in layout.channels]
    return values if layout.correct is None else list(layout.correct(values))


def broken_check(raw: "Any", layout: "Layout") -> "Check | None":
    """The first check that a frame fails, or None."""
    for check in layout.checks:
        if raw[check.offset] & check.mask not in check.values:
            found: Check = check
            return found
    return None


def jumps(raw: "Any", layout: "Layout") -> int:
    """How often, from frame to frame of `raw`, the counter does not count on; 0 without one."""
    counter = layout.counter
    if counter is None:
        return 0
    mask = (1 << counter.bits) - 1
    found = 0
    last = None
    for at in range(counter.offset, len(raw), layout.frame_bytes):
        count = raw[at] >> counter.shift & mask
        found += last is not None and count != (last + 1) & mask
        last = count
    return found


def _integer(raw: "Any", channel: "Channel") -> int:
    whole = int.from_bytes(
        bytes(raw[channel.offset : channel.offset + channel.size]), channel.order
    )
    return sign_extend(whole >> channel.shift & ((1 << channel.bits) - 1), channel.bits)
