"""MCP9600 and MCP9601 thermocouple converters, Microchip datasheet DS20005426. I2C, 10 to 100 kHz.

Hot and cold junction, 16 bits of 0.0625 degC, three conversions a second at 18 bits. The chip
stretches the clock: on a Raspberry Pi it wants an i2c-gpio bus of its own. Each register is read by
its own transfer. The MCP9601 has an id of its own and also tells a shorted thermocouple.
"""

from drivers.device import Channel, Check, Drained, Field, Layout
from drivers.driver import Driver

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from drivers.driver import Settings

_HOT, _COLD, _STATUS = 0x00, 0x02, 0x04
_ID = 0x20
_FRAME_BYTES = 5

_TYPE_CODE = {"K": 0, "J": 1, "T": 2, "N": 3, "S": 4, "E": 5, "B": 6, "R": 7}  # Register 5-5
_TYPE = Field("type", 0x05, 4, 3)
_FILTER = Field("filter", 0x05, 0, 3)
_CONFIG = Field("config", 0x06, 0, 8)
_18_BITS_NORMAL = 0x00


def _layout(*more: "Check") -> "Layout":
    """A frame, its faults and what one of the two chips has `more` of them."""
    return Layout(
        _FRAME_BYTES,
        (
            Channel("hot", "degc", 0, 2, "big", 0, 16, 0.0625, 0, 1),
            Channel("cold", "degc", 2, 2, "big", 0, 16, 0.0625, 0, 1),
        ),
        more
        + (Check(4, 0x10, (0,), "failure", "thermocouple open or out of range: check its wires"),),
        None,
        None,
    )


class Mcp9600(Driver):
    """`bus`: an I2C bus, `address` on it. Options: the type of `thermocouple`."""

    CHIP = "mcp9600"
    MEASURES = "temperature"
    RATES_HZ = (3,)
    ADDRESSES = (0x67, 0x66, 0x65, 0x64, 0x63, 0x62, 0x61, 0x60)
    SPEED_HZ_MAX = I2C_HZ_MAX = 100_000
    STRETCHES_CLOCK = True  # while it converts: a master must wait for it
    WIRE_BITS = (135, None, 0)  # three reads of 2, 2 and 1 bytes
    OPTIONS = {"thermocouple": ("K", "J", "T", "N", "S", "E", "B", "R")}
    IDS = ((_ID, 0x40),)
    START_MS = 320  # a conversion of 18 bits (Table 5-3)

    layout = _layout(
        Check(4, 0x20, (0,), "check", "a bit that is always 0 reads 1: check SDA, or it is mcp9601")
    )

    def settings(self) -> "Settings":
        return (
            (_FILTER, 0),
            (_TYPE, _TYPE_CODE[self.options["thermocouple"]]),
            (_CONFIG, _18_BITS_NORMAL),
        )

    def drain_into(self, buffer: "Any") -> "Drained":
        """The latest conversion as one frame."""
        view = memoryview(buffer)
        self._bus.readfrom_mem_into(self._address, _HOT, view[0:2])
        self._bus.readfrom_mem_into(self._address, _COLD, view[2:4])
        self._bus.readfrom_mem_into(self._address, _STATUS, view[4:5])
        return Drained(1, 1, False)


class Mcp9601(Mcp9600):
    """The same with one fault more."""

    CHIP = "mcp9601"
    IDS = ((_ID, 0x41),)
    layout = _layout(Check(4, 0x20, (0,), "failure", "thermocouple shorted: check its insulation"))


DRIVER = Mcp9600
VARIANTS = (Mcp9601,)
