"""When was that? A boot's own clock against UTC, once the network has said what UTC is.

A board without a battery clock starts years off, so what it recorded before the first sync is dated
afterwards: utc = utc_ns + (mono_ns' - mono_ns) * (1 + rate_ppm / 1e6) for every row of the boot up
to `through_mono_ns`. Only order and differences of `mono_ns` decide anything; UTC is for people.
"""

from collections import namedtuple

TOLERANCE_NS = 20_000_000  # a correction that moves no row by more than this is not worth a row
RATE_PPM_MAX = 1000.0  # faster than that no oscillator and no slewing goes: it was a step
FIRST_SYNC, DRIFT, STEP, RESYNC = "first_sync", "drift", "step", "resync"

Correction = namedtuple(
    "Correction", ("through_mono_ns", "mono_ns", "utc_ns", "rate_ppm", "reason")
)


def utc_of(correction: "Correction", mono_ns: int) -> int:
    """UTC of a moment of that boot."""
    passed_ns = mono_ns - correction.mono_ns
    return int(correction.utc_ns + passed_ns + round(passed_ns * correction.rate_ppm / 1e6))


class Dating:
    """One boot. `observe` as often as you like; it answers when rows are to be dated anew."""

    def __init__(self) -> None:
        self.correction: "Correction | None" = None
        self._began_ns: "int | None" = None
        self._anchor: "tuple[int, int] | None" = None
        self._synced = False

    def observe(self, mono_ns: int, utc_ns: int, synced: bool) -> "Correction | None":
        """A new correction, or None. `mono_ns` and `utc_ns`: of one moment."""
        if self._began_ns is None:
            self._began_ns = mono_ns
        again, self._synced = synced and not self._synced, synced
        if not synced:
            return None
        if self._anchor is None or self.correction is None:
            return self._start(mono_ns, utc_ns, FIRST_SYNC)
        since_ns = mono_ns - self._anchor[0]
        drift_ns = utc_ns - self._anchor[1] - since_ns
        if abs(drift_ns) > TOLERANCE_NS + since_ns * RATE_PPM_MAX / 1e6:
            return self._start(mono_ns, utc_ns, STEP)
        rate_ppm = drift_ns / since_ns * 1e6 if since_ns else 0.0
        found = Correction(self.correction.through_mono_ns, mono_ns, utc_ns, rate_ppm, DRIFT)
        if again:
            found = Correction(mono_ns, mono_ns, utc_ns, rate_ppm, RESYNC)
        elif self._moves_little(found):
            return None
        self.correction = found
        return found

    def _start(self, mono_ns: int, utc_ns: int, reason: str) -> "Correction":
        """A new truth about UTC: all rows of the boot so far go by it."""
        rate_ppm = self.correction.rate_ppm if self.correction is not None else 0.0
        self._anchor = (mono_ns, utc_ns)
        self.correction = Correction(mono_ns, mono_ns, utc_ns, rate_ppm, reason)
        return self.correction

    def _moves_little(self, found: "Correction") -> bool:
        assert self.correction is not None and self._began_ns is not None
        moments = (self._began_ns, self.correction.through_mono_ns)
        moved = [abs(utc_of(found, m) - utc_of(self.correction, m)) for m in moments]
        return max(moved) <= TOLERANCE_NS
