"""I2C and SPI through Adafruit Blinka, for boards that Linux's own nodes do not reach.

Blinka detects the board when it is imported and refuses an unknown one, so it is imported late: an
error of it is a bus that failed (OSError), as with the other buses.
"""

import errno

from agent.ports import BusFault

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any


NO_SELECT_TXT = "dtoverlay=spi0-0cs"  # leaves CE0 and CE1 to whoever asks for them
_CURES = {errno.ENOENT: "dtparam=i2c_arm=on, dtparam=spi=on", errno.EACCES: "gpio, i2c, spi"}


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
        select = f"CE{sensor.chip_select}"
        self._opened.append(BlinkaSpi(select, chip.spi_mode, speed_hz))
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
        self._transfer("writeto_then_readfrom", address, bytes((register,)), buffer)

    def writeto_mem(self, address: int, register: int, buffer: "Any") -> None:
        self._transfer("writeto", address, bytes((register, *buffer)))

    def _transfer(self, call: str, address: int, *buffers: "Any") -> None:
        bus = self._opened()
        try:
            getattr(bus, call)(address, *buffers)
        except OSError as error:
            raise _fault(error, f"Blinka's I2C 0x{address:02x}")

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
    """The SPI port over `busio.SPI`; `chip_select`: the pin's name in `board`."""

    def __init__(self, chip_select: str, mode: int, speed_hz: int) -> None:
        self._chip_select = chip_select
        self._mode = mode
        self._speed_hz = speed_hz
        self._bus: "Any" = None
        self._pin: "Any" = None

    def write_readinto(self, write_buffer: "Any", read_buffer: "Any") -> None:
        bus = self._opened()
        try:
            self._pin.value = False
            try:
                bus.write_readinto(write_buffer, read_buffer)
            finally:
                self._pin.value = True
        except OSError as error:
            raise _fault(error, f"Blinka's SPI {self._chip_select}")

    def close(self) -> None:
        """The next transfer opens bus and pin anew."""
        bus, self._bus = self._bus, None
        if bus is not None:
            bus.deinit()
            self._pin.deinit()

    def _opened(self) -> "Any":
        if self._bus is None:
            self._bus, self._pin = _made(_spi, self._chip_select)
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
    except OSError as error:
        if error.errno == errno.EBUSY and arguments:
            text = f"{arguments[0]} belongs to the SPI driver ({NO_SELECT_TXT} in config.txt?)"
            raise BusFault(errno.EBUSY, text, f"Blinka's SPI {arguments[0]}", NO_SELECT_TXT)
        raise _fault(error, "Blinka's bus")
    except (ImportError, NotImplementedError, RuntimeError, AttributeError, ValueError) as error:
        text = f"Blinka does not have this bus on this board ({error})"
        raise BusFault(errno.ENODEV, text, "Blinka's bus")


def _fault(error: "OSError", place: str) -> "BusFault":
    number = error.errno or errno.EIO
    return BusFault(number, f"{place}: {error.strerror or error}", place, _CURES.get(number, ""))
