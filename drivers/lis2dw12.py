"""LIS2DW12 accelerometer, ST datasheet of the LIS2DW12. SPI mode 3 up to 10 MHz, or I2C.

High-performance mode, 14 bits, ±16 g, low noise, FIFO in continuous mode. A burst from OUT_X_L
wraps back to it, so the whole FIFO is one transfer. Values are left-justified in 16 bits: a count
of the whole word is a quarter of the sensitivity, and its two low bits are always 0.
"""

from drivers.accelerometer import SelfTest
from drivers.device import Channel, Check, Field, Layout
from drivers.st_fifo import StFifoDriver

_RATE_CODE = {100: 5, 200: 6, 400: 7, 800: 8, 1600: 9}  # Table 30
_G_PER_COUNT = 0.001952 / 4  # ±16 g, 14 bits (Table 3)

_CTRL1 = Field("ctrl1", 0x20, 0, 8)
_CTRL2 = Field("ctrl2", 0x21, 0, 8)
_CTRL3 = Field("ctrl3", 0x22, 0, 8)
_CTRL6 = Field("ctrl6", 0x25, 0, 8)
_FIFO_CTRL = Field("fifo_ctrl", 0x2E, 0, 8)
_HIGH_PERFORMANCE = 1 << 2
_50_HZ = 4 << 4 | _HIGH_PERFORMANCE
_BLOCK_UPDATE_INCREMENT = 0x08 | 0x04
_16_G_LOW_NOISE = 3 << 4 | 0x04
_4_G_LOW_NOISE = 1 << 4 | 0x04
_FORCE = 1 << 6  # ST 01: positive
_BYPASS, _CONTINUOUS = 0x00, 6 << 5
_FORCED_G = (0.07, 1.5)  # Table 3, self-test positive difference


def _axis(name: str, offset: int) -> "Channel":
    return Channel(name, "g", offset, 2, "little", 0, 16, _G_PER_COUNT, 0, 4)


class Lis2dw12(StFifoDriver):
    """`bus`: an SPI device, or an I2C bus when `address` is given. `rate_hz`: in RATES_HZ."""

    CHIP = "lis2dw12"
    RATES_HZ = tuple(sorted(_RATE_CODE))
    RANGE_G = 16.0
    BANDWIDTH_OF_RATE = 0.5  # BW_FILT at its default: ODR / 2
    NOISE_UG = (90.0, 90.0, 90.0)  # Table 3

    layout = Layout(
        6,
        (_axis("x", 0), _axis("y", 2), _axis("z", 4)),
        tuple(
            Check(offset, 0x03, (0,), "check", "bits that are always 0 read 1: check MISO or SDA")
            for offset in (0, 2, 4)
        ),
        None,
        None,
    )

    IDS = ((0x0F, 0x44),)
    RATE_CODE = _RATE_CODE
    RATE, MODE = _CTRL1, _HIGH_PERFORMANCE
    BRING_UP = (
        (_CTRL1, 0),
        (_CTRL2, _BLOCK_UPDATE_INCREMENT),
        (_CTRL3, 0),
        (_FIFO_CTRL, _BYPASS),
        (_CTRL6, _16_G_LOW_NOISE),
        (_FIFO_CTRL, _CONTINUOUS),
    )
    OUT, STATUS = 0x28, 0x2F  # FIFO_SAMPLES
    STATUS_EMPTY, STATUS_LEVEL = 0, 0x3F
    # Procedure of AN5038: ±4 g, 50 Hz, 100 ms until it has settled, 5 samples.
    SELF_TEST = SelfTest(
        ((_CTRL6, _4_G_LOW_NOISE), (_CTRL1, _50_HZ)),
        ((_CTRL3, _FORCE),),
        100,
        1 / 4,
        (_FORCED_G, _FORCED_G, _FORCED_G),
    )


DRIVER = Lis2dw12
