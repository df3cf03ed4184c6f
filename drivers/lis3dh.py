"""LIS3DH accelerometer, ST datasheet DocID17530 rev. 2. SPI mode 3 up to 10 MHz, or I2C.

High-resolution mode, ±16 g, FIFO in stream mode. A burst from OUT_X_L wraps from OUT_Z_H back to
OUT_X_L, so the whole FIFO is one transfer. Values are 12 bits, left-justified in 16.
"""

from drivers.device import Channel, Check, Field, Layout
from drivers.st_fifo import StFifoDriver

_WHO_AM_I = 0x0F
_EXPECTED_ID = 0x33
_OUT = 0x28
_FIFO_SRC = 0x2F

RATE_CODE = {100: 5, 200: 6, 400: 7, 1344: 9}  # Table 31, high-resolution mode
_G_PER_COUNT = 0.012  # ±16 g (Table 4)

_CTRL1 = Field("ctrl1", 0x20, 0, 8)
_CTRL4 = Field("ctrl4", 0x23, 0, 8)
_CTRL5 = Field("ctrl5", 0x24, 0, 8)
_FIFO_CTRL = Field("fifo_ctrl", 0x2E, 0, 8)
_ALL_AXES = 0x07
_BLOCK_UPDATE_16_G_HIGH_RESOLUTION = 0x80 | 3 << 4 | 0x08
_FIFO_ENABLE = 0x40
_BYPASS, _STREAM = 0x00, 0x80


def _axis(name: str, offset: int) -> "Channel":
    return Channel(name, "g", offset, 2, "little", 4, 12, _G_PER_COUNT, 0)


class Lis3dh(StFifoDriver):
    """`bus`: an SPI device, or an I2C bus when `address` is given. `rate_hz`: in RATE_CODE."""

    CHIP = "lis3dh"
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
            Check(offset, 0x0F, 0, "check", "bits that are always 0 read 1: check MISO or SDA")
            for offset in (0, 2, 4)
        ),
    )
    fifo_frames = 32

    ID = (_WHO_AM_I, _EXPECTED_ID)
    OUT = _OUT
    STATUS = _FIFO_SRC
    SPI_INCREMENT = 0x40
    I2C_INCREMENT = 0x80

    def settings(self) -> "tuple[tuple[Field, int], ...]":
        return (
            (_CTRL1, 0),
            (_FIFO_CTRL, _BYPASS),
            (_CTRL4, _BLOCK_UPDATE_16_G_HIGH_RESOLUTION),
            (_CTRL5, _FIFO_ENABLE),
            (_FIFO_CTRL, _STREAM),
            (_CTRL1, RATE_CODE[self.rate_hz] << 4 | _ALL_AXES),
        )

    def standby(self) -> "tuple[Field, int]":
        return _CTRL1, 0

    def level_of(self, status: int) -> "tuple[int, bool]":
        """FIFO_SRC: OVRN 0x40 means that all 32 are full and one may be gone; EMPTY 0x20."""
        if status & 0x20:
            return 0, False
        full = bool(status & 0x40)
        return (32 if full else status & 0x1F), full


DRIVER = Lis3dh
