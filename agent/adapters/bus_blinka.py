"""I2C and SPI through Adafruit Blinka, for boards that Linux's own nodes do not reach.

Blinka detects the board when it is imported and refuses an unknown one, so it is imported late: an
error of it is a bus that failed (OSError), as with the other buses.
"""

import errno

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any


def open_bus(settings: "Any", plant: "Any", clock: "Any") -> "BlinkaBus":
    """`settings`: agent.config.Bus of kind blinka_i2c or blinka_spi."""
    return BlinkaBus(settings)


class BlinkaBus:
    """Gives each sensor its device: the shared I2C bus, or SPI with a chip-select pin."""

    has_clock_line = False  # Blinka gives no way to the pins of a bus that it has

    def __init__(self, settings: "Any") -> None:
        self._settings = settings
        self._i2c = BlinkaI2c()
        self._opened: "list[Any]" = [self._i2c]

    def device(self, sensor: "Any", chip: "Any", address: "int | None") -> "Any":
        if address is not None:
            return self._i2c
        speed_hz = min(self._settings.speed_hz, chip.speed_hz_max)
        self._opened.append(BlinkaSpi(sensor.chip_select, chip.spi_mode, speed_hz))
        return self._opened[-1]

    def clocks(self) -> None:
        """Never called: see `has_clock_line`."""

    def reopen(self) -> None:
        for one in self._opened:
            one.close()


class BlinkaI2c:
    """The I2C port over `busio.I2C`."""

    def __init__(self) -> None:
        self._bus: "Any" = None

    def readfrom_mem_into(self, address: int, register: int, buffer: "Any") -> None:
        self._opened().writeto_then_readfrom(address, bytes((register,)), buffer)

    def writeto_mem(self, address: int, register: int, buffer: "Any") -> None:
        self._opened().writeto(address, bytes((register, *buffer)))

    def close(self) -> None:
        """The next transfer opens the bus anew."""
        bus, self._bus = self._bus, None
        if bus is not None:
            bus.deinit()

    def _opened(self) -> "Any":
        if self._bus is None:
            self._bus = _made(_i2c)
        return self._bus


class BlinkaSpi:
    """The SPI port over `busio.SPI`, chip select by pin CE0 or CE1."""

    def __init__(self, chip_select: int, mode: int, speed_hz: int) -> None:
        self._chip_select = chip_select
        self._mode = mode
        self._speed_hz = speed_hz
        self._bus: "Any" = None
        self._pin: "Any" = None

    def write_readinto(self, write_buffer: "Any", read_buffer: "Any") -> None:
        bus = self._opened()
        self._pin.value = False
        try:
            bus.write_readinto(write_buffer, read_buffer)
        finally:
            self._pin.value = True

    def close(self) -> None:
        """The next transfer opens bus and pin anew."""
        bus, self._bus = self._bus, None
        if bus is not None:
            bus.deinit()
            self._pin.deinit()

    def _opened(self) -> "Any":
        if self._bus is None:
            self._bus, self._pin = _made(_spi, f"CE{self._chip_select}")
            self._bus.configure(
                baudrate=self._speed_hz, polarity=self._mode >> 1, phase=self._mode & 1
            )
        return self._bus


def _i2c() -> "Any":
    import board
    import busio

    return _locked(busio.I2C(board.SCL, board.SDA))


def _spi(chip_select: str) -> "tuple[Any, Any]":
    import board
    import busio
    import digitalio

    pin = digitalio.DigitalInOut(getattr(board, chip_select))
    pin.switch_to_output(value=True)
    return _locked(busio.SPI(board.SCK, board.MOSI, board.MISO)), pin


def _locked(bus: "Any") -> "Any":
    if not bus.try_lock():
        raise OSError(errno.EBUSY, "Blinka's bus is locked by another")
    return bus


def _made(make: "Any", *arguments: str) -> "Any":
    """What `make` gives; whatever Blinka says of a board or a pin it has not is an OSError."""
    try:
        return make(*arguments)
    except (ImportError, NotImplementedError, RuntimeError, AttributeError, ValueError) as error:
        raise OSError(errno.ENODEV, f"Blinka does not have this bus on this board ({error})")
