"""A simulated MCP9600, written from the datasheet: pointer registers over I2C, three a second.

`source(t_s)` gives (hot junction, the chip itself, fault) in degC; fault is "", "open", or "short"
which only an MCP9601 tells.
"""

from hw.sim.sampler import rounded

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

HOT, DELTA, COLD, STATUS, SENSOR, CONFIG, DEVICE_ID = 0x00, 0x01, 0x02, 0x04, 0x05, 0x06, 0x20
FAULT_BITS = {"": 0, "open": 0x10, "short": 0x20}
CONVERSION_NS = (320_000_000, 80_000_000, 20_000_000, 5_000_000)  # 18, 16, 14, 12 bits
UPDATED = 0x40


class SimMcp9600:
    """A register is one or two bytes; what a longer read finds behind it is 0xFF."""

    ID = 0x40
    TELLS = UPDATED | 0x10

    def __init__(
        self, source: "Callable[[float], tuple[float, float, str]]", clock_error: float = 0.0
    ) -> None:
        self.source = source
        self._due_ns = 0
        self.conversions = 0
        self.reset()

    def reset(self) -> None:
        self.registers = {
            HOT: b"\0\0",
            DELTA: b"\0\0",
            COLD: b"\0\0",
            STATUS: b"\0",
            SENSOR: b"\0",
            CONFIG: b"\0",
            DEVICE_ID: bytes((self.ID, 0x12)),
        }

    def advance(self, now_ns: int) -> None:
        if now_ns < self._due_ns:
            return
        hot, cold, fault = self.source(now_ns / 1e9)
        self.registers[HOT] = _two_bytes(hot)
        self.registers[COLD] = _two_bytes(cold)
        self.registers[DELTA] = _two_bytes(hot - cold)
        self.registers[STATUS] = bytes(((UPDATED | FAULT_BITS[fault]) & self.TELLS,))
        self._due_ns = now_ns + CONVERSION_NS[self.registers[CONFIG][0] >> 5 & 0x03]
        self.conversions += 1

    def read_registers(self, register: int, buffer: "Any") -> None:
        held = self.registers.get(register, b"")
        for place in range(len(buffer)):
            buffer[place] = held[place] if place < len(held) else 0xFF

    def write_registers(self, register: int, values: "Any") -> None:
        if register in (SENSOR, CONFIG, STATUS):
            self.registers[register] = bytes(values[:1])


def _two_bytes(degc: float) -> bytes:
    counts = rounded(degc * 16, 1 << 15) & 0xFFFF
    return bytes((counts >> 8, counts & 0xFF))


class SimMcp9601(SimMcp9600):
    """The same with an id of its own; it tells a short."""

    ID = 0x41
    TELLS = UPDATED | 0x30


SIMULATED = SimMcp9600
RANGES = {"hot": (-200.0, 1372.0), "cold": (-40.0, 125.0)}
EPSILON = {"hot": 0.0625, "cold": 0.0625}
# 16 bits of two's complement, 1/16 degC (hot and cold junction register).
WORDS = {
    "hot": (
        (0x8000, -2048.0),
        (0xF380, -200.0),
        (0xFFFF, -0.0625),
        (0x0000, 0.0),
        (0x0001, 0.0625),
        (0x55C0, 1372.0),
        (0x7FFF, 2047.9375),
    ),
    "cold": ((0xFD80, -40.0), (0xFFFF, -0.0625), (0x0000, 0.0), (0x07D0, 125.0)),
}
VARIANTS = {"mcp9601": SimMcp9601}
