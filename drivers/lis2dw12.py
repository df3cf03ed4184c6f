"""LIS2DW12 accelerometer, ST datasheet DS11927 rev. 8. SPI mode 3 up to 10 MHz, or I2C.

High-performance mode, 14 bits, ±16 g, low noise, FIFO in continuous mode. A burst from OUT_X_L
wraps back to it, so the whole FIFO is one transfer. Values are left-justified in 16 bits.
"""

from drivers.device import Channel, Check, Field, Layout
from drivers.st_fifo import StFifoDriver

_WHO_AM_I = 0x0F
_EXPECTED_ID = 0x44
_OUT = 0x28
_FIFO_SAMPLES = 0x2F

RATE_CODE = {100: 5, 200: 6, 400: 7, 800: 8, 1600: 9}  # Table 30
_HIGH_PERFORMANCE = 1 << 2
_G_PER_COUNT = 0.001952  # ±16 g, 14 bits (Table 3)

_CTRL1 = Field("ctrl1", 0x20, 0, 8)
_CTRL2 = Field("ctrl2", 0x21, 0, 8)
_CTRL6 = Field("ctrl6", 0x25, 0, 8)
_FIFO_CTRL = Field("fifo_ctrl", 0x2E, 0, 8)
_BLOCK_UPDATE_INCREMENT = 0x08 | 0x04
_16_G_LOW_NOISE = 3 << 4 | 0x04
_BYPASS, _CONTINUOUS = 0x00, 6 << 5


def _axis(name: str, offset: int) -> "Channel":
    return Channel(name, "g", offset, 2, "little", 2, 14, _G_PER_COUNT, 0)


class Lis2dw12(StFifoDriver):
    """`bus`: an SPI device, or an I2C bus when `address` is given. `rate_hz`: in RATE_CODE."""

    CHIP = "lis2dw12"
    MEASURES = "vibration"
    RATES_HZ = tuple(sorted(RATE_CODE))
    ADDRESSES = (0x18, 0x19)
    RANGE_G = 16.0
    SPI_MODE = 3
    SPEED_HZ_MAX = 10_000_000
    WIRE_BITS = (58, 50, 0)  # a burst of 6 bytes a frame and its share of the addressing

    layout = Layout(
        6,
        (_axis("x", 0), _axis("y", 2), _axis("z", 4)),
        tuple(
            Check(offset, 0x03, 0, "check", "bits that are always 0 read 1: check MISO or SDA")
            for offset in (0, 2, 4)
        ),
    )
    fifo_frames = 32

    ID = (_WHO_AM_I, _EXPECTED_ID)
    OUT = _OUT
    STATUS = _FIFO_SAMPLES
    SPI_INCREMENT = 0
    I2C_INCREMENT = 0

    def settings(self) -> "tuple[tuple[Field, int], ...]":
        return (
            (_CTRL1, 0),
            (_CTRL2, _BLOCK_UPDATE_INCREMENT),
            (_FIFO_CTRL, _BYPASS),
            (_CTRL6, _16_G_LOW_NOISE),
            (_FIFO_CTRL, _CONTINUOUS),
            (_CTRL1, RATE_CODE[self.rate_hz] << 4 | _HIGH_PERFORMANCE),
        )

    def standby(self) -> "tuple[Field, int]":
        return _CTRL1, 0

    def level_of(self, status: int) -> "tuple[int, bool]":
        """FIFO_SAMPLES: bits 5:0 unread, FIFO_OVR 0x40 when one was overwritten."""
        return min(status & 0x3F, 32), bool(status & 0x40)


DRIVER = Lis2dw12
