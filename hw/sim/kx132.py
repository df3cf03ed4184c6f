"""A simulated KX132-1211, written from the manual: 16 bits, sample buffer of 86 frames."""

import struct

from hw.sim.sampler import Sampler, rounded

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

COTR, WHO_AM_I, CNTL1, CNTL2, ODCNTL, INC1 = 0x12, 0x13, 0x1B, 0x1C, 0x21, 0x22
SELF_TEST, BUF_CNTL2, BUF_STATUS_1, BUF_STATUS_2 = 0x5D, 0x5F, 0x60, 0x61
BUF_CLEAR, BUF_READ = 0x62, 0x63
DEFAULTS = ((0x00, 0x4B), (0x01, 0x69), (0x02, 0x6F), (0x03, 0x6E), (COTR, 0x55), (WHO_AM_I, 0x3D))
AFTER_RESET = ((CNTL2, 0x3F), (ODCNTL, 0x06), (INC1, 0x10))
READ_ONLY_BELOW = 0x1B
IN_STANDBY_ONLY = (ODCNTL, INC1)  # written with PC1 = 0
REGISTERS = 0x80
ENTRIES_MAX = 86
FRAME_BYTES = 6
COUNTS_PER_G = (16384, 8192, 4096, 2048)  # by GSEL
LOWEST_RATE_HZ = 0.78125
PUSH_G = 0.5


class SimKx132:
    """`bytes_read`: of the oldest frame; reading BUF_READ stays at its address."""

    def __init__(
        self, source: "Callable[[float, float, int], Any]", clock_error: float = 0.0
    ) -> None:
        self.sampler = Sampler(source, self._counts, ENTRIES_MAX, clock_error)
        self.registers = bytearray(REGISTERS)
        self.bytes_read = 0
        self.reset()

    def reset(self) -> None:
        """As after power-on."""
        for register in range(REGISTERS):
            self.registers[register] = 0
        for register, value in DEFAULTS + AFTER_RESET:
            self.registers[register] = value
        self.sampler.push_g = None
        self._clear()

    def advance(self, now_ns: int) -> None:
        measuring = self.registers[CNTL1] & 0x80
        rate_hz = LOWEST_RATE_HZ * (1 << (self.registers[ODCNTL] & 0x0F))
        lost = self.sampler.overruns
        self.sampler.advance(now_ns, rate_hz if measuring else 0.0)
        if self.sampler.overruns != lost:
            self.bytes_read = 0

    def transfer(self, sent: "Any", received: "Any") -> None:
        """One chip-selected SPI transfer: bit 7 of the first byte reads."""
        register = sent[0] & 0x7F
        received[0] = 0
        if sent[0] & 0x80:
            self.read_registers(register, memoryview(received)[1:])
        else:
            self.write_registers(register, memoryview(sent)[1:])

    def read_registers(self, register: int, buffer: "Any") -> None:
        if register == BUF_READ:
            self._read_buffer(buffer)
        else:
            for place in range(len(buffer)):
                buffer[place] = self._read((register + place) % REGISTERS)

    def write_registers(self, register: int, values: "Any") -> None:
        for place in range(len(values)):
            self._write((register + place) % REGISTERS, values[place])

    def epsilon(self) -> float:
        """What a value may be off by, in g."""
        return 1 / COUNTS_PER_G[self.registers[CNTL1] >> 3 & 0x03]

    def _counts(self, g: float) -> int:
        return rounded(g * COUNTS_PER_G[self.registers[CNTL1] >> 3 & 0x03], 1 << 15)

    def _read(self, register: int) -> int:
        level = FRAME_BYTES * self.sampler.held - self.bytes_read
        if register == BUF_STATUS_1:
            return level & 0xFF
        if register == BUF_STATUS_2:
            return level >> 8 & 0x03
        return 0 if register in (SELF_TEST, BUF_CLEAR) else self.registers[register]

    def _read_buffer(self, buffer: "Any") -> None:
        place = 0
        while place < len(buffer):
            if self.sampler.held and not self.bytes_read and len(buffer) - place >= FRAME_BYTES:
                struct.pack_into("<hhh", buffer, place, *self.sampler.frame())
                self.sampler.pop()
                place += FRAME_BYTES
            else:
                buffer[place] = self._buffer_byte()
                place += 1

    def _buffer_byte(self) -> int:
        if not self.sampler.held:
            return 0
        axis, high = divmod(self.bytes_read, 2)
        value = self.sampler.value(axis) >> (8 * high) & 0xFF
        self.bytes_read += 1
        if self.bytes_read == FRAME_BYTES:
            self.bytes_read = 0
            self.sampler.pop()
        return value

    def _write(self, register: int, value: int) -> None:
        if register < READ_ONLY_BELOW or register in (BUF_STATUS_1, BUF_STATUS_2, BUF_READ):
            return
        was = self.registers[register]
        if register in IN_STANDBY_ONLY and self.registers[CNTL1] & 0x80:
            return
        if register == CNTL2 and value & 0x80:
            self.reset()
            return
        self.registers[register] = value
        if register == SELF_TEST:
            self._push(value == 0xCA)
        if register == BUF_CLEAR or (register == BUF_CNTL2 and value != was):
            self._clear()
        if register == CNTL1 and value & 0x80 and not was & 0x80:
            self.sampler.begin()

    def _push(self, on: bool) -> None:
        way = PUSH_G if self.registers[INC1] & 0x02 else -PUSH_G
        self.sampler.push_g = (way, way, way) if on else None

    def _clear(self) -> None:
        """The buffer keeps the newest frames in stream mode; without it there is one frame."""
        streaming = self.registers[BUF_CNTL2] & 0x83 == 0x81
        self.sampler.clear()
        self.sampler.room = ENTRIES_MAX if streaming else 1
        self.bytes_read = 0


SIMULATED = SimKx132
RANGES = {"x": (-16.0, 15.999), "y": (-16.0, 15.999), "z": (-16.0, 15.999)}
# ±16 g: 16 bits of 1/2048 g (Table 2, which rounds to 10 ug).
_WORDS = (
    (0x8000, -16.0),
    (0x8001, -15.99951171875),
    (0xFFFF, -0.00048828125),
    (0x0000, 0.0),
    (0x0001, 0.00048828125),
    (0x0800, 1.0),
    (0x7FFF, 15.99951171875),
)
WORDS = {"x": _WORDS, "y": _WORDS, "z": _WORDS}
# Noise of x, y, z in g RMS (130 ug/rtHz) at a rate in Hz, and the bandwidth as a share of it.
FELT = ((0.0074, 0.0074, 0.0074), 6400.0, 0.5)
