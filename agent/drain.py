"""One driver's frames, counted and stamped. Synchronous: the caller owns time and thread.

The bus's thread calls it in the agent, the judge calls it with simulated time: one way for both.

A host that is held up between the FIFO's level and its frames may find it full by then, and no chip
tells: its overrun flag was read before, and reading clears it. So each drain is timed. One that
took longer than the room left in the FIFO may have lost frames; it says so, and the FIFO is drained
again at once, because its level then is the only true count of what the chip has sampled.
"""

from math import ceil

from agent.limits import (
    CHIP_FAST,
    DRAIN_INTERVAL_MAX_S,
    DRAIN_INTERVAL_S,
    DRAIN_SHARE,
    NO_FRAMES,
    NO_FRAMES_S,
    VERIFY_INTERVAL_S,
)
from agent.ports import FrameBatch
from drivers.device import SensorFault

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from agent.ports import Clock

    Reason = tuple[str, dict[str, Any]]

NS = 1_000_000_000
FIFO_MARGIN_FRAMES = 1  # a chip may hold one frame more in its output register
DRAINS_AT_ONCE = 4  # a host held up in each of them is held up for good: the next turn goes on


def reason_of(error: "OSError | SensorFault") -> "Reason":
    """What a bus or a chip raised, as code and facts: the words are made where they are read."""
    if isinstance(error, SensorFault):
        names = ("chip", "expected", "found", "check")
        return "chip", {name: getattr(error, name) for name in names}
    text = error.strerror or str(error)
    place, cure = getattr(error, "place", "its bus"), getattr(error, "cure", "")
    return "bus", {"errno": error.errno or 0, "text": text, "place": place, "cure": cure}


def drain_interval_s(driver: "Any") -> float:
    """A share of the FIFO's time: the fewer drains, the fewer bits; the rest is room for a stall.

    A chip without a FIFO is asked as often as it converts.
    """
    if driver.fifo_frames == 1:
        return 1.0 / float(driver.rate_hz)
    share_s: float = DRAIN_SHARE * driver.fifo_frames / driver.rate_hz
    return min(max(DRAIN_INTERVAL_S, share_s), DRAIN_INTERVAL_MAX_S)


class Drainer:
    """One driver's frames, counted and stamped. Synchronous: whoever calls it owns the time.

    `frame_s`: how long the wire needs for a frame, at the least; 0 where no time passes on it.
    """

    def __init__(self, name: str, driver: "Any", clock: "Clock", frame_s: float = 0.0) -> None:
        self.name = name
        self.layout = driver.layout
        self.interval_s = drain_interval_s(driver)
        self._frame_s = frame_s
        self._fastest_hz = driver.rate_hz * (1 + CHIP_FAST)
        self._driver = driver
        self._clock = clock
        self._frame_bytes = driver.layout.frame_bytes
        self._buffer = bytearray((driver.fifo_frames + FIFO_MARGIN_FRAMES) * self._frame_bytes)
        self._view = memoryview(self._buffer)
        self._held = bytearray()
        self._delivered = 0
        self._ticks = 0
        self._ticks_ns = 0
        self._stretch = 0
        self._points: "list[tuple[int, int, int]]" = []
        self._overrun = False
        self._verify_ns = 0
        self._silence_ns = int(max(NO_FRAMES_S, NO_FRAMES / driver.rate_hz) * NS)

    def bring_up(self) -> "Iterator[int]":
        """Identifies and starts the chip; yields the milliseconds it wants to be left alone."""
        self._driver.identify()
        yield from self._driver.start()
        self._driver.drain_into(self._buffer)  # sampled while it settled: thrown away
        self._held = bytearray()  # of a thread that failed: its frames are missing, and counted
        self._points = []
        self._delivered = 0
        self._ticks = 0
        self._stretch += 1
        self._ticks_ns = self._clock.monotonic_ns()
        self._verify_ns = self._ticks_ns + int(VERIFY_INTERVAL_S * NS)

    def drain(self) -> None:
        """Takes what the chip holds. OSError from the bus, SensorFault from the chip."""
        self._verify_now_and_then()
        for _ in range(DRAINS_AT_ONCE):
            if not self._drain_once():
                return

    def _drain_once(self) -> bool:
        """Whether the FIFO may have run full meanwhile: then what came of it is an overrun."""
        began_ns = self._clock.monotonic_ns()
        drained = self._driver.drain_into(self._buffer)
        now_ns = self._clock.monotonic_ns()
        self._ticks = self._delivered + drained.level
        self._delivered += drained.frames
        late = self._ran_full(drained.level, (now_ns - began_ns) / NS)
        if drained.overrun or late:
            self._overrun = True
            self._stretch += 1
        if drained.level:
            # When the level was read: late, never early, as clock fit and count expect of points.
            self._ticks_ns = max(began_ns, now_ns - int(drained.level * self._frame_s * NS))
            self._points.append((self._stretch, self._ticks, self._ticks_ns))
        self._look_for_silence(now_ns)
        self._held.extend(self._view[: drained.frames * self._frame_bytes])
        return late

    def _ran_full(self, level: int, took_s: float) -> bool:
        """Whether more frames than there was room for can have come before the first was read."""
        if self._driver.fifo_frames == 1:
            return False
        stalled_s = max(0.0, took_s - level * self._frame_s)
        came = ceil(stalled_s * self._fastest_hz)
        return bool(came > max(0, self._driver.fifo_frames - level))

    def _verify_now_and_then(self) -> None:
        """A chip that was reset in mid-stream may go on sending: with other settings."""
        now_ns = self._clock.monotonic_ns()
        if now_ns >= self._verify_ns:
            self._verify_ns = now_ns + int(VERIFY_INTERVAL_S * NS)
            self._driver.verify()

    def _look_for_silence(self, now_ns: int) -> None:
        """SensorFault when a chip that samples by itself has given nothing for too long."""
        if now_ns - self._ticks_ns > self._silence_ns:
            raise SensorFault(
                self._driver.CHIP,
                f"frames at {self._driver.rate_hz} Hz",
                f"none for {self._silence_ns / NS:g} s",
                "its supply and its clock line",
            )

    def batch(self) -> "FrameBatch":
        """What was drained since the last call."""
        raw, self._held = bytes(self._held), bytearray()
        overrun, self._overrun = self._overrun, False
        points, self._points = tuple(self._points), []
        frames = len(raw) // self._frame_bytes
        counted = (self._ticks, self._ticks_ns)
        return FrameBatch(self.name, raw, frames, *counted, overrun, "", points)

    def fault(self, reason: "Reason") -> "FrameBatch":
        """A batch that only says what went wrong; what was held before it goes with it."""
        self._held = bytearray()
        self._points = []
        self._stretch += 1
        return FrameBatch(self.name, b"", 0, 0, self._clock.monotonic_ns(), False, reason, ())

    def stop(self) -> None:
        self._driver.stop()
