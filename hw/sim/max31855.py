"""A simulated MAX31855, written from datasheet 19-5793 rev. 5: one 32-bit word, ten a second.

It takes a type K thermocouple for a straight line of 41.276 uV/degC, as the real one does.

`source(t_s)` gives (hot junction, the chip itself, fault) in degC; fault is "", "open",
"short_gnd" or "short_vcc".
"""

from hw.sim.type_k import emf_mv

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

CONVERSION_NS = 100_000_000
MV_PER_DEGC = 0.041276
FAULT_BITS = {"": 0, "open": 1, "short_gnd": 2, "short_vcc": 4}


class SimMax31855:
    """`conversions`: how many it has made. Its output is fixed between two conversions."""

    def __init__(
        self, source: "Callable[[float], tuple[float, float, str]]", clock_error: float = 0.0
    ) -> None:
        self.source = source
        self._period_ns = int(CONVERSION_NS / (1.0 + clock_error))
        self._word = 0
        self._due_ns = 0
        self.conversions = 0

    def reset(self) -> None:
        """As after power-on: nothing is set, so nothing is lost."""
        self._due_ns = 0

    def advance(self, now_ns: int) -> None:
        if now_ns < self._due_ns:
            return
        hot, cold, fault = self.source(now_ns / 1e9)
        linear = cold + (emf_mv(hot) - emf_mv(cold)) / MV_PER_DEGC
        self._word = word(linear, cold, fault)
        self._due_ns = now_ns - now_ns % self._period_ns + self._period_ns
        self.conversions += 1

    def transfer(self, sent: "Any", received: "Any") -> None:
        """The word, most significant bit first; after 32 bits the line stays low."""
        for place in range(len(received)):
            received[place] = self._word >> (24 - 8 * place) & 0xFF if place < 4 else 0


def word(hot_degc: float, cold_degc: float, fault: str) -> int:
    """The 32 bits of Table 2."""
    bits = FAULT_BITS[fault]
    hot = _counts(hot_degc, 4, 13) & 0x3FFF
    cold = _counts(cold_degc, 16, 11) & 0x0FFF
    return hot << 18 | (1 << 16 if bits else 0) | cold << 4 | bits


def _counts(degc: float, per_degc: int, bits: int) -> int:
    scaled = degc * per_degc
    counts = int(scaled + 0.5) if scaled >= 0 else -int(0.5 - scaled)
    top = 1 << bits
    return max(-top, min(top - 1, counts))


SIMULATED = SimMax31855
RANGES = {"hot": (-200.0, 1370.0), "cold": (-40.0, 124.0)}
# A count of 0.25 degC is up to 0.69 degC at -200, where the thermocouple gives least.
EPSILON = {"hot": 0.75, "cold": 0.0625}
# The data formats of the datasheet, its examples and their bounds.
WORDS = {
    "hot": (
        (0x3C18, -250.0),
        (0x3FFC, -1.0),
        (0x3FFF, -0.25),
        (0x0000, 0.0),
        (0x0064, 25.0),
        (0x0193, 100.75),
        (0x0FA0, 1000.0),
        (0x1900, 1600.0),
        (0x2000, -2048.0),
    ),
    "cold": (
        (0xC90, -55.0),
        (0xEC0, -20.0),
        (0xFF0, -1.0),
        (0xFFF, -0.0625),
        (0x000, 0.0),
        (0x190, 25.0),
        (0x649, 100.5625),
        (0x7F0, 127.0),
    ),
}
