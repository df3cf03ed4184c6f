"""ADXL345 accelerometer, Analog Devices datasheet rev. G. SPI mode 3 up to 5 MHz, or I2C.

Full resolution, ±16 g, FIFO in stream mode. A data entry must be read whole in one transfer
(reading any data register pops it), and a transfer reads one entry: there is no burst over several.
Each transfer goes on past the data into FIFO_CTL and FIFO_STATUS: FIFO_CTL never changes, so a
frame in which it does was not read as it was sent.
"""

from drivers.device import (
    Channel,
    Check,
    Drained,
    Field,
    I2cRegisters,
    Layout,
    SensorFault,
    SpiRegisters,
    expect_id,
    put,
    repeat,
    still_set,
)

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from drivers.device import Registers

_DEVICE_ID = 0x00
_INT_SOURCE = 0x30
_DATA = 0x32
_FIFO_STATUS = 0x39
_EXPECTED_ID = 0xE5
_OVERRUN = 0x01
_ENTRIES = 0x3F

_RATE = Field("rate", 0x2C, 0, 4)
_LOW_POWER = Field("low_power", 0x2C, 4, 1)
_MEASURE = Field("measure", 0x2D, 3, 1)
_FORMAT = Field("format", 0x31, 0, 8)
_FIFO = Field("fifo", 0x38, 0, 8)

RATE_CODE = {100: 0xA, 200: 0xB, 400: 0xC, 800: 0xD, 1600: 0xE, 3200: 0xF}  # Table 7
_FULL_RESOLUTION_16_G = 0x0B
_BYPASS = 0x00
_STREAM_HALF = 0x80 | 16  # stream mode, watermark 16
_FIFO_ENTRIES = 32
_ENTRIES_MAX = _FIFO_ENTRIES + 1  # the output filter holds one more (Table 21)

_SPI_READ = 0x80
_SPI_MULTIPLE = 0x40
_FRAME_BYTES = 9  # the command's echo, six data bytes, FIFO_CTL, FIFO_STATUS
_G_PER_COUNT = 1 / 256  # 256 LSB/g typical (Table 1)


def _axis(name: str, offset: int) -> "Channel":
    return Channel(name, "g", offset, 2, "little", 0, 16, _G_PER_COUNT, 0)


class Adxl345:
    """`bus`: an SPI device, or an I2C bus when `address` is given. `rate_hz`: in RATE_CODE."""

    CHIP = "adxl345"
    MEASURES = "vibration"
    RATES_HZ = tuple(sorted(RATE_CODE))
    ADDRESSES = (0x53, 0x1D)
    RANGE_G = 16.0
    SPI_MODE = 3
    SPEED_HZ_MAX = 5_000_000
    WIRE_BITS = (102, 72, 5)  # entry by entry: 30 + 9 x 8; 9 bytes, and 5 us with CS raised

    layout = Layout(
        _FRAME_BYTES,
        (_axis("x", 1), _axis("y", 3), _axis("z", 5)),
        (
            Check(7, 0xFF, _STREAM_HALF, "check", "FIFO_CTL read back wrong: check MISO and SCK"),
            Check(8, 0x40, 0x00, "check", "FIFO_STATUS holds a bit that is always 0: check MISO"),
        ),
    )
    fifo_frames = _FIFO_ENTRIES

    def __init__(self, bus: "Any", rate_hz: int, address: "int | None" = None) -> None:
        if rate_hz not in RATE_CODE:
            raise ValueError(f"rate_hz: {rate_hz} is not a rate of adxl345 {self.RATES_HZ}")
        self.rate_hz = rate_hz
        self._bus = bus
        self._address = address
        self._registers: Registers = (
            SpiRegisters(self.CHIP, bus, _SPI_READ)
            if address is None
            else I2cRegisters(self.CHIP, bus, address)
        )
        self._command = bytearray(_FRAME_BYTES)
        self._command[0] = _SPI_READ | _SPI_MULTIPLE | _DATA

    def identify(self) -> None:
        """SensorFault when something else, or nothing, answers."""
        expect_id(self._registers, _DEVICE_ID, (_EXPECTED_ID,))

    def start(self) -> "Iterator[int]":
        """Configures, empties the FIFO and begins to measure; yields milliseconds to wait."""
        for field, value in (
            (_MEASURE, 0),
            (_FORMAT, _FULL_RESOLUTION_16_G),
            (_LOW_POWER, 0),
            (_RATE, RATE_CODE[self.rate_hz]),
            (_FIFO, _BYPASS),
            (_FIFO, _STREAM_HALF),
            (_MEASURE, 1),
        ):
            put(self._registers, field, value)
        yield 2  # 1.1 ms + one period: the first entry is whole (Table 1, wake-up time)

    def drain_into(self, buffer: "Any") -> "Drained":
        """Moves the entries held, oldest first, into `buffer` (room for 33 frames)."""
        level = self._registers.read(_FIFO_STATUS) & _ENTRIES
        if level > _ENTRIES_MAX:
            raise SensorFault(
                self.CHIP,
                f"at most {_ENTRIES_MAX} entries in the FIFO",
                f"{level}",
                self._registers.read_wires,
            )
        overrun = False
        if level >= _FIFO_ENTRIES:
            overrun = bool(self._registers.read(_INT_SOURCE) & _OVERRUN)
        view = memoryview(buffer)
        if self._address is None:
            repeat(self._bus, self._command, view[: level * _FRAME_BYTES], level)
        else:
            self._read_entries(view, level)
        return Drained(level, level, overrun)

    def _read_entries(self, view: "Any", count: int) -> None:
        for place in range(count):
            begin = place * _FRAME_BYTES
            view[begin] = 0  # no command is echoed on I2C
            self._bus.readfrom_mem_into(
                self._address, _DATA, view[begin + 1 : begin + _FRAME_BYTES]
            )

    def verify(self) -> None:
        """SensorFault when the chip is no longer set as it was."""
        still_set(self._registers, ((_FORMAT, _FULL_RESOLUTION_16_G), (_MEASURE, 1)))

    def stop(self) -> None:
        """Back to standby."""
        put(self._registers, _MEASURE, 0)


DRIVER = Adxl345
