"""What ST's simulated accelerometers share: a register file, SPI and I2C access, wrapping bursts.

A chip's file says how registers read, what a write does, where the output begins and how an address
moves on in a burst.
"""

import struct

from hw.sim.sampler import Sampler

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

SPI_READ = 0x80


class StChip:
    """`SPI_INCREMENT`, `I2C_INCREMENT`: the bit that moves an address on; 0: it always moves."""

    REGISTERS = 0x80
    DEFAULTS: "dict[int, int]" = {}
    READ_ONLY: "tuple[int, ...]" = ()
    SPI_INCREMENT = 0
    I2C_INCREMENT = 0
    OUT_FIRST, OUT_LAST = 0x28, 0x2D
    FRAME = "<hhh"  # how they hold what `frame` tells
    ENTRIES_MAX = 32

    def __init__(
        self, source: "Callable[[float, float, int], Any]", clock_error: float = 0.0
    ) -> None:
        self.sampler = Sampler(source, self.counts, self.ENTRIES_MAX, clock_error)
        self.registers = bytearray(self.REGISTERS)
        self.reset()

    def reset(self) -> None:
        """As after power-on."""
        for register in range(self.REGISTERS):
            self.registers[register] = 0
        for register in self.DEFAULTS:
            self.registers[register] = self.DEFAULTS[register]
        self.sampler.clear()
        self.sampler.push_g = None
        self.sampler.room = 1

    def push(self) -> float:
        """The self-test's force on each axis in g; 0 while it is off."""
        raise NotImplementedError

    def counts(self, g: float) -> int:
        raise NotImplementedError

    def rate_hz(self) -> float:
        """Nominal output rate; 0 in power-down."""
        raise NotImplementedError

    def streaming(self) -> bool:
        """Whether the FIFO keeps the newest entries."""
        raise NotImplementedError

    def status(self, register: int) -> "int | None":
        """What a status register reads; None for any other register."""
        raise NotImplementedError

    def frame(self) -> "tuple[int, ...]":
        """The oldest frame, as the output registers hold it."""
        raise NotImplementedError

    def advance(self, now_ns: int) -> None:
        self.sampler.advance(now_ns, self.rate_hz())

    def transfer(self, sent: "Any", received: "Any") -> None:
        register = sent[0] & 0x7F
        moves = True
        if self.SPI_INCREMENT:
            moves = bool(sent[0] & self.SPI_INCREMENT)
            register &= ~self.SPI_INCREMENT
        received[0] = 0
        if sent[0] & SPI_READ:
            self._burst(register, memoryview(received)[1:], moves)
        else:
            for place in range(1, len(sent)):
                self._write(register + (place - 1 if moves else 0), sent[place])

    def read_registers(self, register: int, buffer: "Any") -> None:
        moves = not self.I2C_INCREMENT or bool(register & self.I2C_INCREMENT)
        self._burst(register & ~self.I2C_INCREMENT, buffer, moves)

    def write_registers(self, register: int, values: "Any") -> None:
        for place in range(len(values)):
            self._write((register & ~self.I2C_INCREMENT) + place, values[place])

    def _burst(self, register: int, buffer: "Any", moves: bool) -> None:
        place, frame_bytes = 0, self.OUT_LAST - self.OUT_FIRST + 1
        while place < len(buffer):
            if moves and register == self.OUT_FIRST and len(buffer) - place >= frame_bytes:
                struct.pack_into(self.FRAME, buffer, place, *self.frame())
                self._frame_read()
                place += frame_bytes
                continue
            buffer[place] = self._read(register)
            place += 1
            if moves:
                register = self.OUT_FIRST if register == self.OUT_LAST else register + 1

    def _frame_read(self) -> None:
        if self.streaming():
            self.sampler.pop()
            self.sampler.overrun = False

    def _read(self, register: int) -> int:
        if self.OUT_FIRST <= register <= self.OUT_LAST:
            value = struct.pack(self.FRAME, *self.frame())[register - self.OUT_FIRST]
            if register == self.OUT_LAST:
                self._frame_read()
            return value
        status = self.status(register)
        return self.registers[register % self.REGISTERS] if status is None else status

    def _write(self, register: int, value: int) -> None:
        if register in self.READ_ONLY or register >= self.REGISTERS:
            return
        rate_hz, streaming = self.rate_hz(), self.streaming()
        self.registers[register] = value
        self.written(register, value)
        push_g = self.push()
        self.sampler.push_g = (push_g, push_g, push_g) if push_g else None
        if self.streaming() != streaming:
            self.sampler.clear()
            self.sampler.room = self.ENTRIES_MAX if self.streaming() else 1
        if self.rate_hz() != rate_hz:
            self.sampler.begin()

    def written(self, register: int, value: int) -> None:
        """What a write sets off beyond the register's own value."""
