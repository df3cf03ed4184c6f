"""What ST's small accelerometers share: an id, a list of settings, a FIFO read by one burst.

A chip's file gives its facts (`ID`, `OUT`, `STATUS`, increments, `settings`, `level_of`).
"""

from drivers.device import Drained, I2cRegisters, SpiRegisters, expect_id, put, still_set

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from drivers.device import Field, Layout, Registers

_SPI_READ = 0x80
_BOOT_MS = 10  # the longest of the family from standby to a settled first sample


class StFifoDriver:
    """Facts come from the class of the chip; `rate_hz` must be one of its RATES_HZ."""

    CHIP: str
    RATES_HZ: "tuple[int, ...]"
    ID: "tuple[int, int]"
    OUT: int
    STATUS: int
    SPI_INCREMENT: int
    I2C_INCREMENT: int
    layout: "Layout"
    fifo_frames: int

    def __init__(self, bus: "Any", rate_hz: int, address: "int | None" = None) -> None:
        if rate_hz not in self.RATES_HZ:
            raise ValueError(f"rate_hz: {rate_hz} is not a rate of {self.CHIP} {self.RATES_HZ}")
        self.rate_hz = rate_hz
        self._bus = bus
        self._address = address
        self._registers: Registers = (
            SpiRegisters(self.CHIP, bus, _SPI_READ)
            if address is None
            else I2cRegisters(self.CHIP, bus, address)
        )
        longest = 1 + self.fifo_frames * self.layout.frame_bytes
        self._command = bytearray(longest)
        self._command[0] = _SPI_READ | self.SPI_INCREMENT | self.OUT
        self._answer = bytearray(longest)

    def settings(self) -> "tuple[tuple[Field, int], ...]":
        """Fields and values of the bring-up, in order; the last one starts sampling."""
        raise NotImplementedError

    def standby(self) -> "tuple[Field, int]":
        raise NotImplementedError

    def level_of(self, status: int) -> "tuple[int, bool]":
        """(frames held, whether some were lost) from the status register."""
        raise NotImplementedError

    def identify(self) -> None:
        """SensorFault when something else, or nothing, answers."""
        register, expected = self.ID
        expect_id(self._registers, register, (expected,))

    def start(self) -> "Iterator[int]":
        """Configures, empties the FIFO and begins to measure; yields milliseconds to wait."""
        for field, value in self.settings():
            put(self._registers, field, value)
        yield _BOOT_MS

    def drain_into(self, buffer: "Any") -> "Drained":
        """Moves the frames held, oldest first, into `buffer`, by one burst."""
        level, overrun = self.level_of(self._registers.read(self.STATUS))
        size = level * self.layout.frame_bytes
        if not size:
            return Drained(0, 0, overrun)
        if self._address is None:
            command, answer = memoryview(self._command), memoryview(self._answer)
            self._bus.write_readinto(command[: 1 + size], answer[: 1 + size])
            buffer[:size] = answer[1 : 1 + size]
        else:
            view = memoryview(buffer)[:size]
            self._bus.readfrom_mem_into(self._address, self.I2C_INCREMENT | self.OUT, view)
        return Drained(level, level, overrun)

    def verify(self) -> None:
        """SensorFault when the chip is no longer set as it was."""
        still_set(self._registers, self.settings()[-2:])

    def stop(self) -> None:
        """Back to standby."""
        field, value = self.standby()
        put(self._registers, field, value)
