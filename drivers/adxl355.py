"""ADXL355 accelerometer, Analog Devices datasheet. SPI mode 0 up to 10 MHz, or I2C.

±8 g, 20 bits, FIFO of 96 words, three a frame. FIFO_DATA does not advance its address: one burst
reads words of 24 bits, left-justified; bit 0 of a word marks x, bit 1 an empty FIFO. Frames begin
at x: what does not is dropped and said to be lost.
"""

from drivers.accelerometer import Accelerometer, SelfTest
from drivers.device import Channel, Check, Drained, Field, Layout, SensorFault, SpiRegisters

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from drivers.driver import Settings

_STATUS = 0x04  # and FIFO_ENTRIES behind it
_FIFO_OVERRUN = 0x04
_FIFO_DATA = 0x11
_RESET, _RESET_CODE = 0x2F, 0x52
_SHADOW = (0x50, 0x51, 0x52, 0x53, 0x54)
_RESET_ATTEMPTS = 5
_X_MARK = 0x01

RATE_CODE = {125: 5, 250: 4, 500: 3, 1000: 2, 2000: 1, 4000: 0}  # Table 44
_ODR = Field("odr", 0x28, 0, 4)
_RANGE = Field("range", 0x2C, 0, 2)
_POWER = Field("power", 0x2D, 0, 3)
_TEST = Field("self_test", 0x2E, 0, 2)
_TEST_ENABLED, _FORCE = 0x01, 0x02  # ST1, ST2
_8_G = 3
_STANDBY, _MEASURE = 1, 0
_G_PER_COUNT = 1 / 64000  # ±8 g (Table 1)

_WORD_BYTES = 3
_FRAME_BYTES = 9
_FRAMES = 32


def _axis(name: str, offset: int) -> "Channel":
    return Channel(name, "g", offset, 3, "big", 4, 20, _G_PER_COUNT, 0, 1)


class _ShiftedRegisters(SpiRegisters):
    """SPI as this chip has it: the address in bits 7:1, bit 0 set to read."""

    def read_code(self, register: int) -> int:
        return register << 1 | 1

    def write_code(self, register: int) -> int:
        return register << 1

    @staticmethod
    def register_of(first: int) -> int:
        return first >> 1


class Adxl355(Accelerometer):
    """`bus`: an SPI device, or an I2C bus when `address` is given. `rate_hz`: in RATE_CODE."""

    CHIP = "adxl355"
    RATES_HZ = tuple(sorted(RATE_CODE))
    ADDRESSES = (0x1D, 0x53)
    RANGE_G = 8.192
    BANDWIDTH_OF_RATE = 0.25  # its low-pass filter at any rate: ODR / 4
    NOISE_UG = (22.5, 22.5, 22.5)  # Table 1
    SPI_MODE = 0
    SPEED_HZ_MAX = 10_000_000
    WIRE_BITS = (85, 74, 0)  # a burst of 9 bytes a frame and its share of the addressing

    layout = Layout(
        _FRAME_BYTES,
        (_axis("x", 0), _axis("y", 3), _axis("z", 6)),
        (
            Check(
                2, 0x03, (_X_MARK,), "check", "a frame does not begin at x: check the clock line"
            ),
            Check(5, 0x03, (0,), "check", "a frame is torn at y: check the clock line"),
            Check(8, 0x03, (0,), "check", "a frame is torn at z: check the clock line"),
        ),
        None,
        None,
    )
    fifo_frames = _FRAMES

    IDS = ((0x00, 0xAD), (0x01, 0x1D), (0x02, 0xED))  # vendor, family, part
    SPI_REGISTERS = _ShiftedRegisters
    SPI_WRITES = (0x01, 0x00)
    READ_ONLY = ((0x00, 0x11),)  # Table 15
    BURST_BYTES = _FRAMES * _FRAME_BYTES
    START_MS = 10  # turn-on time (Table 1)
    # ST1 makes the test possible, ST2 pushes. Table 1 gives the typical change alone (0.3, 0.3 and
    # 1.5 g): a third to twice of it is our own limit.
    SELF_TEST = SelfTest(
        ((_ODR, RATE_CODE[125]), (_TEST, _TEST_ENABLED)),
        ((_TEST, _TEST_ENABLED | _FORCE),),
        100,
        1,
        ((0.1, 0.6), (0.1, 0.6), (0.5, 3.0)),
    )

    def prepare(self) -> None:
        self._read_levels, self._levels = self._registers.reader(_STATUS, 2)
        self._answer = bytearray((_FRAMES + 1) * _FRAME_BYTES)

    def settings(self) -> "Settings":
        return (
            (_POWER, _STANDBY),
            (_ODR, RATE_CODE[self.rate_hz]),
            (_RANGE, _8_G),
            (_POWER, _MEASURE),
        )

    def standby(self) -> "Settings":
        return ((_POWER, _STANDBY),)

    def start(self) -> "Iterator[int]":
        """Resets until the trim registers come back whole, configures, begins to measure."""
        trim = self._trim()
        for _ in range(_RESET_ATTEMPTS):
            self._registers.write(_RESET, _RESET_CODE)
            yield 5
            if self._trim() == trim:
                break
        else:
            raise SensorFault(
                self.CHIP, "its trim registers back after a reset", "others", "the supply"
            )
        yield from super().start()

    def _trim(self) -> "list[int]":
        return [self._registers.read(register) for register in _SHADOW]

    def recognise(self) -> None:
        """On SPI its trim registers first: their number has the bit that others read by, too.

        Where all read the same there is no such chip, and its id, a write for others, is not asked.
        """
        if self._address is None:
            read, trim = self._registers.reader(_SHADOW[0], len(_SHADOW))
            read()  # one burst: where an ADXL345 is, its address stays and all bytes are the same
            if min(trim) == max(trim):
                raise SensorFault(
                    self.CHIP,
                    "trim registers of its own",
                    f"0x{trim[0]:02x}",
                    self._registers.read_wires,
                )
        self.identify()

    def drain_into(self, buffer: "Any") -> "Drained":
        """Moves whole frames, oldest first, into `buffer`, by one burst."""
        self._read_levels()
        status, words = self._levels
        lost = bool(status & _FIFO_OVERRUN)
        frames = self._level_checked(words // 3, _FRAMES)
        if not frames:
            return Drained(0, 0, lost)
        size = frames * _FRAME_BYTES
        answer = memoryview(self._answer)
        self._registers.read_into(_FIFO_DATA, answer, size)
        begin = _WORD_BYTES * self._words_before_x(size)
        if begin:
            lost = True
            self._registers.read_into(_FIFO_DATA, answer[size:], begin)
        buffer[:size] = answer[begin : begin + size]
        return Drained(frames, frames, lost)

    def _words_before_x(self, size: int) -> int:
        """How many words of a torn frame stand before the first x; 0 as it should be."""
        for word in range(min(3, size // _WORD_BYTES)):
            if self._answer[word * _WORD_BYTES + 2] & _X_MARK:
                return word
        return 0


DRIVER = Adxl355
