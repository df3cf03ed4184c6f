"""One driver's frames, counted and stamped. Synchronous: the caller owns time and thread.

The bus's thread calls it in the agent, the judge calls it with simulated time: one way for both.
"""

from agent.limits import (
    DRAIN_INTERVAL_S,
    NO_FRAMES,
    NO_FRAMES_S,
    SLOW_SENSOR_HZ,
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


def reason_of(error: "OSError | SensorFault") -> "Reason":
    """What a bus or a chip raised, as code and facts: the words are made where they are read."""
    if isinstance(error, SensorFault):
        names = ("chip", "expected", "found", "check")
        return "chip", {name: getattr(error, name) for name in names}
    text = error.strerror or str(error)
    place, cure = getattr(error, "place", "its bus"), getattr(error, "cure", "")
    return "bus", {"errno": error.errno or 0, "text": text, "place": place, "cure": cure}


class Drainer:
    """One driver's frames, counted and stamped. Synchronous: whoever calls it owns the time."""

    def __init__(self, name: str, driver: "Any", clock: "Clock") -> None:
        self.name = name
        self.layout = driver.layout
        self.interval_s = 1.0 / driver.rate_hz
        if driver.rate_hz > SLOW_SENSOR_HZ:
            self.interval_s = DRAIN_INTERVAL_S
        self._driver = driver
        self._clock = clock
        self._frame_bytes = driver.layout.frame_bytes
        self._buffer = bytearray((driver.fifo_frames + FIFO_MARGIN_FRAMES) * self._frame_bytes)
        self._view = memoryview(self._buffer)
        self._held = bytearray()
        self._delivered = 0
        self._ticks = 0
        self._ticks_ns = 0
        self._overrun = False
        self._verify_ns = 0
        self._silence_ns = int(max(NO_FRAMES_S, NO_FRAMES / driver.rate_hz) * NS)

    def bring_up(self) -> "Iterator[int]":
        """Identifies and starts the chip; yields the milliseconds it wants to be left alone."""
        self._driver.identify()
        yield from self._driver.start()
        self._driver.drain_into(self._buffer)  # sampled while it settled: thrown away
        self._delivered = 0
        self._ticks = 0
        self._ticks_ns = self._clock.monotonic_ns()
        self._verify_ns = self._ticks_ns + int(VERIFY_INTERVAL_S * NS)

    def drain(self) -> None:
        """Takes what the chip holds. OSError from the bus, SensorFault from the chip."""
        self._verify_now_and_then()
        drained = self._driver.drain_into(self._buffer)
        # Late by the burst just read and never early: what the clock fit expects of its points.
        now_ns = self._clock.monotonic_ns()
        if drained.level:
            self._ticks_ns = now_ns
        self._ticks = self._delivered + drained.level
        self._delivered += drained.frames
        self._overrun = self._overrun or drained.overrun
        self._look_for_silence(now_ns)
        self._held.extend(self._view[: drained.frames * self._frame_bytes])

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
        frames = len(raw) // self._frame_bytes
        return FrameBatch(self.name, raw, frames, self._ticks, self._ticks_ns, overrun, "")

    def fault(self, reason: "Reason") -> "FrameBatch":
        """A batch that only says what went wrong; what was held before it goes with it."""
        self._held = bytearray()
        return FrameBatch(self.name, b"", 0, 0, self._clock.monotonic_ns(), False, reason)

    def stop(self) -> None:
        self._driver.stop()
