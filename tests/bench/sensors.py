"""`make bench-sensors`: what a sample costs, on the CPU and on the wire, as JSON lines.

    python -m tests.bench.sensors

CPU: three axes drained and decoded to float, against CircuitPython's own driver read as users do;
both from a bus that answers at once. Wire: bits that a frame takes in the running agent, looking
after the chip's settings once a second included, against the fewest that the chip's own protocol
allows; at the chip's worst rate.
"""

from collections.abc import Callable
from typing import Any

import adafruit_adxl34x
import adafruit_lis3dh

from agent.analysis.decode import decode
from agent.chips import known_chips
from agent.drain import Drainer
from agent.simulated.play import SteppedClock
from hw.sim.bus import SimSpi
from tests.bench.null_bus import NullSpi, drain_s, seconds_a_call
from tests.bench.run import tell

WIRE_S = 20.0


class NullI2c:
    """As CircuitPython's busio.I2C: answers at once. `registers`: what some must read."""

    def __init__(self, registers: dict[int, int]) -> None:
        self._registers = registers
        self._pointer = 0

    def try_lock(self) -> bool:
        return True

    def unlock(self) -> None:
        return

    def writeto(self, address: int, buffer: Any, start: int = 0, end: int | None = None) -> None:
        if len(buffer):
            self._pointer = buffer[start]

    def readfrom_into(
        self, address: int, buffer: Any, start: int = 0, end: int | None = None
    ) -> None:
        buffer[start] = self._registers.get(self._pointer, 0)

    def writeto_then_readfrom(
        self,
        address: int,
        out: Any,
        into: Any,
        *,
        out_start: int = 0,
        out_end: int | None = None,
        in_start: int = 0,
        in_end: int | None = None,
    ) -> None:
        self._pointer = out[out_start]
        into[in_start] = self._registers.get(self._pointer, 0)


def main() -> None:
    theirs = {"adxl345": _their_adxl345(), "lis3dh": _their_lis3dh()}
    for name, chip in known_chips().items():
        if chip.measures != "vibration" or name != chip.file:
            continue
        ours_us = our_cpu_us(chip)
        tell(f"{name}_cpu", ours_us, "us a sample", 0.3 if name == "iis3dwb" else None)
        if name in theirs:
            ratio = seconds_a_call(theirs[name]) * 1e6 / ours_us
            tell(f"{name}_cpu_vs_circuitpython", ratio, "ratio", ".acceleration over I2C")
        ratio = max(wire_bits(chip, rate_hz) for rate_hz in chip.rates_hz)
        ratio /= 8 * chip.driver.layout.frame_bytes  # what no protocol of the chip can leave out
        tell(f"{name}_wire_vs_minimum", ratio, "ratio of bits a sample, worst rate", 1.05)


def our_cpu_us(chip: Any) -> float:
    """Microseconds of CPU a three-axis sample: drained in bursts and decoded to float."""
    layout = chip.driver(NullSpi(b""), chip.rates_hz[-1], None).layout
    raw = bytes(layout.frame_bytes * 1024)
    decoded_s = seconds_a_call(lambda: decode(raw, layout)) / 1024
    return 1e6 * (drain_s(chip) + decoded_s)


def wire_bits(chip: Any, rate_hz: int) -> float:
    """Bits on the wire a frame, drained by the agent's own drainer as often as the agent does."""
    clock = SteppedClock()
    clock.now_ns = 1_000_000_000
    simulated = chip.simulated(lambda t0_s, period_s, count: [0.0, 0.0, 1.0] * count, 0.0)
    bus = SimSpi(simulated, clock.monotonic_ns, chip.speed_hz_max)
    drainer = Drainer("a", chip.driver(bus, rate_hz, None), clock)
    for wait_ms in drainer.bring_up():
        clock.now_ns += wait_ms * 1_000_000
    drainer.drain()
    drainer.batch()
    bits = bus.wire_bits
    for _ in range(int(WIRE_S / drainer.interval_s)):
        clock.now_ns += int(drainer.interval_s * 1e9)
        drainer.drain()
    return (bus.wire_bits - bits) / float(drainer.batch().frames)


def _their_adxl345() -> Callable[[], object]:
    sensor = adafruit_adxl34x.ADXL345(NullI2c({0x00: 0xE5}))
    return lambda: sensor.acceleration


def _their_lis3dh() -> Callable[[], object]:
    sensor = adafruit_lis3dh.LIS3DH_I2C(NullI2c({0x0F: 0x33}))
    return lambda: sensor.acceleration


if __name__ == "__main__":
    main()
