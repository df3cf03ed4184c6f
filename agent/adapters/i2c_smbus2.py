"""I2C through Linux's i2c-dev, by smbus2. Blocks: called from the bus's own thread only.

Opened at the first transfer and again after an error, so that a bus that is not there yet, or hung,
is a sensor's fault that passes, not the end of the agent.
"""

import errno
import os

from smbus2 import SMBus, i2c_msg

from agent.ports import BusFault

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any


ARM_I2C = "dtparam=i2c_arm=on"
CONFIG_TXT = "dtoverlay=i2c-gpio,bus={number},i2c_gpio_sda=23,i2c_gpio_scl=24"
WORDS = {  # what each errno of a transfer means on the wire
    errno.ETIMEDOUT: "timed out: something holds SDA or SCL low, or a chip stretches the clock",
    errno.EIO: "failed in mid-transfer: check the cable, its length and the pull-ups",
    errno.EAGAIN: "lost arbitration: check SDA for a short, the pull-ups, a second master",
    errno.EOPNOTSUPP: "this board's driver cannot make this transfer",
    errno.EINVAL: "this board's driver refuses this transfer",
}


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
        bus = self._opened()
        try:
            bus.i2c_rdwr(*messages)
        except OSError as error:
            self.reopen()
            number = error.errno or errno.EIO
            node = f"/dev/i2c-{self._number}"
            if number in (errno.EREMOTEIO, errno.ENXIO):  # the latter is i2c-gpio's
                text = f"{node}: nothing answers at 0x{address:02x} (SDA, SCL, supply, address?)"
            else:
                text = f"{node}: {WORDS.get(number, os.strerror(number))} (0x{address:02x})"
            raise BusFault(number, text, f"{node} 0x{address:02x}")

    def _opened(self) -> "Any":
        if self._bus is None:
            node = f"/dev/i2c-{self._number}"
            try:
                self._bus = SMBus(self._number)
            except OSError as error:
                if error.errno == errno.EACCES:
                    text = f"{node} may not be opened (is the user in the group i2c?)"
                    raise BusFault(errno.EACCES, text, node, "i2c")
                cure = CONFIG_TXT.format(number=self._number) if self._number > 1 else ARM_I2C
                text = f"{node} is not there ({cure} in config.txt?)"
                raise BusFault(errno.ENOENT, text, node, cure)
        return self._bus

    def reopen(self) -> None:
        bus, self._bus = self._bus, None
        if bus is not None:
            bus.close()
