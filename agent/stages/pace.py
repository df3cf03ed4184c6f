"""So many rows a second, a bundle at once: what history may take of link and disk."""

from agent.limits import BUNDLE_ROWS, BUNDLES_IN_FLIGHT

PACE_S_MIN = 0.002


class Pace:
    """So many rows a second, a bundle at once. No clock inside."""

    def __init__(self, rows_per_s: float) -> None:
        self._rows_per_s = rows_per_s
        self._held = float(BUNDLE_ROWS)
        self._at_ns: "int | None" = None

    def allowed(self, now_ns: int) -> int:
        """Rows that may go now."""
        if self._at_ns is not None:
            grown = (now_ns - self._at_ns) / 1e9 * self._rows_per_s
            self._held = min(self._held + grown, float(BUNDLE_ROWS * BUNDLES_IN_FLIGHT))
        self._at_ns = now_ns
        return max(0, int(self._held) // BUNDLE_ROWS * BUNDLE_ROWS)

    def spend(self, rows: int) -> None:
        self._held -= rows

    def wait_s(self) -> float:
        """Until a whole bundle may go; 0 when it may. Never so short that it would be no wait."""
        short = BUNDLE_ROWS - self._held
        return max(PACE_S_MIN, short / self._rows_per_s) if short > 0 else 0.0
