"""Frames as they came, made into blocks: true time, true rate, loss counted, never filled.

Pure: time comes with the batches. A driver's bus error, an overrun, a batch that does not go on
where the last one ended or a count that does not fit the clock all end the run of frames; the next
block says how many are missing.
"""

from agent.core.block import FAILURE, GAP, GOOD, NO_REASON, OUT_OF_SPEC, RATE_OFF, Block
from agent.core.clockfit import ClockFit

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from agent.core.clockfit import Fit

OVERRUN = "overrun"  # the chip's buffer was full before it was read
RATE_WRONG = "rate_wrong"  # no oscillator is that far off: frames are lost, doubled or not ours
NEVER = 1e9
KNOWN_ERROR = 0.005  # a line this sure tells the rate better than the chip's name does
LATE_S = 0.05  # by which a host may see a count late


class BlockMaker:
    """One sensor's batches to blocks, its true rate held against the nominal one.

    Off by more than `rate_off` it is out of spec, but known: its blocks may be judged. Off by more
    than `rate_error_max` it is not believed. Both only when the fit's uncertainty cannot be why.
    """

    def __init__(
        self,
        sensor: str,
        nominal_hz: float,
        fit_span_s: float,
        rate_error_max: float,
        rate_off: float = NEVER,
    ) -> None:
        self._sensor = sensor
        self._nominal_hz = nominal_hz
        self._rate_error_max = rate_error_max
        self._rate_off = rate_off
        self._clock = ClockFit(nominal_hz, fit_span_s)
        self._known_hz = nominal_hz  # the last line's, which a break does not change
        self._seq = 0
        self._next_ns: "int | None" = None
        self._gap = False
        self._ticks: "int | None" = None  # where the next batch begins; None when it begins anew
        self._rate_wrong = NO_REASON  # stands until a new line shows a rate that can be
        self.frames_total = 0
        self.lost_total = 0

    def take(self, batch: "Any") -> "Block":
        """The block of one FrameBatch; `frames` may be 0 when only a fault is to be told."""
        broken = bool(batch.fault) or batch.overrun
        skipped = self._skipped(batch)
        if skipped:
            self._clock.restart()  # a chip brought up anew counts from another zero
        self._gap = self._gap or broken or bool(skipped)
        if batch.frames and not broken:
            self._clock.observe(batch.ticks, batch.mono_ns)
        fit = None if broken else self._clock.fit()
        rate_hz = fit.rate_hz if fit else self._known_hz
        end_ns = fit.t0_ns + int(batch.ticks * 1e9 / rate_hz) if fit else batch.mono_ns
        t0_ns = end_ns - int(batch.frames * 1e9 / rate_hz)
        lost = self._lost(batch, t0_ns, rate_hz, skipped)
        if batch.frames or (self._next_ns is None and not broken):
            self._next_ns = end_ns
            self._gap = False
        self._seq += 1
        self.frames_total += batch.frames
        self.lost_total += lost
        status, reason = self._judge(batch, fit, lost)
        if fit is not None and fit.rate_error < KNOWN_ERROR and not self._rate_wrong[0]:
            self._known_hz = fit.rate_hz
        if broken or (fit is not None and self._rate_wrong[0]):
            self._clock.restart()  # a line through what was wrong would outlive it
        return Block(
            self._sensor,
            self._seq,
            t0_ns,
            rate_hz,
            fit.rate_error if fit else self._rate_error_max,
            batch.raw,
            batch.frames,
            lost,
            status,
            reason,
        )

    def _skipped(self, batch: "Any") -> int:
        """Ticks between the last batch and this one: batches that a full queue dropped.

        Of whatever sign when the chip was brought up anew meanwhile; 0 when it goes on.
        """
        expected, self._ticks = self._ticks, None if batch.fault else batch.ticks
        if batch.fault or expected is None:
            return 0
        return int(batch.ticks - batch.frames - expected)

    def _lost(self, batch: "Any", t0_ns: int, rate_hz: float, skipped: int) -> int:
        """Frames between the last block and this one; at least 1 after a break.

        By the clock, or as they were counted when that is what the clock says, too.
        """
        if not self._gap or self._next_ns is None or not batch.frames:
            return 0
        by_clock = (t0_ns - self._next_ns) * rate_hz / 1e9
        unsure = self._rate_error_max * abs(by_clock) + LATE_S * rate_hz
        if skipped > 0 and abs(skipped - by_clock) <= unsure:
            return skipped
        return max(1, int(by_clock + 0.5))

    def _judge(
        self, batch: "Any", fit: "Fit | None", lost: int
    ) -> "tuple[str, tuple[str, dict[str, Any]]]":
        if batch.fault:
            return FAILURE, batch.fault
        if batch.overrun:
            return OUT_OF_SPEC, (OVERRUN, {"lost": lost})
        if fit is not None:
            off = self._off(fit)
            wrong = off > self._rate_error_max
            self._rate_wrong = (RATE_WRONG, self._rates(fit)) if wrong else NO_REASON
            if not wrong and off > self._rate_off:
                return OUT_OF_SPEC, (RATE_OFF, self._rates(fit))
        if self._rate_wrong[0]:
            return OUT_OF_SPEC, self._rate_wrong
        return (OUT_OF_SPEC, (GAP, {"lost": lost})) if lost else (GOOD, NO_REASON)

    def _off(self, fit: "Fit") -> float:
        """How far the true rate is off at the least, relative."""
        return abs(float(fit.rate_hz) / self._nominal_hz - 1) - float(fit.rate_error)

    def _rates(self, fit: "Fit") -> "dict[str, Any]":
        return {"rate_hz": round(fit.rate_hz, 1), "expected_hz": round(self._nominal_hz, 1)}
