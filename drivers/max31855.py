"""MAX31855 thermocouple-to-digital converter, Maxim datasheet 19-5793. SPI mode 0, read only.

It has no registers: every transfer of four bytes is the latest conversion, big endian. Bits 31:18
the hot junction (signed, 0.25 degC), 17 zero, 16 fault, 15:4 the chip itself (signed, 0.0625 degC),
3 zero, 2 short to VCC, 1 short to GND, 0 open (Table 2). It converts ten times a second on its own.
"""

from drivers.device import Channel, Check, Drained, Layout, SensorFault, broken_check
from drivers.driver import Driver
from drivers.type_k import corrected

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

_FRAME_BYTES = 4
_SILENT = (b"\x00\x00\x00\x00", b"\xff\xff\xff\xff")


class Max31855(Driver):
    """`bus`: an SPI device. Each drain is one frame: the latest conversion.

    Option `linearisation`: type K by NIST ITS-90, or the straight line of the chip as it sends it.
    """

    CHIP = "max31855"
    MEASURES = "temperature"
    RATES_HZ = (10,)
    SPI_MODE = 0
    SPI_WRITES = None  # it does not listen
    WEAK_PROOF = True
    SPEED_HZ_MAX = 5_000_000
    WIRE_BITS = (None, 32, 0)  # 4 bytes

    layout = Layout(
        _FRAME_BYTES,
        (
            Channel("hot", "degc", 0, 4, "big", 18, 14, 0.25, 0, 1),
            Channel("cold", "degc", 0, 4, "big", 4, 12, 0.0625, 0, 1),
        ),
        (
            Check(1, 0x02, (0,), "check", "a bit that is always 0 reads 1: check MISO and CS"),
            Check(3, 0x08, (0,), "check", "a bit that is always 0 reads 1: check MISO and CS"),
            Check(3, 0x01, (0,), "failure", "thermocouple open: check its two wires"),
            Check(3, 0x02, (0,), "failure", "thermocouple shorted to ground: check its insulation"),
            Check(3, 0x04, (0,), "failure", "thermocouple shorted to the supply: check its wires"),
            Check(1, 0x01, (0,), "failure", "thermocouple fault without a cause"),
        ),
        None,
        corrected,
    )
    OPTIONS = {"linearisation": ("nist", "chip")}
    START_MS = 100  # 70 to 100 ms a conversion (Thermal characteristics)

    def prepare(self) -> None:
        if self.options["linearisation"] == "chip":
            frame_bytes, channels, checks, counter, _ = self.layout
            self.layout = Layout(frame_bytes, channels, checks, counter, None)
        self._nothing = bytearray(_FRAME_BYTES)

    def identify(self) -> None:
        """SensorFault when the line is silent; the chip has no id to read."""
        self._conversion()

    def recognise(self) -> None:
        """As `identify`; one byte four times is a chip or a line that repeats itself."""
        frame = self._conversion()
        if min(frame) == max(frame):
            self._refuse(frame)

    def _conversion(self) -> bytearray:
        frame = bytearray(_FRAME_BYTES)
        self._bus.write_readinto(self._nothing, frame)
        check = broken_check(frame, self.layout)
        if bytes(frame) in _SILENT or (check is not None and check.status == "check"):
            self._refuse(frame)
        return frame

    def _refuse(self, frame: bytearray) -> None:
        raise SensorFault(
            self.CHIP,
            "a conversion whose bits 17 and 3 are 0",
            "0x" + "".join(f"{byte:02x}" for byte in frame),
            "MISO, CS and the supply",
        )

    def drain_into(self, buffer: "Any") -> "Drained":
        """The latest conversion as one frame."""
        self._bus.write_readinto(self._nothing, memoryview(buffer)[:_FRAME_BYTES])
        return Drained(1, 1, False)


DRIVER = Max31855
