"""A simulated ADXL355, written from the datasheet: 20 bits, FIFO of 96 words of 24 bits."""

from hw.sim.sampler import Sampler, rounded

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

STATUS, FIFO_ENTRIES, FIFO_DATA = 0x04, 0x05, 0x11
FILTER, RANGE, POWER_CTL, SELF_TEST, RESET = 0x28, 0x2C, 0x2D, 0x2E, 0x2F
DEFAULTS = {0x00: 0xAD, 0x01: 0x1D, 0x02: 0xED, 0x03: 0x01, RANGE: 0x81, POWER_CTL: 0x01}
TRIM = {0x50: 0x2A, 0x51: 0x9C, 0x52: 0x11, 0x53: 0xE7, 0x54: 0x40}
READ_ONLY_BELOW = 0x12
REGISTERS = 0x60
ENTRIES_MAX = 32
PER_G = (0, 256000, 128000, 64000)  # by range code
X_MARK, EMPTY_MARK = 0x01, 0x02
SELF_TEST_G = (0.3, 0.3, 1.5)  # typical change (Table 1)


class SimAdxl355:
    """`words_read`: of the oldest frame; reading FIFO_DATA stays at its address."""

    def __init__(
        self, source: "Callable[[float, float, int], Any]", clock_error: float = 0.0
    ) -> None:
        self.sampler = Sampler(source, self._counts, ENTRIES_MAX, clock_error)
        self.registers = bytearray(REGISTERS)
        self.words_read = 0
        self._bytes_read = 0
        self.reset()

    def reset(self) -> None:
        for register in range(REGISTERS):
            self.registers[register] = 0
        for held in (DEFAULTS, TRIM):
            for register in held:
                self.registers[register] = held[register]
        self.sampler.clear()
        self.sampler.push_g = None
        self.sampler.room = ENTRIES_MAX
        self.words_read = 0

    def advance(self, now_ns: int) -> None:
        standby = self.registers[POWER_CTL] & 0x01
        rate_hz = 0.0 if standby else 4000.0 / (1 << (self.registers[FILTER] & 0x0F))
        lost = self.sampler.overruns
        self.sampler.advance(now_ns, rate_hz)
        if self.sampler.overruns != lost:
            self.words_read = 0

    def transfer(self, sent: "Any", received: "Any") -> None:
        register = sent[0] >> 1
        received[0] = 0
        if sent[0] & 1:
            self.read_registers(register, memoryview(received)[1:])
        else:
            self.write_registers(register, memoryview(sent)[1:])

    def read_registers(self, register: int, buffer: "Any") -> None:
        self._bytes_read = 0
        for place in range(len(buffer)):
            if register == FIFO_DATA:
                buffer[place] = self._fifo_byte()
            else:
                buffer[place] = self._read(register + place)

    def write_registers(self, register: int, values: "Any") -> None:
        for place in range(len(values)):
            self._write(register + place, values[place])

    def epsilon(self) -> float:
        """What a value may be off by, in g."""
        return 1 / PER_G[self.registers[RANGE] & 0x03]

    def _counts(self, g: float) -> int:
        return rounded(g * PER_G[self.registers[RANGE] & 0x03], 1 << 19)

    def _read(self, register: int) -> int:
        if register == STATUS:
            overrun = 0x04 if self.sampler.overrun else 0
            full = 0x02 if self.sampler.held >= ENTRIES_MAX else 0
            return overrun | full | (0x01 if self.sampler.held else 0)
        if register == FIFO_ENTRIES:
            return 3 * self.sampler.held - self.words_read if self.sampler.held else 0
        return self.registers[register % REGISTERS]

    def _fifo_byte(self) -> int:
        if not self.sampler.held:
            return EMPTY_MARK if self._bytes_read % 3 == 2 else 0
        mark = X_MARK if self.words_read == 0 else 0
        word = (self.sampler.value(self.words_read) & 0xFFFFF) << 4 | mark
        value = word >> (16 - 8 * (self._bytes_read % 3)) & 0xFF
        self._bytes_read += 1
        if self._bytes_read % 3 == 0:
            self.words_read += 1
            if self.words_read == 3:
                self.words_read = 0
                self.sampler.pop()
                self.sampler.overrun = False
        return value

    def _write(self, register: int, value: int) -> None:
        if register == RESET and value == 0x52:
            self.reset()
        if register < READ_ONLY_BELOW or register >= 0x50:
            return
        was = self.registers[register]
        self.registers[register] = value
        if register == SELF_TEST:
            self.sampler.push_g = SELF_TEST_G if value & 0x03 == 0x03 else None
        begins = register == POWER_CTL and was & 0x01 and not value & 0x01
        if begins or (register == FILTER and value != was):
            self.sampler.begin()
            self.sampler.clear()


SIMULATED = SimAdxl355
RANGES = {"x": (-8.0, 8.0), "y": (-8.0, 8.0), "z": (-8.0, 8.0)}
# ±8 g: 20 bits of 1/64000 g (Table 1).
_WORDS = (
    (0x80000, -8.192),
    (0xF0600, -1.0),
    (0xFFFFF, -0.000015625),
    (0x00000, 0.0),
    (0x00001, 0.000015625),
    (0x0FA00, 1.0),
    (0x7FFFF, 8.191984375),
)
WORDS = {"x": _WORDS, "y": _WORDS, "z": _WORDS}
# Noise of x, y, z in g RMS (22.5 ug/rtHz) at a rate in Hz, and the bandwidth as a share of it.
FELT = ((0.00071, 0.00071, 0.00071), 4000.0, 0.25)
