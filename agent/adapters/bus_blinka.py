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

    def __init__(self, settings: "Any") -> None:
        self._settings = settings
        self._i2c = BlinkaI2c()

    def device(self, sensor: "Any", chip: "Any", address: "int | None") -> "Any":
        if address is not None:
            return self._i2c
        speed_hz = min(self._settings.speed_hz, chip.speed_hz_max)
        return BlinkaSpi(sensor.chip_select, chip.spi_mode, speed_hz)


class BlinkaI2c:
    """The I2C port over `busio.I2C`."""

    def __init__(self) -> None:
        self._bus: "Any" = None

    def readfrom_mem_into(self, address: int, register: int, buffer: "Any") -> None:
        self._opened().writeto_then_readfrom(address, bytes((register,)), buffer)

    def writeto_mem(self, address: int, register: int, buffer: "Any") -> None:
        self._opened().writeto(address, bytes((register, *buffer)))

    def _opened(self) -> "Any":
        if self._bus is None:
            board, busio, _ = _imported()
            bus = busio.I2C(board.SCL, board.SDA)
            if not bus.try_lock():
                raise OSError(errno.EBUSY, "Blinka's I2C bus is locked by another")
            self._bus = bus
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

    def _opened(self) -> "Any":
        if self._bus is None:
            board, busio, digitalio = _imported()
            name = f"CE{self._chip_select}"
            if not hasattr(board, name):
                raise OSError(errno.ENODEV, f"this board has no pin {name}")
            pin = digitalio.DigitalInOut(getattr(board, name))
            pin.switch_to_output(value=True)
            bus = busio.SPI(board.SCK, board.MOSI, board.MISO)
            if not bus.try_lock():
                raise OSError(errno.EBUSY, "Blinka's SPI bus is locked by another")
            bus.configure(baudrate=self._speed_hz, polarity=self._mode >> 1, phase=self._mode & 1)
            self._bus, self._pin = bus, pin
        return self._bus


def _imported() -> "tuple[Any, Any, Any]":
    try:
        import board
        import busio
        import digitalio
    except (ImportError, NotImplementedError, RuntimeError, AttributeError) as error:
        raise OSError(errno.ENODEV, f"Blinka does not know this board ({error})")
    return board, busio, digitalio
