"""In-memory I2C and SPI with the calls of the real buses: time on the wire, counts, and faults.

A chip on SPI has `advance(now_ns)` and `transfer(sent, received)`; one on I2C has `advance`,
`read_registers(register, buffer)` and `write_registers(register, values)`.
"""

from hw.sim.wires import I2cWires

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

EREMOTEIO = 121  # what Linux adapters give for an address that nobody acknowledges
I2C_READ_BITS = 30  # start, address, register, repeated start, address, stop
I2C_WRITE_BITS = 20
SPI_GAP_NS = 5_000  # CS raised between transfers of a batch


class SimSpi:
    """One chip-selected SPI device. `fail_with`: an OSError that every transfer then raises."""

    def __init__(self, chip: "Any", now_ns: "Callable[[], int]", speed_hz: int = 5_000_000) -> None:
        self._chip = chip
        self._now_ns = now_ns
        self._ns_per_byte = 8_000_000_000 // speed_hz
        self.transfers = 0
        self.wire_bits = 0
        self.fail_with: "OSError | None" = None

    def write_readinto(self, write_buffer: "Any", read_buffer: "Any") -> None:
        self._transfer(write_buffer, read_buffer, self._now_ns())

    def write_readinto_repeated(self, write_buffer: "Any", read_buffer: "Any", count: int) -> None:
        size = len(write_buffer)
        view = memoryview(read_buffer)
        at_ns = self._now_ns()
        for place in range(count):
            self._transfer(write_buffer, view[place * size : (place + 1) * size], at_ns)
            at_ns += size * self._ns_per_byte + SPI_GAP_NS

    def _transfer(self, sent: "Any", received: "Any", at_ns: int) -> None:
        if self.fail_with is not None:
            raise self.fail_with
        self._chip.advance(at_ns)
        self._chip.transfer(sent, received)
        self.transfers += 1
        self.wire_bits += 8 * len(sent)


class SimI2c:
    """An I2C bus. `chips`: {address: chip}. `fail_with`: an OSError that every call then raises."""

    def __init__(
        self, chips: "dict[int, Any]", now_ns: "Callable[[], int]", speed_hz: int = 400_000
    ) -> None:
        self._chips = chips
        self._now_ns = now_ns
        self._ns_per_bit = 1_000_000_000 // speed_hz
        self._wire_free_ns = 0
        self.wires = I2cWires()
        self.transfers = 0
        self.wire_bits = 0
        self.fail_with: "OSError | None" = None

    def readfrom_mem_into(self, address: int, register: int, buffer: "Any") -> None:
        self._chip(address, I2C_READ_BITS + 9 * len(buffer)).read_registers(register, buffer)

    def writeto_mem(self, address: int, register: int, buffer: "Any") -> None:
        self._chip(address, I2C_WRITE_BITS + 9 * len(buffer)).write_registers(register, buffer)

    def _chip(self, address: int, bits: int) -> "Any":
        """The chip at `address`, brought to the moment when the wire is free for it."""
        if self.fail_with is not None:
            raise self.fail_with
        self.wires.need_free()
        chip = self._chips.get(address)
        if chip is None:
            raise OSError(EREMOTEIO, f"no chip acknowledges address 0x{address:02x}")
        at_ns = max(self._now_ns(), self._wire_free_ns)
        self._wire_free_ns = at_ns + bits * self._ns_per_bit
        self.transfers += 1
        self.wire_bits += bits
        chip.advance(at_ns)
        return chip
