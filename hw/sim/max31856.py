"""A simulated MAX31856, written from the datasheet: registers, automatic conversion, fault bits.

`source(t_s)` gives (hot junction, the chip itself, fault) in degC; fault is "", "open", "voltage".
"""

from hw.sim.sampler import rounded

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

CR0, CR1, MASK, CJTO, CJTH, LTCBH, SR = 0x00, 0x01, 0x02, 0x09, 0x0A, 0x0C, 0x0F
DEFAULTS = {CR1: 0x03, MASK: 0xFF, 0x03: 0x7F, 0x04: 0xC0, 0x05: 0x7F, 0x06: 0xFF, 0x07: 0x80}
FAULT_BITS = {"": 0, "open": 0x01, "voltage": 0x02}
CONVERSION_NS = (82_000_000, 98_000_000)  # by the mains filter: 60 Hz, 50 Hz
RANGES_DEGC = (  # B E J K N R S T
    (250, 1820),
    (-200, 1000),
    (-210, 1200),
    (-200, 1372),
    (-200, 1300),
    (-50, 1768),
    (-50, 1768),
    (-200, 400),
)
REGISTERS = 16
AUTOMATIC, ONE_SHOT = 0x80, 0x40
ONE_SHOT_NS = 143_000_000  # 60 Hz filter


class SimMax31856:
    """Converts by itself while CR0's automatic bit is set; its clock is not the agent's concern."""

    def __init__(
        self, source: "Callable[[float], tuple[float, float, str]]", clock_error: float = 0.0
    ) -> None:
        self.source = source
        self.registers = bytearray(REGISTERS)
        self._now_ns = 0
        self._due_ns = 0
        self.conversions = 0
        self.reset()

    def reset(self) -> None:
        for register in range(REGISTERS):
            self.registers[register] = DEFAULTS.get(register, 0)

    def advance(self, now_ns: int) -> None:
        self._now_ns = now_ns
        if not self.registers[CR0] & (AUTOMATIC | ONE_SHOT) or now_ns < self._due_ns:
            return
        self._convert(*self.source(now_ns / 1e9))
        self.registers[CR0] &= ~ONE_SHOT & 0xFF
        self._due_ns = now_ns + CONVERSION_NS[self.registers[CR0] & 0x01]
        self.conversions += 1

    def transfer(self, sent: "Any", received: "Any") -> None:
        register = sent[0] & 0x0F
        received[0] = 0
        for place in range(1, len(sent)):
            at = (register + place - 1) % REGISTERS
            if sent[0] & 0x80:
                if at < CJTH:
                    self.registers[at] = sent[place]
                    if at == CR0 and sent[place] & ONE_SHOT:
                        self._due_ns = self._now_ns + ONE_SHOT_NS
            else:
                received[place] = self.registers[at]

    def _convert(self, hot_degc: float, cold_degc: float, fault: str) -> None:
        offset = self.registers[CJTO]
        cold_degc += (offset - 256 if offset & 0x80 else offset) / 16.0
        cold = (rounded(cold_degc * 64, 1 << 13) & 0x3FFF) << 2
        hot = (rounded(hot_degc * 128, 1 << 18) & 0x7FFFF) << 5
        low, high = RANGES_DEGC[min(self.registers[CR1] & 0x0F, 7)]
        status = FAULT_BITS[fault] if self.registers[CR0] & 0x30 or fault != "open" else 0
        status |= 0 if low <= hot_degc <= high else 0x40
        status |= 0 if -55 <= cold_degc <= 125 else 0x80
        for place, value in ((CJTH, cold >> 8), (CJTH + 1, cold), (LTCBH, hot >> 16)):
            self.registers[place] = value & 0xFF
        for place, value in ((LTCBH + 1, hot >> 8), (LTCBH + 2, hot), (SR, status)):
            self.registers[place] = value & 0xFF


SIMULATED = SimMax31856
RANGES = {"hot": (-200.0, 1370.0), "cold": (-55.0, 124.9)}
EPSILON = {"hot": 2**-7, "cold": 2**-6}
# The data formats of the datasheet, its examples and their bounds.
WORDS = {
    "hot": (
        (0x78300, -250.0),
        (0x7FFF8, -0.0625),
        (0x7FFFF, -0.0078125),
        (0x00000, 0.0),
        (0x00001, 0.0078125),
        (0x03280, 101.0),
        (0x1F400, 1000.0),
        (0x32000, 1600.0),
        (0x40000, -2048.0),
    ),
    "cold": (
        (0x3240, -55.0),
        (0x3FFF, -0.015625),
        (0x0000, 0.0),
        (0x0640, 25.0),
        (0x1FFF, 127.984375),
        (0x2000, -128.0),
    ),
}
