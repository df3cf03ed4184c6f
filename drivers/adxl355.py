"""ADXL355 accelerometer, Analog Devices datasheet rev. B. SPI mode 0 up to 10 MHz, or I2C.

±8 g, 20 bits, FIFO of 96 words, three a frame. FIFO_DATA does not advance its address: one burst
reads words of 24 bits, left-justified; bit 0 of a word marks x, bit 1 an empty FIFO. Frames begin
at x: what does not is dropped and said to be lost.
"""

from drivers.device import (
    Channel,
    Check,
    Drained,
    Field,
    I2cRegisters,
    Layout,
    SensorFault,
    expect_id,
    put,
    still_set,
)

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from drivers.device import Registers

_IDS = ((0x00, 0xAD), (0x01, 0x1D), (0x02, 0xED))  # vendor, family, part
_STATUS = 0x04
_FIFO_OVERRUN = 0x04
_FIFO_ENTRIES = 0x05
_FIFO_DATA = 0x11
_RESET, _RESET_CODE = 0x2F, 0x52
_SHADOW = (0x50, 0x51, 0x52, 0x53, 0x54)
_RESET_ATTEMPTS = 5
_X_MARK = 0x01

RATE_CODE = {125: 5, 250: 4, 500: 3, 1000: 2, 2000: 1, 4000: 0}  # Table 44
_ODR = Field("odr", 0x28, 0, 4)
_RANGE = Field("range", 0x2C, 0, 2)
_POWER = Field("power", 0x2D, 0, 3)
_8_G = 3
_STANDBY, _MEASURE = 1, 0
_G_PER_COUNT = 1 / 64000  # ±8 g (Table 1)

_WORD_BYTES = 3
_FRAME_BYTES = 9
_FRAMES = 32


def _axis(name: str, offset: int) -> "Channel":
    return Channel(name, "g", offset, 3, "big", 4, 20, _G_PER_COUNT, 0)


class _ShiftedRegisters:
    """SPI as this chip has it: the address in bits 7:1, bit 0 set to read."""

    read_wires = "MISO, CS and the supply"
    write_wires = "MOSI, SCK and the bus speed"

    def __init__(self, chip: str, bus: "Any") -> None:
        self.chip = chip
        self._bus = bus
        self._out = bytearray(2)
        self._in = bytearray(2)

    def read(self, register: int) -> int:
        self._transfer(register << 1 | 1, 0)
        return self._in[1]

    def write(self, register: int, value: int) -> None:
        self._transfer(register << 1, value)

    def _transfer(self, first: int, second: int) -> None:
        self._out[0] = first
        self._out[1] = second
        self._bus.write_readinto(self._out, self._in)


class Adxl355:
    """`bus`: an SPI device, or an I2C bus when `address` is given. `rate_hz`: in RATE_CODE."""

    CHIP = "adxl355"
    MEASURES = "vibration"
    RATES_HZ = tuple(sorted(RATE_CODE))
    ADDRESSES = (0x1D, 0x53)
    RANGE_G = 8.192
    SPI_MODE = 0
    SPEED_HZ_MAX = 10_000_000
    WIRE_BITS = (85, 74, 0)  # a burst of 9 bytes a frame and its share of the addressing

    layout = Layout(
        _FRAME_BYTES,
        (_axis("x", 0), _axis("y", 3), _axis("z", 6)),
        (
            Check(2, 0x03, _X_MARK, "check", "a frame does not begin at x: check the clock line"),
            Check(5, 0x03, 0, "check", "a frame is torn at y: check the clock line"),
            Check(8, 0x03, 0, "check", "a frame is torn at z: check the clock line"),
        ),
    )
    fifo_frames = _FRAMES

    def __init__(self, bus: "Any", rate_hz: int, address: "int | None" = None) -> None:
        if rate_hz not in RATE_CODE:
            raise ValueError(f"rate_hz: {rate_hz} is not a rate of adxl355 {self.RATES_HZ}")
        self.rate_hz = rate_hz
        self._bus = bus
        self._address = address
        self._registers: Registers = (
            _ShiftedRegisters(self.CHIP, bus)
            if address is None
            else I2cRegisters(self.CHIP, bus, address)
        )
        longest = 1 + (_FRAMES + 1) * _FRAME_BYTES
        self._command = bytearray(longest)
        self._command[0] = _FIFO_DATA << 1 | 1
        self._answer = bytearray(longest)

    def identify(self) -> None:
        """SensorFault when something else, or nothing, answers."""
        for register, expected in _IDS:
            expect_id(self._registers, register, (expected,))

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
        for field, value in (
            (_POWER, _STANDBY),
            (_RANGE, _8_G),
            (_ODR, RATE_CODE[self.rate_hz]),
            (_POWER, _MEASURE),
        ):
            put(self._registers, field, value)
        yield 10  # turn-on time (Table 1)

    def _trim(self) -> "list[int]":
        return [self._registers.read(register) for register in _SHADOW]

    def drain_into(self, buffer: "Any") -> "Drained":
        """Moves whole frames, oldest first, into `buffer`, by one burst."""
        lost = bool(self._registers.read(_STATUS) & _FIFO_OVERRUN)
        frames = self._registers.read(_FIFO_ENTRIES) // 3
        if frames > _FRAMES:
            raise SensorFault(
                self.CHIP,
                f"at most {_FRAMES} frames in the FIFO",
                f"{frames}",
                self._registers.read_wires,
            )
        if not frames:
            return Drained(0, 0, lost)
        size = frames * _FRAME_BYTES
        self._burst(size)
        astray = self._words_before_x(size)
        if astray:
            lost = True
            self._burst_after(size, astray * _WORD_BYTES)
        begin = 1 + astray * _WORD_BYTES
        buffer[:size] = memoryview(self._answer)[begin : begin + size]
        return Drained(frames, frames, lost)

    def _words_before_x(self, size: int) -> int:
        """How many words of a torn frame stand before the first x; 0 as it should be."""
        for word in range(min(3, size // _WORD_BYTES)):
            if self._answer[1 + word * _WORD_BYTES + 2] & _X_MARK:
                return word
        return 0

    def _burst(self, size: int) -> None:
        self._burst_after(0, size)

    def _burst_after(self, held: int, size: int) -> None:
        """Reads `size` bytes of the FIFO behind the `held` bytes that are already there."""
        answer = memoryview(self._answer)
        if self._address is not None:
            target = answer[1 + held : 1 + held + size]
            self._bus.readfrom_mem_into(self._address, _FIFO_DATA, target)
            return
        last = answer[held]
        self._bus.write_readinto(
            memoryview(self._command)[: 1 + size], answer[held : 1 + held + size]
        )
        answer[held] = last

    def verify(self) -> None:
        """SensorFault when the chip is no longer set as it was."""
        still_set(self._registers, ((_RANGE, _8_G), (_POWER, _MEASURE)))

    def stop(self) -> None:
        """Back to standby."""
        put(self._registers, _POWER, _STANDBY)


DRIVER = Adxl355
