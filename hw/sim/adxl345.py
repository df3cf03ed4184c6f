"""A simulated ADXL345, written from the datasheet: registers, 32-entry FIFO, its own oscillator."""

import struct

from hw.sim.sampler import Sampler, rounded

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

DEVID, BW_RATE, POWER_CTL, INT_SOURCE = 0x00, 0x2C, 0x2D, 0x30
DATA_FORMAT, DATAX0, DATAZ1, FIFO_CTL, FIFO_STATUS = 0x31, 0x32, 0x37, 0x38, 0x39
READ_ONLY = (DEVID, 0x2B, INT_SOURCE, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, FIFO_STATUS)
REGISTERS = 0x40
FRAME_BYTES = DATAZ1 - DATAX0 + 1
ENTRIES_MAX = 33  # 32 levels and the output filter's own
LOWEST_FULL_RATE_HZ = 100.0
FAST_CODES = (0xE, 0xF)  # 1600 and 3200 Hz: the least significant bit is always 0
SELF_TEST_G = (0.9, -0.9, 1.4)  # typical change at 3.3 V, within Table 14's limits


class SimAdxl345:
    """`clock_error`: the share by which its oscillator runs fast."""

    def __init__(
        self, source: "Callable[[float, float, int], Any]", clock_error: float = 0.0
    ) -> None:
        self.sampler = Sampler(source, self._counts, ENTRIES_MAX, clock_error)
        self.registers = bytearray(REGISTERS)
        self.reset()

    def reset(self) -> None:
        """As after power-on: the registers of Table 19."""
        for register in range(REGISTERS):
            self.registers[register] = 0
        self.registers[DEVID] = 0xE5
        self.registers[BW_RATE] = 0x0A
        self.sampler.push_g = None
        self.sampler.clear()
        self.sampler.room = 1

    def advance(self, now_ns: int) -> None:
        measuring = self.registers[POWER_CTL] & 0x08
        self.sampler.advance(now_ns, self._rate_hz() if measuring else 0.0)

    def transfer(self, sent: "Any", received: "Any") -> None:
        """One chip-selected SPI transfer: command byte, then data."""
        register = sent[0] & 0x3F
        step = 1 if sent[0] & 0x40 else 0
        received[0] = 0
        places = range(1, len(sent))
        if not sent[0] & 0x80:
            for place in places:
                self._write(register + step * (place - 1), sent[place])
            return
        if register == DATAX0 and step and len(sent) == 1 + FRAME_BYTES:
            struct.pack_into("<hhh", received, 1, *self.sampler.frame())
        else:
            for place in places:
                received[place] = self._read(register + step * (place - 1))
        self._after_reading(register, register + step * (len(sent) - 2))

    def read_registers(self, register: int, buffer: "Any") -> None:
        if register == DATAX0 and len(buffer) == FRAME_BYTES:
            struct.pack_into("<hhh", buffer, 0, *self.sampler.frame())
        else:
            for place in range(len(buffer)):
                buffer[place] = self._read(register + place)
        self._after_reading(register, register + len(buffer) - 1)

    def write_registers(self, register: int, values: "Any") -> None:
        for place in range(len(values)):
            self._write(register + place, values[place])

    def epsilon(self) -> float:
        """What a value may be off by, in g: a count, two where the lowest bit is always 0."""
        return 2 / 256 if self.registers[BW_RATE] & 0x0F in FAST_CODES else 1 / 256

    def _rate_hz(self) -> float:
        code = self.registers[BW_RATE] & 0x0F
        return LOWEST_FULL_RATE_HZ * 2.0 ** (code - 0x0A)

    def _counts(self, g: float) -> int:
        """Counts of a value in g: 256 a g in full resolution, clipped."""
        shift = self.registers[DATA_FORMAT] & 0x03
        top, per_g = 512 << shift, 256
        if not self.registers[DATA_FORMAT] & 0x08:
            top, per_g = 512, 256 >> shift
        counts = rounded(g * per_g, top)
        return counts & ~1 if self.registers[BW_RATE] & 0x0F in FAST_CODES else counts

    def _read(self, register: int) -> int:
        register &= 0x3F
        if register == FIFO_STATUS:
            return self.sampler.held
        if register == INT_SOURCE:
            watermark = self.sampler.held > (self.registers[FIFO_CTL] & 0x1F)
            ready = 0x80 if self.sampler.held else 0
            return ready | (0x02 if watermark else 0) | int(self.sampler.overrun)
        if DATAX0 <= register <= DATAZ1:
            axis, high = divmod(register - DATAX0, 2)
            return self.sampler.value(axis) >> (8 * high) & 0xFF
        return self.registers[register]

    def _after_reading(self, first: int, last: int) -> None:
        """Any data register read pops the whole entry; without a FIFO the last one stays."""
        if first <= DATAZ1 and last >= DATAX0:
            self.sampler.overrun = False
            if self.registers[FIFO_CTL] & 0xC0:
                self.sampler.pop()

    def _write(self, register: int, value: int) -> None:
        register &= 0x3F
        if register in READ_ONLY:
            return
        was = self.registers[register]
        self.registers[register] = value
        if register == DATA_FORMAT:
            self.sampler.push_g = SELF_TEST_G if value & 0x80 else None
        if register == FIFO_CTL:
            streaming = value & 0xC0 == 0x80
            self.sampler.room = ENTRIES_MAX if streaming else 1
            if not streaming:
                self.sampler.clear()
        begins = register == POWER_CTL and value & 0x08 and not was & 0x08
        if begins or (register == BW_RATE and value != was):
            self.sampler.begin()


SIMULATED = SimAdxl345
RANGES = {"x": (-16.0, 15.99), "y": (-16.0, 15.99), "z": (-16.0, 15.99)}
# Full resolution: 13 bits of 1/256 g, sign-extended to 16 (Table 1).
_WORDS = (
    (0xF000, -16.0),
    (0xFF00, -1.0),
    (0xFFFF, -0.00390625),
    (0x0000, 0.0),
    (0x0001, 0.00390625),
    (0x0100, 1.0),
    (0x0FFF, 15.99609375),
)
WORDS = {"x": _WORDS, "y": _WORDS, "z": _WORDS}
# Noise of x, y, z in g RMS (290, 290 and 430 ug/rtHz) at a rate in Hz, and the bandwidth as a share
# of the output rate (Tables 1 and 7).
FELT = ((0.0165, 0.0165, 0.0245), 3200.0, 0.5)
VARIANTS = {"adxl343": SimAdxl345}
