"""KX132-1211 accelerometer, Kionix technical reference manual rev. 1.0. SPI mode 0, or I2C.

±16 g, 16 bits, low-noise mode, its filter at half the rate, sample buffer of 86 frames in stream
mode. BUF_READ does not advance its address, so the whole buffer is one transfer of 6 bytes a frame.
The manual's rates go on to 25 600 Hz, of which the buffer holds 3.4 ms: no Linux host reads so
often. 6400 Hz, 13 ms, is the fastest here; 200 Hz the slowest, as below it the level costs more
bits than 5 % of the frames'.

All 16 bits of a value change, so no check of a frame can see a flip: BUF_CNTL2, which never
changes, and the constant bits of BUF_STATUS_2 are read with the level once a drain.
"""

from drivers.accelerometer import Accelerometer, SelfTest
from drivers.device import Channel, Drained, Field, Layout, SensorFault, put

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from drivers.driver import Settings

_WHO_AM_I, _EXPECTED_ID = 0x13, 0x3D
_BUF_CNTL2 = 0x5F  # and BUF_STATUS_1, BUF_STATUS_2 behind it
_BUF_CLEAR = 0x62
_BUF_READ = 0x63

_CNTL1 = Field("cntl1", 0x1B, 0, 8)
_ODCNTL = Field("odcntl", 0x21, 0, 8)
_TEST_POLARITY = Field("test_polarity", 0x22, 1, 1)  # STPOL of INC1
_TEST = Field("self_test", 0x5D, 0, 8)
_BUFFER = Field("buffer", _BUF_CNTL2, 0, 8)

RATE_CODE = {200: 8, 400: 9, 800: 10, 1600: 11, 3200: 12, 6400: 13}  # OSA
_HALF_OF_RATE = 0x40  # LPRO
_16_G_LOW_NOISE = 0x40 | 3 << 3  # RES, GSEL
_ON = 0x80 | _16_G_LOW_NOISE  # PC1
_POSITIVE = 1
_FORCE, _NO_FORCE = 0xCA, 0x00
_STREAM_16_BIT = 0x80 | 0x40 | 0x01  # BUFE, BRES, BM
_LEVEL_NEVER = 0xFC  # of BUF_STATUS_2; BUF_TRIG belongs to another mode
_FRAMES = 86
_FRAME_BYTES = 6
_G_PER_COUNT = 1 / 2048  # ±16 g (Table 2)
_FORCED_G = (0.1, 1.0)


def _axis(name: str, offset: int) -> "Channel":
    return Channel(name, "g", offset, 2, "little", 0, 16, _G_PER_COUNT, 0, 1)


class Kx132(Accelerometer):
    """`bus`: an SPI device, or an I2C bus when `address` is given. `rate_hz`: in RATE_CODE."""

    CHIP = "kx132"
    RATES_HZ = tuple(sorted(RATE_CODE))
    ADDRESSES = (0x1E, 0x1F)
    RANGE_G = 16.0
    BANDWIDTH_OF_RATE = 0.5  # LPRO = 1
    NOISE_UG = (130.0, 130.0, 130.0)
    SPI_MODE = 0
    SPEED_HZ_MAX = 10_000_000
    WIRE_BITS = (58, 50, 0)  # a burst of 6 bytes a frame and its share of level and addressing
    READ_ONLY = ((0x00, 0x1A),)

    layout = Layout(_FRAME_BYTES, (_axis("x", 0), _axis("y", 2), _axis("z", 4)), (), None, None)
    fifo_frames = _FRAMES

    IDS = ((_WHO_AM_I, _EXPECTED_ID),)
    BURST_BYTES = _FRAMES * _FRAME_BYTES
    START_MS = 20  # four periods at 200 Hz
    # 0xCA pushes the proof mass by typically 0.5 g; a fifth to twice of it is our own limit.
    SELF_TEST = SelfTest(
        (
            (_CNTL1, _16_G_LOW_NOISE),
            (_ODCNTL, _HALF_OF_RATE | RATE_CODE[200]),
            (_TEST_POLARITY, _POSITIVE),
            (_CNTL1, _ON),
        ),
        ((_TEST, _FORCE),),
        50,
        1,
        (_FORCED_G, _FORCED_G, _FORCED_G),
    )

    def prepare(self) -> None:
        self._read_buffer, self._buffer = self._registers.reader(_BUF_CNTL2, 3)

    def settings(self) -> "Settings":
        return (
            (_CNTL1, _16_G_LOW_NOISE),
            (_TEST, _NO_FORCE),
            (_ODCNTL, _HALF_OF_RATE | RATE_CODE[self.rate_hz]),
            (_BUFFER, _STREAM_16_BIT),
            (_CNTL1, _ON),
        )

    def standby(self) -> "Settings":
        return ((_TEST, _NO_FORCE), (_CNTL1, _16_G_LOW_NOISE))

    def start(self) -> "Iterator[int]":
        """Configures, begins to measure, empties the buffer; yields milliseconds to wait."""
        yield from super().start()
        self._registers.write(_BUF_CLEAR, 0)

    def _put_all(self, settings: "Settings") -> None:
        """SELF_TEST cannot be read back."""
        for field, value in settings:
            if field == _TEST:
                self._registers.write(field.register, value)
            else:
                put(self._registers, field, value)

    def drain_into(self, buffer: "Any") -> "Drained":
        """Moves the frames held, oldest first, into `buffer`, by one burst."""
        size = self._bytes_held()
        if size % _FRAME_BYTES:  # a frame was being written; a wrong bit would stay
            size = self._bytes_held()
        level = size // _FRAME_BYTES
        if size % _FRAME_BYTES or level > _FRAMES:
            raise SensorFault(
                self.CHIP,
                f"at most {_FRAMES} frames in the FIFO",
                f"{size / _FRAME_BYTES:.1f}",
                self._registers.read_wires,
            )
        if level:
            self._registers.read_into(_BUF_READ, buffer, size)
        return Drained(level, level, level == _FRAMES)

    def _bytes_held(self) -> int:
        self._read_buffer()
        control, low, high = self._buffer
        if control != _STREAM_16_BIT or high & _LEVEL_NEVER:
            raise SensorFault(
                self.CHIP,
                f"register 0x{_BUF_CNTL2:02x} to hold 0x{_STREAM_16_BIT:02x}",
                f"0x{control << 8 | high:04x}",
                f"{self._registers.read_wires}: it was reset, or not read as it was sent",
            )
        return int(high << 8 | low)


DRIVER = Kx132
