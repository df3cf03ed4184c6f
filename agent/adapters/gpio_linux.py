"""Nine clocks by hand for an I2C bus that hangs, through Linux's GPIO character device.

A chip left in mid-byte holds SDA low until it has been clocked on (UM10204 3.1.16). The driver of
a Raspberry Pi 0-4's I2C cannot do that. A line that is requested takes its pin from the bus, and
leaves it a plain input when it is released (pinctrl-bcm2835, pinctrl-rp1): only the bus's driver,
bound anew, gives the pin its function back. So: unbind the driver, clock, bind it again; where that
is not permitted or not known, nothing is touched. Called from the bus's own thread only.
"""

import errno
import fcntl
import os
import struct
import time

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

_MAGIC = 0xB4  # linux/gpio.h
_CHIP_INFO = 2 << 30 | 68 << 16 | _MAGIC << 8 | 0x01  # struct gpiochip_info
_GET_LINE = 3 << 30 | 592 << 16 | _MAGIC << 8 | 0x07  # struct gpio_v2_line_request
_GET_VALUES = 3 << 30 | 16 << 16 | _MAGIC << 8 | 0x0E  # struct gpio_v2_line_values
_SET_VALUES = 3 << 30 | 16 << 16 | _MAGIC << 8 | 0x0F
# offsets[64], consumer, flags, num_attrs, padding[5], one attribute (id, padding, value, mask), the
# nine others, num_lines, event_buffer_size, padding[5], fd
_LINE_REQUEST = "<64I32sQI20xIIQQ216xII20xi"
_OUTPUT, _OPEN_DRAIN = 1 << 3, 1 << 6
_OUTPUT_VALUES = 2  # the attribute that holds the levels to begin with
_SDA, _SCL = 0b01, 0b10  # places in our request
_CHIPS_MAX = 10  # /dev/gpiochip0 to 9 are looked at
CLOCKS = 9
HALF_CLOCK_S = 10e-6  # 50 kHz: slower than any chip here bears
_SYSFS = "/sys/bus/platform/drivers"


class I2cRecovery:
    """The recovery of /dev/i2c-`number`. `facts`: agent.boards.Recovery, or None with `why_not`."""

    has_clock_line = True

    def __init__(self, number: int, port: "Any", facts: "Any", why_not: str) -> None:
        self._node = f"/dev/i2c-{number}"
        self._port = port
        self._facts = facts
        self._why_not = why_not

    def reopen(self) -> None:
        self._port.reopen()

    def clocks(self) -> None:
        """OSError, its text saying why, when they were not possible or SDA stayed low."""
        facts = self._facts
        if facts is None:
            raise OSError(errno.ENOTSUP, self._why_not)
        folder = f"{_SYSFS}/{facts.platform_driver}"
        self._need_rights(folder)
        chip = _gpio_chip(facts.gpiochip)
        try:
            self._port.reopen()  # an open node would keep the driver from being unbound
            _unbind(folder, facts.platform_device)
            try:
                free = _clocked(chip, facts.sda, facts.scl)
            finally:
                _write(f"{folder}/bind", facts.platform_device)
        finally:
            os.close(chip)
        if not free:
            raise OSError(errno.EIO, "SDA stays low: cut the sensors' supply, look for a short")

    def _need_rights(self, folder: str) -> None:
        """All that may refuse is asked before anything is touched."""
        for name in ("unbind", "bind"):
            if not os.access(f"{folder}/{name}", os.W_OK):
                raise OSError(errno.EACCES, f"no rights to write {folder}/{name}")
        holders = _holders(self._node)
        if holders:
            raise OSError(errno.EBUSY, f"{self._node} is held by process {holders[0]}")


def _holders(node: str) -> "list[int]":
    """Other processes that hold `node`, as far as we may see: unbinding would wait for them."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                held = [
                    os.readlink(f"/proc/{name}/fd/{fd}") for fd in os.listdir(f"/proc/{name}/fd")
                ]
            except OSError:
                continue  # ended meanwhile, or another user's
            if node in held:
                found.append(int(name))
    return found


def _gpio_chip(label: str) -> int:
    """The opened chip with `label`; a board's numbers changed between kernels, labels did not."""
    refused = None
    for number in range(_CHIPS_MAX):
        path = f"/dev/gpiochip{number}"
        try:
            chip = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            refused = path if error.errno == errno.EACCES else refused
            continue
        info = bytearray(68)
        fcntl.ioctl(chip, _CHIP_INFO, info, True)
        if bytes(info[32:64]).rstrip(b"\0").decode() == label:
            return chip
        os.close(chip)
    if refused:
        raise OSError(errno.EACCES, f"{refused} may not be opened (is the user in the group gpio?)")
    raise OSError(errno.ENODEV, f"there is no GPIO chip {label}: is it this board?")


def _clocked(chip: int, sda: int, scl: int) -> bool:
    """Clocks until SDA is free, at most nine, then a STOP; whether SDA is free at last."""
    lines = _requested(chip, sda, scl)
    try:
        for _ in range(CLOCKS):
            if _level(lines, _SDA):
                break
            _set(lines, _SCL, 0)
            _set(lines, _SCL, 1)
        _set(lines, _SCL, 0)
        _set(lines, _SDA, 0)  # a STOP: SDA rises while SCL is high
        _set(lines, _SCL, 1)
        _set(lines, _SDA, 1)
        return _level(lines, _SDA)
    finally:
        os.close(lines)


def _requested(chip: int, sda: int, scl: int) -> int:
    """Both lines, open drain and let go of; OSError when something else has one of them."""
    request = bytearray(
        struct.pack(
            _LINE_REQUEST,
            *(sda, scl, *(0,) * 62),
            b"latido",
            _OUTPUT | _OPEN_DRAIN,
            1,
            _OUTPUT_VALUES,
            0,
            _SDA | _SCL,
            _SDA | _SCL,
            2,
            0,
            0,
        )
    )
    try:
        fcntl.ioctl(chip, _GET_LINE, request, True)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise OSError(errno.EBUSY, f"GPIO {sda} or {scl} is in use by something else")
        raise
    lines: int = struct.unpack_from("<i", request, 588)[0]
    return lines


def _set(lines: int, which: int, level: int) -> None:
    values = struct.pack("<QQ", which if level else 0, which)
    fcntl.ioctl(lines, _SET_VALUES, bytearray(values), True)
    time.sleep(HALF_CLOCK_S)


def _level(lines: int, which: int) -> bool:
    values = bytearray(struct.pack("<QQ", 0, which))
    fcntl.ioctl(lines, _GET_VALUES, values, True)
    return bool(struct.unpack_from("<Q", values)[0] & which)


def _unbind(folder: str, device: str) -> None:
    try:
        _write(f"{folder}/unbind", device)
    except OSError as error:
        if error.errno != errno.ENODEV:  # it was not bound: the last time it could not be
            raise


def _write(path: str, text: str) -> None:
    node = os.open(path, os.O_WRONLY)
    try:
        os.write(node, text.encode())
    finally:
        os.close(node)
