"""Frames as they came, made into blocks: true time, true rate, loss counted, never filled.

Pure: time comes with the batches. A driver's bus error, an overrun or a batch that does not go on
where the last one ended ends the run of frames; the next block says how many are missing. What is
known of the chip's rate outlives the break.
"""

from agent.core.block import FAILURE, GAP, GOOD, NO_REASON, OUT_OF_SPEC, RATE_OFF, Block
from agent.core.clockfit import ClockFit
from agent.core.losscount import LossCount

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from agent.core.clockfit import Fit

OVERRUN = "overrun"  # the chip's buffer was full before it was read
RATE_WRONG = "rate_wrong"  # no oscillator is that far off: frames are lost, doubled or not ours
NEVER = 1e9
KNOWN_ERROR = 0.005  # a line this sure tells the rate better than the chip's name does
UNKNOWN_ERROR = 0.06  # by which an oscillator that was not measured yet may be off
DRIFT_PER_S = 1e-5  # by which it may move as it warms up: a thousandth in 100 s
SUREST = 2e-4  # so a line that is surer by chance does not stand against the next ones


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
        self._known_hz = nominal_hz  # the surest line's, which a break does not change
        self._known_error = min(rate_error_max, UNKNOWN_ERROR)
        self._known_ns = 0
        self._loss = LossCount(nominal_hz, self._known_error)
        self._seq = 0
        self._index = 0  # frames taken so far, and those that a full queue dropped
        self._ticks = 0  # where the last batch ended
        self._stretch: "int | None" = None  # and in which stretch; None after a fault
        self._rate_wrong = NO_REASON  # stands until a new line shows a rate that can be
        self.frames_total = 0
        self.lost_total = 0

    def take(self, batch: "Any") -> "Block":
        """The block of one FrameBatch; `frames` may be 0 when only a fault is to be told."""
        skipped = self._skipped(batch)
        self._index += skipped
        broke = self._follow(batch)
        self._index += batch.frames
        fit = None if batch.fault else self._clock.fit()
        self._learn(fit, batch.mono_ns)
        missing = self._loss.take()
        lost = skipped + (missing if broke else 0)  # what is put right later is in the total alone
        rate_hz = fit.rate_hz if fit else self._known_hz
        end_ns = fit.t0_ns + int(self._index * 1e9 / rate_hz) if fit else batch.mono_ns
        self._seq += 1
        self.frames_total += batch.frames
        self.lost_total += skipped + missing
        status, reason = self._judge(batch, fit, lost)
        if batch.fault or (fit is not None and self._rate_wrong[0]):
            self._clock.restart()  # a line through what was wrong would outlive it
        return Block(
            self._sensor,
            self._seq,
            end_ns - int(batch.frames * 1e9 / rate_hz),
            rate_hz,
            fit.rate_error if fit else self._rate_error_max,
            batch.raw,
            batch.frames,
            lost,
            status,
            reason,
        )

    def _skipped(self, batch: "Any") -> int:
        """Frames of batches that a full queue dropped, if the chip lost none of its own there."""
        if not batch.points or batch.points[0][0] != self._stretch:
            return 0
        return int(batch.ticks - batch.frames - self._ticks)

    def _follow(self, batch: "Any") -> bool:
        """Clock and count hear of the batch's drains; whether a new stretch began."""
        if batch.fault:
            self._loss.broke()
            self._stretch = None
        ahead = self._index + batch.frames - batch.ticks
        before = self._stretch
        points: "list[tuple[int, int]]" = []
        for stretch, ticks, mono_ns in batch.points:
            if stretch != self._stretch:
                self._observe(points, self._stretch != before)
                self._stretch, points = stretch, []
                self._clock.broke()
                self._loss.broke()
            points.append((ticks + ahead, mono_ns))
            self._loss.saw(ticks + ahead, mono_ns)
        self._observe(points, self._stretch != before)
        self._ticks = batch.ticks
        return self._stretch != before

    def _observe(self, points: "list[tuple[int, int]]", new: bool) -> None:
        """The point seen least late: of a new stretch two, for it may be a short one."""
        middle = len(points) // 2 if new else 0
        for part in (points[:middle], points[middle:]):
            if part:
                ns_per_tick = 1e9 / self._known_hz
                index, mono_ns = min(part, key=lambda point: point[1] - point[0] * ns_per_tick)
                self._clock.observe(index, mono_ns)

    def _learn(self, fit: "Fit | None", mono_ns: int) -> None:
        """Keeps the rate of the surest line; what was sure once is less so as time goes by."""
        aged = self._known_error + DRIFT_PER_S * (mono_ns - self._known_ns) / 1e9
        if fit is None or max(fit.rate_error, SUREST) > min(aged, KNOWN_ERROR):
            return
        if self._off(fit) <= self._rate_error_max:
            self._known_hz, self._known_error = fit.rate_hz, max(fit.rate_error, SUREST)
            self._known_ns = mono_ns
            self._loss.knows(self._known_hz, self._known_error)

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
