"""IIS3DWB vibration sensor, ST datasheet DS12569 rev. 6. SPI mode 3 up to 10 MHz, no I2C.

26 667 Hz fixed, ±16 g, 6 kHz bandwidth, FIFO of 512 words in continuous mode. A word is a tag byte
and three 16-bit values; reading on from FIFO_DATA_OUT_TAG wraps to it, so the whole FIFO is one
transfer of 7 bytes a frame. An overrun is latched until the status is read: one that came after the
level was read is told by the next drain. The tag names the sensor (0x02 is the accelerometer),
counts frames in two bits, and its lowest bit makes the number of ones even.
"""

from drivers.accelerometer import Accelerometer, SelfTest
from drivers.device import Channel, Check, Counter, Drained, Field, Layout

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from drivers.driver import Settings

_FIFO_STATUS1 = 0x3A  # and FIFO_STATUS2 behind it
_OVERRUN = 0x40 | 0x08  # FIFO_OVR_IA as it stands, FIFO_OVR_LATCHED since the status was read
_TAG = 0x78
_TAGS = (0x11, 0x12, 0x14, 0x17)  # sensor 0x02, counter 0 to 3, even parity
_WORDS = 512
_FRAME_BYTES = 7
_G_PER_COUNT = 0.000488  # ±16 g (Table 3)

_CTRL1_XL = Field("ctrl1_xl", 0x10, 0, 8)
_CTRL3_C = Field("ctrl3_c", 0x12, 0, 8)
_CTRL5_C = Field("ctrl5_c", 0x14, 0, 8)
_FIFO_CTRL3 = Field("fifo_ctrl3", 0x09, 0, 8)
_FIFO_CTRL4 = Field("fifo_ctrl4", 0x0A, 0, 8)
_ON_16_G = 5 << 5 | 1 << 2
_ON_4_G = 5 << 5 | 2 << 2
_FORCE = 0x01  # ST_XL 01: positive
_FORCED_G = (0.8, 3.2)
_RESET = 0x01
_BLOCK_UPDATE_INCREMENT = 0x40 | 0x04
_EVERY_SAMPLE = 0x0A
_BYPASS, _CONTINUOUS = 0, 6


_COUNTER = Counter(0, 1, 2, "out_of_spec", "the FIFO's counter jumps: samples are missing")


def _axis(name: str, offset: int) -> "Channel":
    return Channel(name, "g", offset, 2, "little", 0, 16, _G_PER_COUNT, 0, 1)


class Iis3dwb(Accelerometer):
    """`bus`: an SPI device. `rate_hz`: 26667, the only one."""

    CHIP = "iis3dwb"
    RATES_HZ = (26667,)
    ADDRESSES = ()
    RANGE_G = 16.0
    BANDWIDTH_OF_RATE = 6300 / 26667  # 6.3 kHz at its only rate
    NOISE_UG = (75.0, 75.0, 75.0)  # Table 3
    SPI_MODE = 3
    SPEED_HZ_MAX = 10_000_000
    WIRE_BITS = (None, 57, 0)  # 7 bytes a frame and its share of the status

    layout = Layout(
        _FRAME_BYTES,
        (_axis("x", 1), _axis("y", 3), _axis("z", 5)),
        (
            Check(
                0, 0xFF, _TAGS, "check", "a FIFO tag is not the accelerometer's: check MISO and SCK"
            ),
        ),
        _COUNTER,
        None,
    )
    fifo_frames = _WORDS

    IDS = ((0x0F, 0x7B),)
    BURST_BYTES = _WORDS * _FRAME_BYTES
    START_MS = 10  # turn-on time (Table 3)
    # Procedure of AN5444: ±4 g, positive force, 100 ms until it has settled; 800 to 3200 mg.
    SELF_TEST = SelfTest(
        ((_CTRL1_XL, _ON_4_G),),
        ((_CTRL5_C, _FORCE),),
        100,
        1 / 4,
        (_FORCED_G, _FORCED_G, _FORCED_G),
    )

    def prepare(self) -> None:
        self._read_levels, self._levels = self._registers.reader(_FIFO_STATUS1, 2)

    def settings(self) -> "Settings":
        return (
            (_CTRL3_C, _BLOCK_UPDATE_INCREMENT),
            (_CTRL5_C, 0),
            (_FIFO_CTRL4, _BYPASS),
            (_FIFO_CTRL3, _EVERY_SAMPLE),
            (_CTRL1_XL, _ON_16_G),
            (_FIFO_CTRL4, _CONTINUOUS),
        )

    def standby(self) -> "Settings":
        return ((_CTRL1_XL, 0),)

    def start(self) -> "Iterator[int]":
        """Resets, configures, begins to measure; yields milliseconds to wait."""
        self._registers.write(_CTRL3_C.register, _RESET)
        yield 1  # the reset takes 50 us
        yield from super().start()

    def drain_into(self, buffer: "Any") -> "Drained":
        """Moves the words held, oldest first, into `buffer`, by one burst."""
        self._read_levels()
        low, high = self._levels
        level = self._level_checked((high & 0x03) << 8 | low, _WORDS)
        if level:
            self._registers.read_into(_TAG, buffer, level * _FRAME_BYTES)
        return Drained(level, level, bool(high & _OVERRUN))


DRIVER = Iis3dwb
