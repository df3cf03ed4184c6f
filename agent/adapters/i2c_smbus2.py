"""I2C through Linux's i2c-dev, by smbus2. Blocks: called from the bus's own thread only.

Opened at the first transfer and again after an error, so that a bus that is not there yet, or hung,
is a sensor's fault that passes, not the end of the agent.
"""

import errno

from smbus2 import SMBus, i2c_msg

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any


def open_bus(settings: "Any", plant: "Any", clock: "Any") -> "I2cSmbus2":
    """`settings`: agent.config.Bus; its number is that of /dev/i2c-N."""
    return I2cSmbus2(settings.number)


class I2cSmbus2:
    """The I2C port over /dev/i2c-`number`. OSError with the bus's errno and name."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._bus: "Any" = None

    def device(self, sensor: "Any", chip: "Any", address: "int | None") -> "I2cSmbus2":
        """All sensors of the bus share it; the address comes with each call."""
        return self

    def readfrom_mem_into(self, address: int, register: int, buffer: "Any") -> None:
        read = i2c_msg.read(address, len(buffer))
        self._transfer(address, i2c_msg.write(address, [register]), read)
        buffer[:] = bytes(read)

    def writeto_mem(self, address: int, register: int, buffer: "Any") -> None:
        self._transfer(address, i2c_msg.write(address, [register, *buffer]))

    def _transfer(self, address: int, *messages: "Any") -> None:
        try:
            if self._bus is None:
                self._bus = SMBus(self._number)
            self._bus.i2c_rdwr(*messages)
        except OSError as error:
            self.reopen()
            raise OSError(error.errno or errno.EIO, self._words(address, error))

    def _words(self, address: int, error: "OSError") -> str:
        place = f"/dev/i2c-{self._number}"
        if error.errno in (errno.ENOENT, errno.ENXIO):
            return f"{place} is not there (dtparam=i2c_arm=on in config.txt?)"
        if error.errno == errno.EREMOTEIO:
            return f"{place}: nothing answers at 0x{address:02x} (SDA, SCL, supply, address pin?)"
        return f"{place}: {error.strerror or error}"

    def reopen(self) -> None:
        bus, self._bus = self._bus, None
        if bus is not None:
            bus.close()
