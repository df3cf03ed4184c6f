"""MAX31856 thermocouple-to-digital converter, Maxim datasheet 19-7534. SPI mode 1 or 3, to 5 MHz.

Linearised for eight thermocouple types, 19 bits of 2^-7 degC, with open and over-voltage detection.
Address and data are one chip-selected transfer: cold junction, hot junction and fault register are
read together from 0x0A.
"""

from drivers.device import (
    Channel,
    Check,
    Drained,
    Field,
    Layout,
    SensorFault,
    SpiRegisters,
    put,
    still_set,
)

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_CJTH = 0x0A
_FRAME_BYTES = 7  # the command's echo, cold junction (2), hot junction (3), fault status
_SPI_WRITE = 0x80
_CONVERSION_MS = 100  # automatic mode, 60 Hz filter: 82 ms; 50 Hz: 98 ms

TYPE_CODE = {"B": 0, "E": 1, "J": 2, "K": 3, "N": 4, "R": 5, "S": 6, "T": 7}  # Table 7
MAINS_CODE = {60: 0, 50: 1}
_MODE = Field("cr0", 0x00, 0, 8)
_TYPE = Field("cr1", 0x01, 0, 8)
_MASK = Field("mask", 0x02, 0, 8)
_COLD_OFFSET = 0x09
_AUTOMATIC = 0x80
_OPEN_DETECTION = 0x10  # for leads below 5 kOhm (Table 4)
_MASK_NONE = 0x00


class _WriteBitRegisters(SpiRegisters):
    """SPI as this chip has it: bit 7 set to write."""

    def write_code(self, register: int) -> int:
        return _SPI_WRITE | register


class Max31856:
    """`bus`: an SPI device. `thermocouple`: a key of TYPE_CODE; `mains_hz`: 50 or 60."""

    CHIP = "max31856"
    MEASURES = "temperature"
    RATES_HZ = (10,)
    ADDRESSES = ()
    RANGE_G = None
    SPI_MODE = 1
    SPEED_HZ_MAX = 5_000_000
    WIRE_BITS = (None, 56, 0)  # 7 bytes

    layout = Layout(
        _FRAME_BYTES,
        (
            Channel("hot", "degc", 3, 3, "big", 5, 19, 2**-7, 0),
            Channel("cold", "degc", 1, 2, "big", 2, 14, 2**-6, 0),
        ),
        (
            Check(2, 0x03, (0,), "check", "bits that are always 0 read 1: check MISO and CS"),
            Check(5, 0x1F, (0,), "check", "bits that are always 0 read 1: check MISO and CS"),
            Check(6, 0x01, (0,), "failure", "thermocouple open: check its two wires"),
            Check(6, 0x02, (0,), "failure", "over or under voltage: check for a live part"),
            Check(6, 0x40, (0,), "out_of_spec", "hot junction outside the thermocouple's range"),
            Check(6, 0x80, (0,), "out_of_spec", "cold junction outside -55 to 125 degC"),
        ),
    )
    fifo_frames = 1

    def __init__(
        self,
        bus: "Any",
        rate_hz: int,
        address: "int | None" = None,
        thermocouple: str = "K",
        mains_hz: int = 60,
    ) -> None:
        if rate_hz not in self.RATES_HZ or address is not None:
            raise ValueError(f"rate_hz: {rate_hz} at {address} is not 10 on SPI, as max31856 needs")
        if thermocouple not in TYPE_CODE or mains_hz not in MAINS_CODE:
            raise ValueError(
                f"thermocouple: {thermocouple} at {mains_hz} Hz is not one of"
                f" {' '.join(sorted(TYPE_CODE))} at 50 or 60"
            )
        self.rate_hz = rate_hz
        self._bus = bus
        self._type = TYPE_CODE[thermocouple]
        self._mains = MAINS_CODE[mains_hz]
        self._registers = _WriteBitRegisters(self.CHIP, bus, 0)
        self._command = bytearray(_FRAME_BYTES)
        self._command[0] = _CJTH

    def identify(self) -> None:
        """It has no id: a register that is written and read back is its proof."""
        for value in (0x5A, 0x00):
            self._registers.write(_COLD_OFFSET, value)
            found = self._registers.read(_COLD_OFFSET)
            if found != value:
                raise SensorFault(
                    self.CHIP,
                    f"register 0x{_COLD_OFFSET:02x} to hold 0x{value:02x}",
                    f"0x{found:02x}",
                    "MISO, MOSI, CS and the supply",
                )

    def start(self) -> "Iterator[int]":
        """Configures automatic conversion; yields the milliseconds until the first is done."""
        put(self._registers, _MODE, self._mains)  # the filter may change only while it stands
        put(self._registers, _TYPE, self._type)
        put(self._registers, _MASK, _MASK_NONE)
        put(self._registers, _MODE, _AUTOMATIC | _OPEN_DETECTION | self._mains)
        yield 2 * _CONVERSION_MS

    def drain_into(self, buffer: "Any") -> "Drained":
        """The latest conversion as one frame."""
        self._bus.write_readinto(self._command, memoryview(buffer)[:_FRAME_BYTES])
        return Drained(1, 1, False)

    def verify(self) -> None:
        """SensorFault when it is no longer set as it was: it would give one value for ever."""
        mode = _AUTOMATIC | _OPEN_DETECTION | self._mains
        still_set(self._registers, ((_TYPE, self._type), (_MODE, mode)))

    def stop(self) -> None:
        """Conversion off."""
        put(self._registers, _MODE, self._mains)


DRIVER = Max31856
