"""MAX31856 thermocouple-to-digital converter, Maxim datasheet 19-7534. SPI mode 1 or 3, to 5 MHz.

Linearised for eight thermocouple types, 19 bits of 2^-7 degC, with open and over-voltage detection.
Address and data are one chip-selected transfer: cold junction, hot junction and fault register are
read together from 0x0A.
"""

from drivers.device import Channel, Check, Drained, Field, Layout, SensorFault, SpiRegisters
from drivers.driver import Driver

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from drivers.driver import Settings

_CJTH = 0x0A
_FRAME_BYTES = 7  # the command's echo, cold junction (2), hot junction (3), fault status
_SPI_WRITE = 0x80

_TYPE_CODE = {"B": 0, "E": 1, "J": 2, "K": 3, "N": 4, "R": 5, "S": 6, "T": 7}  # Table 7
_MAINS_CODE = {60: 0, 50: 1}
_MODE = Field("cr0", 0x00, 0, 8)
_TYPE = Field("cr1", 0x01, 0, 8)
_MASK = Field("mask", 0x02, 0, 8)
_COLD_OFFSET = 0x09
_AUTOMATIC = 0x80
_OPEN_DETECTION = 0x10  # for leads below 5 kOhm (Table 4)
_MASK_NONE = 0x00
_THRESHOLDS_AT = 0x03
_THRESHOLD_BYTES = 6  # CJHF to LTLFTL: 7F C0 7F FF 80 00 after power-on (Table 6)


class _WriteBitRegisters(SpiRegisters):
    """SPI as this chip has it: bit 7 set to write."""

    def write_code(self, register: int) -> int:
        return _SPI_WRITE | register


class Max31856(Driver):
    """`bus`: an SPI device. Options: the type of `thermocouple`, the `mains_hz` to filter."""

    CHIP = "max31856"
    MEASURES = "temperature"
    RATES_HZ = (10,)
    SPI_MODE = 1
    SPEED_HZ_MAX = 5_000_000
    WIRE_BITS = (None, 56, 0)  # 7 bytes

    layout = Layout(
        _FRAME_BYTES,
        (
            Channel("hot", "degc", 3, 3, "big", 5, 19, 2**-7, 0, 1),
            Channel("cold", "degc", 1, 2, "big", 2, 14, 2**-6, 0, 1),
        ),
        (
            Check(2, 0x03, (0,), "check", "bits that are always 0 read 1: check MISO and CS"),
            Check(5, 0x1F, (0,), "check", "bits that are always 0 read 1: check MISO and CS"),
            Check(6, 0x01, (0,), "failure", "thermocouple open: check its two wires"),
            Check(6, 0x02, (0,), "failure", "over or under voltage: check for a live part"),
            Check(6, 0x40, (0,), "out_of_spec", "hot junction outside the thermocouple's range"),
            Check(6, 0x80, (0,), "out_of_spec", "cold junction outside -55 to 125 degC"),
        ),
        None,
        None,
    )
    OPTIONS = {"thermocouple": ("K", "B", "E", "J", "N", "R", "S", "T"), "mains_hz": (60, 50)}
    SPI_READ = 0
    SPI_WRITES = (_SPI_WRITE, _SPI_WRITE)
    READ_ONLY = ((0x0F, 0x0F),)  # the fault status
    SPI_REGISTERS = _WriteBitRegisters
    START_MS = 200  # two conversions; automatic mode, 60 Hz filter: 82 ms; 50 Hz: 98 ms

    def prepare(self) -> None:
        self._mains = _MAINS_CODE[self.options["mains_hz"]]
        self._command = bytearray(_FRAME_BYTES)
        self._command[0] = _CJTH
        size = _THRESHOLDS_AT + _THRESHOLD_BYTES
        self._read_from_zero, self._from_zero = self._registers.reader(0x00, size)

    def settings(self) -> "Settings":
        """The filter may change only while conversion stands."""
        return (
            (_MODE, self._mains),
            (_MASK, _MASK_NONE),
            (_TYPE, _TYPE_CODE[self.options["thermocouple"]]),
            (_MODE, _AUTOMATIC | _OPEN_DETECTION | self._mains),
        )

    def standby(self) -> "Settings":
        return ((_MODE, self._mains),)

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

    def recognise(self) -> None:
        """By reading: where its alarm thresholds are a silent line reads the same byte throughout.

        An MAX31855 has sent its 32 bits by then and is silent, too.
        """
        self._read_from_zero()
        found = bytes(self._from_zero[_THRESHOLDS_AT:])
        if min(found) == max(found):
            raise SensorFault(
                self.CHIP,
                "alarm thresholds that differ",
                "0x" + "".join(f"{byte:02x}" for byte in found),
                "MISO, CS and the supply",
            )

    def drain_into(self, buffer: "Any") -> "Drained":
        """The latest conversion as one frame."""
        self._bus.write_readinto(self._command, memoryview(buffer)[:_FRAME_BYTES])
        return Drained(1, 1, False)


DRIVER = Max31856
