"""LIS3DH accelerometer, ST datasheet DocID17530 rev. 2. SPI mode 3 up to 10 MHz, or I2C.

High-resolution mode, ±16 g, FIFO in stream mode. A burst from OUT_X_L wraps from OUT_Z_H back to
OUT_X_L, so the whole FIFO is one transfer. Values are 12 bits, left-justified in 16: a count of the
whole word is a 16th of the sensitivity, and its four low bits are always 0.
"""

from drivers.accelerometer import SelfTest
from drivers.device import Channel, Check, Field, Layout
from drivers.st_fifo import StFifoDriver

_RATE_CODE = {100: 5, 200: 6, 400: 7, 1344: 9}  # Table 31, high-resolution mode
_G_PER_COUNT = 0.012 / 16  # ±16 g (Table 4)

_CTRL1 = Field("ctrl1", 0x20, 0, 8)
_CTRL4 = Field("ctrl4", 0x23, 0, 8)
_CTRL5 = Field("ctrl5", 0x24, 0, 8)
_FIFO_CTRL = Field("fifo_ctrl", 0x2E, 0, 8)
_50_HZ_ALL_AXES = 4 << 4 | 0x07
_BLOCK_UPDATE_16_G_HIGH_RESOLUTION = 0x80 | 3 << 4 | 0x08
_BLOCK_UPDATE_2_G_HIGH_RESOLUTION = 0x80 | 0x08
_FORCE = 1 << 1  # ST 01: self-test 0
_FIFO_ENABLE = 0x40
_BYPASS, _STREAM = 0x00, 0x80
_FORCED_G = (0.068, 1.44)  # 17 to 360 LSb of 4 mg at ±2 g (Table 4)


def _axis(name: str, offset: int) -> "Channel":
    return Channel(name, "g", offset, 2, "little", 0, 16, _G_PER_COUNT, 0, 16)


class Lis3dh(StFifoDriver):
    """`bus`: an SPI device, or an I2C bus when `address` is given. `rate_hz`: in RATES_HZ."""

    CHIP = "lis3dh"
    RATES_HZ = tuple(sorted(_RATE_CODE))
    RANGE_G = 16.0
    BANDWIDTH_OF_RATE = 1 / 9  # high-resolution mode: ODR / 9
    NOISE_UG = (220.0, 220.0, 220.0)  # Table 4

    layout = Layout(
        6,
        (_axis("x", 0), _axis("y", 2), _axis("z", 4)),
        tuple(
            Check(offset, 0x0F, (0,), "check", "bits that are always 0 read 1: check MISO or SDA")
            for offset in (0, 2, 4)
        ),
        None,
        None,
    )

    IDS = ((0x0F, 0x33),)
    SPI_MANY = 0x40
    I2C_MANY = 0x80
    RATE_CODE = _RATE_CODE
    RATE, MODE = _CTRL1, 0x07  # all axes
    BRING_UP = (
        (_CTRL1, 0),
        (_FIFO_CTRL, _BYPASS),
        (_CTRL4, _BLOCK_UPDATE_16_G_HIGH_RESOLUTION),
        (_CTRL5, _FIFO_ENABLE),
        (_FIFO_CTRL, _STREAM),
    )
    OUT, STATUS = 0x28, 0x2F  # FIFO_SRC
    STATUS_EMPTY, STATUS_LEVEL = 0x20, 0x1F
    # Procedure of AN3308: ±2 g, 50 Hz, 90 ms until it has settled, 5 samples.
    SELF_TEST = SelfTest(
        ((_CTRL4, _BLOCK_UPDATE_2_G_HIGH_RESOLUTION), (_CTRL1, _50_HZ_ALL_AXES)),
        ((_CTRL4, _BLOCK_UPDATE_2_G_HIGH_RESOLUTION | _FORCE),),
        90,
        1 / 12,
        (_FORCED_G, _FORCED_G, _FORCED_G),
    )


DRIVER = Lis3dh
