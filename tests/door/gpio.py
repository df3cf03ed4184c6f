"""The GPIO character device behind the door (linux/gpio.h, version 2), and sysfs to bind drivers.

A line that is requested takes its pin away from the bus, and a released one stays a plain input:
only the bus's driver, bound anew, gives the pin back. So do pinctrl-bcm2835 and pinctrl-rp1.
"""

import struct
from collections.abc import Callable
from typing import Any

from hw.sim.wires import I2cWires

CHIP_INFO, LINE_INFO, GET_LINE, SET_CONFIG, GET_VALUES, SET_VALUES = 1, 5, 7, 13, 14, 15
OUTPUT = 1 << 3
EBUSY, EINVAL, ENODEV = 16, 22, 19
OFFSETS_BYTES, CONSUMER_BYTES, CONFIG_BYTES = 256, 32, 272
LINES = 54
CONFIG_AT = OFFSETS_BYTES + CONSUMER_BYTES
COUNT_AT = CONFIG_AT + CONFIG_BYTES
ATTRIBUTE_BYTES, OUTPUT_VALUES = 24, 2


class Line:
    """One line: what reads its level and what its output drives."""

    def __init__(
        self,
        read: Callable[[], int] = lambda: 1,
        drive: Callable[[int], None] = lambda level: None,
        taken: Callable[[], None] = lambda: None,
    ) -> None:
        self.read, self.drive, self.taken = read, drive, taken
        self.busy = False  # in the hands of a kernel driver, or of another request


class GpioNode:
    """/dev/gpiochipN with `label`; `lines`: those that lead anywhere."""

    def __init__(self, label: str, lines: dict[int, Line]) -> None:
        self._label = label.encode()
        self.lines = {offset: lines.get(offset, Line()) for offset in range(LINES)}

    def connect(self) -> "GpioRequest":
        return GpioRequest(self)

    def ioctl(self, number: int, body: bytes) -> bytes:
        if number == CHIP_INFO:
            return struct.pack("<32s32sI", b"gpiochip0", self._label, LINES)
        if number == LINE_INFO:
            offset = struct.unpack_from("<I", body, 64)[0]
            flags = 1 if self.lines[offset].busy else 0
            return body[:72] + struct.pack("<Q", flags) + body[80:]
        raise OSError(EINVAL, f"GPIO ioctl {number}")


class GpioRequest:
    """One open of the chip: perhaps lines that were requested, free again when it is closed."""

    def __init__(self, node: GpioNode) -> None:
        self._node = node
        self._lines: list[Line] = []
        self._outputs = 0

    def ioctl(self, number: int, body: bytes) -> bytes:
        if number == GET_LINE:
            return self._take(body)
        if number == SET_CONFIG:
            self._configure(body)
            return body
        if number == GET_VALUES:
            mask = struct.unpack_from("<Q", body, 8)[0]
            levels = sum(line.read() << place for place, line in enumerate(self._lines))
            return struct.pack("<QQ", levels & mask, mask)
        if number == SET_VALUES:
            self._drive(*struct.unpack("<QQ", body))
            return body
        return self._node.ioctl(number, body)

    def close(self) -> None:
        for line in self._lines:
            line.busy = False
            line.drive(1)
        self._lines = []

    def _take(self, body: bytes) -> bytes:
        count = struct.unpack_from("<I", body, COUNT_AT)[0]
        lines = [self._node.lines[n] for n in struct.unpack_from(f"<{count}I", body)]
        if any(line.busy for line in lines):
            raise OSError(EBUSY, "a line is in use")
        self._lines = lines
        for line in lines:
            line.busy = True
            line.taken()
        self._configure(body[CONFIG_AT:COUNT_AT])
        return body

    def _configure(self, config: bytes) -> None:
        """Flags of all lines, then attributes: flags (1) or output values (2) of some."""
        flags, attributes = struct.unpack_from("<QI", config)
        outputs = (1 << len(self._lines)) - 1 if flags & OUTPUT else 0
        values, mask = 0, 0
        for place in range(attributes):
            kind, _, value, of = struct.unpack_from("<IIQQ", config, 32 + place * ATTRIBUTE_BYTES)
            if kind == OUTPUT_VALUES:
                values, mask = values | value & of, mask | of
            elif kind == 1:
                outputs = outputs | of if value & OUTPUT else outputs & ~of
        self._outputs = outputs
        self._drive(values, mask)

    def _drive(self, levels: int, mask: int) -> None:
        for place, line in enumerate(self._lines):
            if mask & self._outputs & 1 << place:
                line.drive(levels >> place & 1)


class I2cPins:
    """Whose the two pins of an I2C bus are: the bus's driver has them, or nobody."""

    def __init__(self, wires: I2cWires) -> None:
        self.wires = wires
        self.bound = True  # a driver is bound: /dev/i2c-N is there
        self.muxed = True  # the pins have their I2C function

    def lines(self, sda: int, scl: int) -> dict[int, Line]:
        return {
            sda: Line(lambda: self.wires.sda, self.wires.drive_sda, self._taken),
            scl: Line(lambda: 1, self.wires.drive_scl, self._taken),
        }

    def _taken(self) -> None:
        self.muxed = False


class BindNode:
    """/sys/bus/platform/drivers/D/bind or unbind (`binds`), of the device with `name`."""

    def __init__(self, pins: I2cPins, name: str, binds: bool) -> None:
        self._pins, self._name, self._binds = pins, name.encode(), binds

    def write(self, content: bytes) -> None:
        if content.strip() != self._name or self._pins.bound == self._binds:
            raise OSError(ENODEV, "no such device")
        self._pins.bound = self._pins.muxed = self._binds


def bind_nodes(pins: I2cPins, recovery: Any) -> dict[str, Any]:
    """The two files of sysfs by their paths; `recovery`: agent.boards.Recovery."""
    folder = f"/sys/bus/platform/drivers/{recovery.platform_driver}"
    device = recovery.platform_device
    return {
        f"{folder}/bind": BindNode(pins, device, True),
        f"{folder}/unbind": BindNode(pins, device, False),
    }
