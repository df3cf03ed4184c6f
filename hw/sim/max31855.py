"""A simulated MAX31855, written from datasheet 19-5793 rev. 5: one 32-bit word, ten a second.

`source(t_s)` gives (hot junction, the chip itself, fault) in degC; fault is "", "open",
"short_gnd" or "short_vcc".
"""

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

CONVERSION_NS = 100_000_000
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
        self._word = word(hot, cold, fault)
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
