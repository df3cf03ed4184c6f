"""What every driver shares: its place on a bus, its options, bring-up, proof of life, standby.

A chip's file gives facts and `drain_into`; a fact that a chip has not is left as it is here.
"""

from drivers.device import I2cRegisters, SensorFault, SpiRegisters, expect_id, put, still_set

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from drivers.device import Drained, Field, Layout, Registers

    Settings = tuple[tuple[Field, int], ...]


class Driver:
    """`bus`: an SPI device, or an I2C bus when `address` is given. `rate_hz`: in RATES_HZ.

    `options`: those of OPTIONS, {name: (choices, the first is the default)}. ValueError for a rate,
    a place or an option that the chip has not.
    """

    CHIP: str
    MEASURES: str
    RATES_HZ: "tuple[int, ...]"
    ADDRESSES: "tuple[int, ...]" = ()
    SPI_MODE: "int | None" = None
    SPEED_HZ_MAX: int  # of SPI
    I2C_HZ_MAX = 400_000
    SPI_HZ_MIN: "dict[int, int]" = {}  # by rate: the slowest clock at which it loses nothing
    I2C_HZ_MIN: "dict[int, int]" = {}  # the same of I2C, where the datasheet sets a limit
    WIRE_BITS: "tuple[int | None, int | None, int]"
    RANGE_G: "float | None" = None
    BANDWIDTH_OF_RATE: "float | None" = None  # where its own filter cuts, of the output rate
    OPTIONS: "dict[str, tuple[Any, ...]]" = {}
    IDS: "tuple[tuple[int, int], ...]" = ()  # register, what it holds
    SPI_REGISTERS: "Any" = SpiRegisters
    SPI_READ = 0x80
    SPI_MANY = 0  # what the first byte of a burst needs besides
    # On SPI a transfer writes when its first byte, under the mask, is the value (None: nothing
    # ever writes); `READ_ONLY`: first and last registers of runs that ignore it all the same.
    # From both `latido sensors scan` knows what it may ask.
    SPI_WRITES: "tuple[int, int] | None" = (0x80, 0x00)
    READ_ONLY: "tuple[tuple[int, int], ...]" = ()
    WEAK_PROOF = False  # what it is recognised by, another chip may send by chance
    I2C_MANY = 0
    BURST_BYTES = 1  # the longest burst
    STRETCHES_CLOCK = False
    START_MS: int
    layout: "Layout"
    fifo_frames = 1

    def __init__(
        self, bus: "Any", rate_hz: int, address: "int | None" = None, **options: "Any"
    ) -> None:
        placed = self.SPI_MODE is not None if address is None else bool(self.ADDRESSES)
        if rate_hz not in self.RATES_HZ or not placed:
            raise ValueError(
                f"rate_hz: {rate_hz} at {address} is not a rate and place of {self.CHIP}"
                f" {self.RATES_HZ} {self.ADDRESSES or 'SPI'}"
            )
        self.rate_hz = rate_hz
        self.options = self._chosen(options)
        self._bus = bus
        self._address = address
        self._registers: Registers = (
            self.SPI_REGISTERS(self.CHIP, bus, self.SPI_READ, self.SPI_MANY, self.BURST_BYTES)
            if address is None
            else I2cRegisters(self.CHIP, bus, address, self.I2C_MANY)
        )
        self.prepare()

    def prepare(self) -> None:
        """Buffers and the like that the chip's own methods need: made once, not at each drain."""

    def _chosen(self, options: "dict[str, Any]") -> "dict[str, Any]":
        for name in options:
            choices = self.OPTIONS.get(name, ())
            if options[name] not in choices:
                raise ValueError(f"{name}: {options[name]} is not one of {choices} of {self.CHIP}")
        return {name: options.get(name, self.OPTIONS[name][0]) for name in self.OPTIONS}

    def settings(self) -> "Settings":
        """Fields and values of the bring-up, in order; the last one starts the measuring."""
        return ()

    def lasting(self) -> "Settings":
        """Those of the settings that tell, while it runs, whether it was reset."""
        return self.settings()[-2:]

    def standby(self) -> "Settings":
        """What puts it to sleep; nothing when it cannot be."""
        return ()

    def drain_into(self, buffer: "Any") -> "Drained":
        """Moves the frames held, oldest first, into `buffer` (room for `fifo_frames` and one)."""
        raise NotImplementedError

    def identify(self) -> None:
        """SensorFault when something else, or nothing, answers."""
        for register, expected in self.IDS:
            expect_id(self._registers, register, (expected,))

    def recognise(self) -> None:
        """As `identify`, for a place where any chip may be: it reads only."""
        self.identify()

    @classmethod
    def hears_write(cls, sent: "Any") -> bool:
        """Whether an SPI transfer, meant for another chip, could change a register of this one."""
        if cls.SPI_WRITES is None or len(sent) < 2:
            return False
        mask, value = cls.SPI_WRITES
        if sent[0] & mask != value:
            return False
        first = cls.SPI_REGISTERS.register_of(sent[0]) & ~cls.SPI_MANY
        moves = not cls.SPI_MANY or sent[0] & cls.SPI_MANY
        last = first + (len(sent) - 2 if moves else 0)
        return not any(low <= first and last <= high for low, high in cls.READ_ONLY)

    def start(self) -> "Iterator[int]":
        """Configures, empties the FIFO and begins to measure; yields milliseconds to wait."""
        self._put_all(self.settings())
        yield self.START_MS

    def verify(self) -> None:
        """SensorFault when the chip is no longer set as it was."""
        still_set(self._registers, self.lasting())

    def stop(self) -> None:
        """Back to standby."""
        self._put_all(self.standby())

    def _put_all(self, settings: "Settings") -> None:
        for field, value in settings:
            put(self._registers, field, value)

    def _level_checked(self, level: int, most: int) -> int:
        """SensorFault for a level that no FIFO of this chip can have."""
        if level > most:
            raise SensorFault(
                self.CHIP,
                f"at most {most} frames in the FIFO",
                f"{level}",
                self._registers.read_wires,
            )
        return level
