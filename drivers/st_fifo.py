"""What ST's small accelerometers share: a FIFO of 32 frames whose level is one register.

A chip's file gives its facts; a burst from its first output register wraps back to it, so the whole
FIFO is one transfer.
"""

from drivers.accelerometer import Accelerometer
from drivers.device import Drained, drained_whole

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from drivers.device import Field
    from drivers.driver import Settings

_FRAMES = 32
_FRAME_BYTES = 6
_WHOLE = drained_whole(_FRAMES)


class StFifoDriver(Accelerometer):
    """`BRING_UP`: settings before the last one, which is `RATE` with the rate's code and `MODE`."""

    SPI_MODE = 3
    SPEED_HZ_MAX = 10_000_000
    ADDRESSES = (0x18, 0x19)
    START_MS = 10  # the longest of the family from standby to a settled first sample
    BURST_BYTES = _FRAME_BYTES * _FRAMES
    WIRE_BITS = (58, 50, 0)  # a burst of 6 bytes a frame and its share of the addressing
    fifo_frames = _FRAMES

    RATE_CODE: "dict[int, int]"
    RATE: "Field"
    MODE: int
    BRING_UP: "Settings"
    OUT: int
    STATUS: int
    STATUS_EMPTY: int  # 0: it has no such bit
    STATUS_FULL = 0x40  # all 32 are held and one may have been overwritten
    STATUS_LEVEL: int

    def settings(self) -> "Settings":
        return self.BRING_UP + ((self.RATE, self.RATE_CODE[self.rate_hz] << 4 | self.MODE),)

    def standby(self) -> "Settings":
        return ((self.RATE, 0),)

    def prepare(self) -> None:
        self._read_status, self._status = self._registers.reader(self.STATUS, 1)

    def drain_into(self, buffer: "Any") -> "Drained":
        """Moves the frames held, oldest first, into `buffer`, by one burst."""
        self._read_status()
        status = self._status[0]
        full = status & self.STATUS_FULL
        level = _FRAMES if full else status & self.STATUS_LEVEL
        if not level or status & self.STATUS_EMPTY:
            return _WHOLE[0]
        if level > _FRAMES:
            self._level_checked(level, _FRAMES)
        self._registers.read_into(self.OUT, buffer, _FRAME_BYTES * level)
        return Drained(level, level, True) if full else _WHOLE[level]
