"""IIS3DWB vibration sensor, ST datasheet DS12569 rev. 6. SPI mode 3 up to 10 MHz, no I2C.

26 667 Hz fixed, ±16 g, 6 kHz bandwidth, FIFO of 512 words in continuous mode. A word is a tag byte
and three 16-bit values; reading on from FIFO_DATA_OUT_TAG wraps to it, so the whole FIFO is one
transfer of 7 bytes a frame. The tag names the sensor: 0x02 is the accelerometer.
"""

from drivers.device import (
    Channel,
    Check,
    Drained,
    Field,
    Layout,
    SensorFault,
    SpiRegisters,
    expect_id,
    put,
    still_set,
)

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_WHO_AM_I = 0x0F
_EXPECTED_ID = 0x7B
_FIFO_STATUS1, _FIFO_STATUS2 = 0x3A, 0x3B
_OVERRUN = 0x40
_TAG = 0x78
_ACCELEROMETER = 0x02 << 3
_SPI_READ = 0x80
_WORDS = 512
_FRAME_BYTES = 7
_G_PER_COUNT = 0.000488  # ±16 g (Table 3)

_CTRL1_XL = Field("ctrl1_xl", 0x10, 0, 8)
_CTRL3_C = Field("ctrl3_c", 0x12, 0, 8)
_FIFO_CTRL3 = Field("fifo_ctrl3", 0x09, 0, 8)
_FIFO_CTRL4 = Field("fifo_ctrl4", 0x0A, 0, 8)
_ON_16_G = 5 << 5 | 1 << 2
_RESET = 0x01
_BLOCK_UPDATE_INCREMENT = 0x40 | 0x04
_EVERY_SAMPLE = 0x0A
_BYPASS, _CONTINUOUS = 0, 6


def _axis(name: str, offset: int) -> "Channel":
    return Channel(name, "g", offset, 2, "little", 0, 16, _G_PER_COUNT, 0)


class Iis3dwb:
    """`bus`: an SPI device. `rate_hz`: 26667, the only one."""

    CHIP = "iis3dwb"
    MEASURES = "vibration"
    RATES_HZ = (26667,)
    ADDRESSES = ()
    RANGE_G = 16.0
    SPI_MODE = 3
    SPEED_HZ_MAX = 10_000_000
    WIRE_BITS = (None, 57, 0)  # 7 bytes a frame and its share of the status

    layout = Layout(
        _FRAME_BYTES,
        (_axis("x", 1), _axis("y", 3), _axis("z", 5)),
        (Check(0, 0xF8, _ACCELEROMETER, "check", "a FIFO tag is not the accelerometer's"),),
    )
    fifo_frames = _WORDS

    def __init__(self, bus: "Any", rate_hz: int, address: "int | None" = None) -> None:
        if rate_hz not in self.RATES_HZ or address is not None:
            raise ValueError(f"rate_hz: {rate_hz} at {address} is not 26667 on SPI")
        self.rate_hz = rate_hz
        self._bus = bus
        self._registers = SpiRegisters(self.CHIP, bus, _SPI_READ)
        self._command = bytearray(1 + _WORDS * _FRAME_BYTES)
        self._command[0] = _SPI_READ | _TAG
        self._answer = bytearray(1 + _WORDS * _FRAME_BYTES)
        self._status = bytearray((_SPI_READ | _FIFO_STATUS1, 0, 0))
        self._levels = bytearray(3)

    def identify(self) -> None:
        """SensorFault when something else, or nothing, answers."""
        expect_id(self._registers, _WHO_AM_I, (_EXPECTED_ID,))

    def start(self) -> "Iterator[int]":
        """Resets, configures, begins to measure; yields milliseconds to wait."""
        self._registers.write(_CTRL3_C.register, _RESET)
        yield 1  # the reset takes 50 us
        for field, value in (
            (_CTRL3_C, _BLOCK_UPDATE_INCREMENT),
            (_FIFO_CTRL4, _BYPASS),
            (_FIFO_CTRL3, _EVERY_SAMPLE),
            (_CTRL1_XL, _ON_16_G),
            (_FIFO_CTRL4, _CONTINUOUS),
        ):
            put(self._registers, field, value)
        yield 10  # turn-on time (Table 3)

    def drain_into(self, buffer: "Any") -> "Drained":
        """Moves the words held, oldest first, into `buffer`, by one burst."""
        self._bus.write_readinto(self._status, self._levels)
        level = (self._levels[2] & 0x03) << 8 | self._levels[1]
        overrun = bool(self._levels[2] & _OVERRUN)
        size = level * _FRAME_BYTES
        if level > _WORDS:
            raise SensorFault(
                self.CHIP,
                f"at most {_WORDS} words in the FIFO",
                f"{level}",
                self._registers.read_wires,
            )
        if size:
            command, answer = memoryview(self._command), memoryview(self._answer)
            self._bus.write_readinto(command[: 1 + size], answer[: 1 + size])
            buffer[:size] = answer[1 : 1 + size]
        return Drained(level, level, overrun)

    def verify(self) -> None:
        """SensorFault when the chip is no longer set as it was."""
        still_set(self._registers, ((_FIFO_CTRL4, _CONTINUOUS), (_CTRL1_XL, _ON_16_G)))

    def stop(self) -> None:
        """Back to power-down."""
        put(self._registers, _CTRL1_XL, 0)


DRIVER = Iis3dwb
