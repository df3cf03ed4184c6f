"""MCP9600 and MCP9601 thermocouple converters, Microchip datasheet DS20005426. I2C, 10 to 100 kHz.

Hot and cold junction, 16 bits of 0.0625 degC, three conversions a second at 18 bits. The chip
stretches the clock: on a Raspberry Pi it wants an i2c-gpio bus of its own. Each register is read by
its own transfer. The MCP9601 also tells an open and a shorted thermocouple.
"""

from drivers.device import (
    Channel,
    Check,
    Drained,
    Field,
    I2cRegisters,
    Layout,
    expect_id,
    put,
    still_set,
)

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_HOT, _COLD, _STATUS = 0x00, 0x02, 0x04
_ID = 0x20
_EXPECTED_IDS = (0x40, 0x41)
_FRAME_BYTES = 5
_CONVERSION_MS = 320  # 18 bits (Table 5-3)

TYPE_CODE = {"K": 0, "J": 1, "T": 2, "N": 3, "S": 4, "E": 5, "B": 6, "R": 7}  # Register 5-5
_TYPE = Field("type", 0x05, 4, 3)
_FILTER = Field("filter", 0x05, 0, 3)
_CONFIG = Field("config", 0x06, 0, 8)
_18_BITS_NORMAL = 0x00


class Mcp9600:
    """`bus`: an I2C bus, `address` on it. `thermocouple`: a key of TYPE_CODE."""

    CHIP = "mcp9600"
    MEASURES = "temperature"
    RATES_HZ = (3,)
    ADDRESSES = (0x67, 0x66, 0x65, 0x64, 0x63, 0x62, 0x61, 0x60)
    RANGE_G = None
    SPI_MODE = None
    SPEED_HZ_MAX = 100_000
    STRETCHES_CLOCK = True  # while it converts: a master must wait for it
    WIRE_BITS = (135, None, 0)  # three reads of 2, 2 and 1 bytes

    layout = Layout(
        _FRAME_BYTES,
        (
            Channel("hot", "degc", 0, 2, "big", 0, 16, 0.0625, 0),
            Channel("cold", "degc", 2, 2, "big", 0, 16, 0.0625, 0),
        ),
        (
            Check(4, 0x20, (0,), "failure", "thermocouple shorted: check its insulation"),
            Check(
                4, 0x10, (0,), "failure", "thermocouple open or out of range: check its two wires"
            ),
        ),
    )
    fifo_frames = 1

    def __init__(
        self,
        bus: "Any",
        rate_hz: int,
        address: "int | None" = None,
        thermocouple: str = "K",
    ) -> None:
        if rate_hz not in self.RATES_HZ or address is None:
            raise ValueError(f"rate_hz: {rate_hz} at {address} is not 3 on I2C, as mcp9600 needs")
        if thermocouple not in TYPE_CODE:
            raise ValueError(
                f"thermocouple: {thermocouple} is not one of {' '.join(sorted(TYPE_CODE))}"
            )
        self.rate_hz = rate_hz
        self._bus = bus
        self._address = address
        self._type = TYPE_CODE[thermocouple]
        self._registers = I2cRegisters(self.CHIP, bus, address)

    def identify(self) -> None:
        """SensorFault when something else, or nothing, answers."""
        expect_id(self._registers, _ID, _EXPECTED_IDS)

    def start(self) -> "Iterator[int]":
        """Configures; yields the milliseconds until the first conversion is done."""
        put(self._registers, _TYPE, self._type)
        put(self._registers, _FILTER, 0)
        put(self._registers, _CONFIG, _18_BITS_NORMAL)
        yield _CONVERSION_MS

    def drain_into(self, buffer: "Any") -> "Drained":
        """The latest conversion as one frame."""
        view = memoryview(buffer)
        self._bus.readfrom_mem_into(self._address, _HOT, view[0:2])
        self._bus.readfrom_mem_into(self._address, _COLD, view[2:4])
        self._bus.readfrom_mem_into(self._address, _STATUS, view[4:5])
        return Drained(1, 1, False)

    def verify(self) -> None:
        """SensorFault when the chip is no longer set as it was."""
        still_set(self._registers, ((_TYPE, self._type), (_CONFIG, _18_BITS_NORMAL)))

    def stop(self) -> None:
        """Its conversions cost next to nothing: it is left running."""


DRIVER = Mcp9600
