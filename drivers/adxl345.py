"""ADXL345 and ADXL343 accelerometers, Analog Devices datasheet rev. G. SPI mode 3, or I2C.

Full resolution, ±16 g, FIFO in stream mode. A data entry must be read whole in one transfer
(reading any data register pops it), and a transfer reads one entry: there is no burst over several.

What shows a glitch on the wires: a value has 13 bits, so the upper four of its word repeat its
sign; FIFO_CTL, which never changes, and the constant bits of FIFO_STATUS are read once a drain. A
flip within the 12 bits below the sign is a value like any other: no check of a frame can see it.
"""

from drivers.accelerometer import Accelerometer, SelfTest
from drivers.device import (
    Channel,
    Check,
    Drained,
    Field,
    Layout,
    SensorFault,
    drained_whole,
    repeater,
)

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from drivers.driver import Settings

_DEVICE_ID = 0x00
_INT_SOURCE = 0x30
_DATA = 0x32
_FIFO_CTL = 0x38  # and FIFO_STATUS behind it
_EXPECTED_ID = 0xE5
_OVERRUN = 0x01

_RATE = Field("rate", 0x2C, 0, 4)
_LOW_POWER = Field("low_power", 0x2C, 4, 1)
_MEASURE = Field("measure", 0x2D, 3, 1)
_FORMAT = Field("format", 0x31, 0, 8)
_FIFO = Field("fifo", 0x38, 0, 8)

RATE_CODE = {100: 0xA, 200: 0xB, 400: 0xC, 800: 0xD, 1600: 0xE, 3200: 0xF}  # Table 7
_FULL_RESOLUTION_16_G = 0x0B
_FORCE = 0x80  # SELF_TEST
_BYPASS = 0x00
_STREAM_HALF = 0x80 | 16  # stream mode, watermark 16
_FIFO_ENTRIES = 32
_ENTRIES_MAX = _FIFO_ENTRIES + 1  # the output filter holds one more (Table 21)
_WHOLE = drained_whole(_FIFO_ENTRIES)

_SPI_READ = 0x80
_SPI_MULTIPLE = 0x40
_FRAME_BYTES = 7  # the command's echo, six data bytes
_SIGNS = (0x00, 0xF0)  # the sign and the three bits above it, which repeat it
_G_PER_COUNT = 1 / 256  # 256 LSB/g typical (Table 1)


def _axis(name: str, offset: int) -> "Channel":
    return Channel(name, "g", offset, 2, "little", 0, 16, _G_PER_COUNT, 0, 1)


def _forced(low: int, high: int, by_supply: float) -> "tuple[float, float]":
    return low * by_supply * _G_PER_COUNT, high * by_supply * _G_PER_COUNT


class Adxl345(Accelerometer):
    """`bus`: an SPI device, or an I2C bus when `address` is given. `rate_hz`: in RATE_CODE."""

    CHIP = "adxl345"
    RATES_HZ = tuple(sorted(RATE_CODE))
    ADDRESSES = (0x53, 0x1D)
    RANGE_G = 16.0
    BANDWIDTH_OF_RATE = 0.5  # Table 7
    NOISE_UG = (290.0, 290.0, 430.0)  # Table 1
    SPI_MODE = 3
    SPEED_HZ_MAX = 5_000_000
    # 1600 and 3200 Hz from 2 MHz on, 800 Hz from 400 kHz on, others in proportion (section SPI)
    SPI_HZ_MIN = {rate: 2_000_000 if rate > 800 else 500 * rate for rate in RATE_CODE}
    # 800 Hz at 400 kHz, in proportion: above it samples go missing or are noisier (section I2C)
    I2C_HZ_MIN = {rate: 500 * rate for rate in RATE_CODE}
    # Entry by entry, and a 16th of the level: 30 + 9 x 6 + 3, with one bit time of free bus between
    # transfers (UM10204, tBUF); 7 bytes + 1.5, and 5 us with CS raised.
    WIRE_BITS = (88, 58, 5)

    layout = Layout(
        _FRAME_BYTES,
        (_axis("x", 1), _axis("y", 3), _axis("z", 5)),
        tuple(
            Check(high, 0xF0, _SIGNS, "check", "sign bits differ: check MISO and SCK, or SDA")
            for high in (2, 4, 6)
        ),
        None,
        None,
    )
    fifo_frames = _FIFO_ENTRIES

    IDS = ((_DEVICE_ID, _EXPECTED_ID),)
    SPI_MANY = _SPI_MULTIPLE
    READ_ONLY = ((_DEVICE_ID, _DEVICE_ID),)
    START_MS = 2  # 1.1 ms + one period: the first entry is whole (Table 1, wake-up time)
    # Self-Test section: 100 Hz, normal power, four samples to settle, 0.1 s of them averaged;
    # Table 15 at 2.5 V times Table 14 at the 3.3 V of the wiring.
    SELF_TEST = SelfTest(
        ((_RATE, RATE_CODE[100]),),
        ((_FORMAT, _FULL_RESOLUTION_16_G | _FORCE),),
        50,
        1,
        (_forced(50, 540, 1.77), _forced(-540, -50, 1.77), _forced(75, 875, 1.47)),
    )

    def prepare(self) -> None:
        self._command = bytearray(_FRAME_BYTES)
        self._command[0] = _SPI_READ | _SPI_MULTIPLE | _DATA
        self._read_fifo, self._fifo = self._registers.reader(_FIFO_CTL, 2)
        self._repeat = repeater(self._bus)

    def settings(self) -> "Settings":
        return (
            (_MEASURE, 0),
            (_LOW_POWER, 0),
            (_RATE, RATE_CODE[self.rate_hz]),
            (_FIFO, _BYPASS),
            (_FIFO, _STREAM_HALF),
            (_FORMAT, _FULL_RESOLUTION_16_G),
            (_MEASURE, 1),
        )

    def standby(self) -> "Settings":
        return ((_MEASURE, 0),)

    def drain_into(self, buffer: "Any") -> "Drained":
        """Moves the entries held, oldest first, into `buffer` (room for 33 frames)."""
        self._read_fifo()
        control, level = self._fifo
        if control != _STREAM_HALF or level > _ENTRIES_MAX:
            self._refuse(control, level)
        full = level >= _FIFO_ENTRIES
        overrun = full and bool(self._registers.read(_INT_SOURCE) & _OVERRUN)
        view = memoryview(buffer)
        if self._address is None:
            self._repeat(self._command, view, level)
        else:
            self._read_entries(view, level)
        return Drained(level, level, overrun) if full else _WHOLE[level]

    def _refuse(self, control: int, status: int) -> None:
        """FIFO_CTL changed, or FIFO_STATUS has bits or a count that it cannot have."""
        raise SensorFault(
            self.CHIP,
            f"FIFO_CTL 0x{_STREAM_HALF:02x} and at most {_ENTRIES_MAX} entries in the FIFO",
            f"0x{control << 8 | status:04x}",
            f"{self._registers.read_wires}: it was reset, or not read as it was sent",
        )

    def _read_entries(self, view: "Any", count: int) -> None:
        for place in range(count):
            begin = place * _FRAME_BYTES
            view[begin] = 0  # no command is echoed on I2C
            self._bus.readfrom_mem_into(
                self._address, _DATA, view[begin + 1 : begin + _FRAME_BYTES]
            )


class Adxl343(Adxl345):
    """The same registers and the same id: its name alone differs."""

    CHIP = "adxl343"


DRIVER = Adxl345
VARIANTS = (Adxl343,)
