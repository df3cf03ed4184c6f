"""A simulated ADXL345, written from the datasheet: registers, 32-entry FIFO, its own oscillator.

It samples `source(t0_s, period_s, count)`, which gives `count` frames as flat x0, y0, z0, x1, ...
in g, quantises and clips them as the part does, and keeps the newest when nobody reads.
`clock_error` is the share by which its oscillator runs fast.
"""

from array import array

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

DEVID, BW_RATE, POWER_CTL, INT_SOURCE = 0x00, 0x2C, 0x2D, 0x30
DATA_FORMAT, DATAX0, DATAZ1, FIFO_CTL, FIFO_STATUS = 0x31, 0x32, 0x37, 0x38, 0x39
READ_ONLY = (DEVID, 0x2B, INT_SOURCE, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, FIFO_STATUS)
REGISTERS = 0x40
ENTRIES_MAX = 33  # 32 levels and the output filter's own
LOWEST_FULL_RATE_HZ = 100.0
FAST_CODES = (0xE, 0xF)  # 1600 and 3200 Hz: the least significant bit is always 0
LONGEST_CATCH_UP = 4096  # samples made at once; more than 33 of them nobody will ever see


class SimAdxl345:
    """`overruns`: entries thrown away because nobody read them in time."""

    def __init__(
        self, source: "Callable[[float, float, int], Any]", clock_error: float = 0.0
    ) -> None:
        self._source = source
        self._speed = 1.0 + clock_error
        self._registers = bytearray(REGISTERS)
        self._registers[DEVID] = 0xE5
        self._registers[BW_RATE] = 0x0A
        self._entries = array("h", [0] * (3 * ENTRIES_MAX))
        self._first = 0
        self._held = 0
        self._overrun = False
        self._begun_ns = 0
        self._sampled = 0
        self._now_ns = 0
        self.overruns = 0

    def advance(self, now_ns: int) -> None:
        """Samples what fell due until `now_ns`; time never runs backwards."""
        if now_ns <= self._now_ns:
            return
        self._now_ns = now_ns
        if not self._registers[POWER_CTL] & 0x08:
            return
        rate_hz = self._rate_hz()
        due = int((now_ns - self._begun_ns) * rate_hz / 1e9) - self._sampled
        while due > 0:
            count = min(due, LONGEST_CATCH_UP)
            self._sample(count, rate_hz)
            due -= count

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
        for place in places:
            received[place] = self._read(register + step * (place - 1))
        self._after_reading(register, register + step * (len(sent) - 2))

    def read_registers(self, register: int, buffer: "Any") -> None:
        for place in range(len(buffer)):
            buffer[place] = self._read(register + place)
        self._after_reading(register, register + len(buffer) - 1)

    def write_registers(self, register: int, values: "Any") -> None:
        for place in range(len(values)):
            self._write(register + place, values[place])

    def _rate_hz(self) -> float:
        code = self._registers[BW_RATE] & 0x0F
        return LOWEST_FULL_RATE_HZ * self._speed * 2.0 ** (code - 0x0A)

    def _sample(self, count: int, rate_hz: float) -> None:
        """`count` samples, the next one due first."""
        period_s = 1.0 / rate_hz
        t0_s = self._begun_ns / 1e9 + (self._sampled + 1) * period_s
        values = self._source(t0_s, period_s, count)
        self._sampled += count
        first = max(0, count - ENTRIES_MAX)
        for place in range(3 * first, 3 * count, 3):
            self._enter(values[place], values[place + 1], values[place + 2])
        if first:
            self._lose(first)

    def _enter(self, x: float, y: float, z: float) -> None:
        stream = self._registers[FIFO_CTL] & 0xC0 == 0x80
        room = ENTRIES_MAX if stream else 1
        if self._held >= room:
            self._first = (self._first + 1) % ENTRIES_MAX
            self._held -= 1
            self._lose(1)
        at = 3 * ((self._first + self._held) % ENTRIES_MAX)
        self._entries[at] = self._counts(x)
        self._entries[at + 1] = self._counts(y)
        self._entries[at + 2] = self._counts(z)
        self._held += 1

    def _lose(self, count: int) -> None:
        self._overrun = True
        self.overruns += count

    def _counts(self, g: float) -> int:
        """Two's-complement counts of a value in g: 256 a g in full resolution, clipped."""
        shift = self._registers[DATA_FORMAT] & 0x03
        top = 512 << shift
        if not self._registers[DATA_FORMAT] & 0x08:
            per_g, top = 256 >> shift, 512
        else:
            per_g = 256
        scaled = g * per_g
        counts = int(scaled + 0.5) if scaled >= 0 else -int(0.5 - scaled)
        counts = max(-top, min(top - 1, counts))
        if self._registers[BW_RATE] & 0x0F in FAST_CODES:
            counts &= ~1
        return counts

    def _read(self, register: int) -> int:
        register &= 0x3F
        if register == FIFO_STATUS:
            return self._held
        if register == INT_SOURCE:
            watermark = self._held > (self._registers[FIFO_CTL] & 0x1F)
            return (0x80 if self._held else 0) | (0x02 if watermark else 0) | self._overrun
        if DATAX0 <= register <= DATAZ1:
            axis, high = divmod(register - DATAX0, 2)
            return self._entries[3 * self._first + axis] >> (8 * high) & 0xFF
        return self._registers[register]

    def _after_reading(self, first: int, last: int) -> None:
        """Any data register read pops the whole entry."""
        if first <= DATAZ1 and last >= DATAX0:
            self._overrun = False
            if self._held > 1 or (self._held and self._registers[FIFO_CTL] & 0xC0):
                self._first = (self._first + 1) % ENTRIES_MAX
                self._held -= 1

    def _write(self, register: int, value: int) -> None:
        register &= 0x3F
        if register in READ_ONLY:
            return
        was = self._registers[register]
        self._registers[register] = value
        if register == FIFO_CTL and not value & 0xC0:
            self._held = 0
            self._overrun = False
        begins = register == POWER_CTL and value & 0x08 and not was & 0x08
        if begins or (register == BW_RATE and value != was):
            self._begun_ns = self._now_ns
            self._sampled = 0


SIMULATED = SimAdxl345
