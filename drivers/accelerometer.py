"""What every accelerometer's driver shares: its place on a bus, bring-up, self-test, standby.

A chip's file gives facts and `drain_into`; a fact that a chip has not is left as it is here.
"""

from collections import namedtuple

from drivers.device import (
    I2cRegisters,
    SensorFault,
    SpiRegisters,
    decode_frame,
    expect_id,
    put,
    still_set,
)

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from drivers.device import Drained, Field, Layout, Registers

    Settings = tuple[tuple[Field, int], ...]

# A self-test: settings with the force `off` and `on`, milliseconds until the output has settled,
# what a count then is against the layout's scale, and (lowest, highest) change of x, y, z in g.
SelfTest = namedtuple("SelfTest", ("off", "on", "settle_ms", "scale", "limits_g"))

_MEAN_MS = 200  # 10 samples at 50 Hz: the procedures of both makers ask for 5 to 10
_FRAMES_MIN = 5


class Accelerometer:
    """`bus`: an SPI device, or an I2C bus when `address` is given. `rate_hz`: in RATES_HZ."""

    CHIP: str
    MEASURES = "vibration"
    RATES_HZ: "tuple[int, ...]"
    ADDRESSES: "tuple[int, ...]"
    IDS: "tuple[tuple[int, int], ...]"
    SPI_REGISTERS: "Any" = SpiRegisters
    SPI_READ = 0x80
    SPI_MANY = 0  # what the first byte of a burst needs besides
    I2C_MANY = 0
    BURST_BYTES = 1  # the longest burst
    START_MS: int
    SELF_TEST: "SelfTest"
    layout: "Layout"
    fifo_frames: int

    def __init__(self, bus: "Any", rate_hz: int, address: "int | None" = None) -> None:
        if rate_hz not in self.RATES_HZ or (address is not None and not self.ADDRESSES):
            raise ValueError(
                f"rate_hz: {rate_hz} at {address} is not a rate and place of {self.CHIP}"
                f" {self.RATES_HZ} {self.ADDRESSES}"
            )
        self.rate_hz = rate_hz
        self._bus = bus
        self._address = address
        self._registers: Registers = (
            self.SPI_REGISTERS(self.CHIP, bus, self.SPI_READ, self.SPI_MANY, self.BURST_BYTES)
            if address is None
            else I2cRegisters(self.CHIP, bus, address, self.I2C_MANY)
        )

    def settings(self) -> "Settings":
        """Fields and values of the bring-up, in order; the last one starts sampling."""
        raise NotImplementedError

    def lasting(self) -> "Settings":
        """Those of the settings that tell, while it runs, whether it was reset."""
        return self.settings()[-2:]

    def standby(self) -> "tuple[Field, int]":
        raise NotImplementedError

    def drain_into(self, buffer: "Any") -> "Drained":
        """Moves the frames held, oldest first, into `buffer` (room for `fifo_frames` and one)."""
        raise NotImplementedError

    def identify(self) -> None:
        """SensorFault when something else, or nothing, answers."""
        for register, expected in self.IDS:
            expect_id(self._registers, register, (expected,))

    def start(self) -> "Iterator[int]":
        """Configures, empties the FIFO and begins to measure; yields milliseconds to wait."""
        self._put_all(self.settings())
        yield self.START_MS

    def verify(self) -> None:
        """SensorFault when the chip is no longer set as it was."""
        still_set(self._registers, self.lasting())

    def stop(self) -> None:
        """Back to standby."""
        self._put_all((self.standby(),))

    def self_test(self) -> "Any":
        """Pushes the proof mass by an electrostatic force; the machine must stand still meanwhile.

        A generator: yields milliseconds to wait and returns [(change_g, low_g, high_g)] of x, y, z;
        a sound axis has low_g <= change_g <= high_g, a dead one changes by 0. The chip must have
        been started and is started anew at the end; whoever breaks off starts it himself.
        """
        plan = self.SELF_TEST
        rest = yield from self._mean_g(plan.off)
        pushed = yield from self._mean_g(plan.on)
        yield from self.start()
        changes = [plan.scale * (b - a) for a, b in zip(rest, pushed)]
        return [(g, low, high) for g, (low, high) in zip(changes, plan.limits_g)]

    def _mean_g(self, settings: "Settings") -> "Any":
        self._put_all(settings)
        buffer = bytearray((self.fifo_frames + 1) * self.layout.frame_bytes)
        yield self.SELF_TEST.settle_ms
        self.drain_into(buffer)  # sampled before it had settled
        yield _MEAN_MS
        frames = self.drain_into(buffer).frames
        if frames < _FRAMES_MIN:
            raise SensorFault(
                self.CHIP,
                f"{_FRAMES_MIN} frames or more in {_MEAN_MS} ms of its self-test",
                f"{frames}",
                "its supply and its clock line",
            )
        return _means(buffer, frames, self.layout)

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


def _means(buffer: "Any", frames: int, layout: "Layout") -> "list[float]":
    sums = [0.0] * len(layout.channels)
    view = memoryview(buffer)
    size = layout.frame_bytes
    for place in range(frames):
        values = decode_frame(view[place * size : (place + 1) * size], layout)
        sums = [total + value for total, value in zip(sums, values)]
    return [total / frames for total in sums]
