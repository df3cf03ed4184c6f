"""`make bench-sensors`: what a sample costs, on the CPU and on the wire, as JSON lines.

    python -m tests.bench.sensors [--soak-s 120]

CPU: three axes drained and decoded to float, against CircuitPython's own driver read as users do;
both from a bus that answers at once. Wire: bits that a frame takes against the fewest that the
chip's own protocol allows.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import adafruit_adxl34x
import adafruit_lis3dh

from agent.analysis.decode import decode
from agent.chips import known_chips
from hw.sim.bus import SimSpi
from tests.bench.run import tell
from tests.running import RunningAgent

LEVEL = 24
STATUS = {  # what the chip's level registers read when it holds that many frames
    "adxl345": bytes((0x90, LEVEL)),
    "adxl355": bytes((0, 3 * LEVEL)),
    "iis3dwb": bytes((LEVEL, 0)),
    "lis2dw12": bytes((LEVEL,)),
    "lis3dh": bytes((LEVEL,)),
}
REPEATS = 200
WIRE_MINIMUM_BITS = {  # data bytes of a frame and what the protocol cannot do without
    "adxl345": 8 * 7,  # command and six bytes: an entry is a transfer
    "adxl355": 8 * 9,
    "iis3dwb": 8 * 7,
    "lis2dw12": 8 * 6,
    "lis3dh": 8 * 6,
}
SOAKS: dict[str, list[dict[str, Any]]] = {
    "adxl345 at 3200 Hz": [{"name": "a", "chip": "adxl345", "rate_hz": 3200}],
    "iis3dwb at 26667 Hz": [{"name": "a", "chip": "iis3dwb", "rate_hz": 26667}],
    "two adxl345, two thermocouples": [
        {"name": "a", "chip": "adxl345", "rate_hz": 3200},
        {"name": "b", "chip": "adxl345", "rate_hz": 3200},
        {"name": "t", "chip": "max31855"},
        {"name": "u", "chip": "max31856"},
    ],
}


class NullSpi:
    """Answers at once: `status` to a transfer as long as it, and nothing to any other."""

    def __init__(self, status: bytes) -> None:
        self._status = b"\0" + status
        self._size = len(self._status)

    def write_readinto(self, sent: Any, received: Any) -> None:
        if len(received) == self._size:
            received[:] = self._status

    def write_readinto_repeated(self, sent: Any, received: Any, count: int) -> None:
        received[-1] = 0


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
    parser = argparse.ArgumentParser(description="Measure what a sample costs.")
    parser.add_argument("--soak-s", type=float, default=120.0)
    soak_s = parser.parse_args().soak_s
    theirs = {"adxl345": _their_adxl345(), "lis3dh": _their_lis3dh()}
    for name, chip in known_chips().items():
        if chip.measures != "vibration" or name != chip.file:
            continue
        ours_us = our_cpu_us(chip)
        tell(f"{name}_cpu", ours_us, "us a sample", 0.3 if name == "iis3dwb" else None)
        if name in theirs:
            ratio = _seconds_a_call(theirs[name]) * 1e6 / ours_us
            tell(f"{name}_cpu_vs_circuitpython", ratio, "ratio", ".acceleration over I2C")
        ratio = wire_bits(chip) / WIRE_MINIMUM_BITS[name]
        tell(f"{name}_wire_vs_minimum", ratio, "ratio of bits a sample", 1.05)
    for name, sensors in SOAKS.items():
        soak(name, sensors, soak_s)


def our_cpu_us(chip: Any) -> float:
    """Microseconds of CPU a three-axis sample: drained in bursts and decoded to float."""
    driver = chip.driver(NullSpi(STATUS[chip.name]), chip.rates_hz[-1], None)
    buffer = bytearray((driver.fifo_frames + 1) * driver.layout.frame_bytes)
    frames = driver.drain_into(buffer).frames
    assert frames == LEVEL, f"{chip.name} drained {frames} frames"
    drained_s = _seconds_a_call(lambda: driver.drain_into(buffer)) / frames
    raw = bytes(driver.layout.frame_bytes * 1024)
    decoded_s = _seconds_a_call(lambda: decode(raw, driver.layout)) / 1024
    cost_us: float = 1e6 * (drained_s + decoded_s)
    return cost_us


def wire_bits(chip: Any) -> float:
    """Bits on the wire a frame, drained at half of the FIFO."""
    now_ns = 0
    simulated = chip.simulated(lambda t0_s, period_s, count: [0.0, 0.0, 1.0] * count, 0.0)
    bus = SimSpi(simulated, lambda: now_ns, chip.speed_hz_max)
    driver = chip.driver(bus, chip.rates_hz[-1], None)
    for wait_ms in driver.start():
        now_ns += wait_ms * 1_000_000
    buffer = bytearray((driver.fifo_frames + 1) * driver.layout.frame_bytes)
    driver.drain_into(buffer)
    bits, frames = bus.wire_bits, 0
    for _ in range(50):
        now_ns += int(0.5e9 * driver.fifo_frames / driver.rate_hz)
        frames += driver.drain_into(buffer).frames
    return (bus.wire_bits - bits) / frames


def soak(name: str, sensors: list[dict[str, Any]], seconds: float) -> None:
    """The whole agent in real time; the page asked twice a second."""
    placed = [{**one, "bus": "spi0", "chip_select": n} for n, one in enumerate(sensors)]
    thermocouples = [one["name"] for one in sensors if one["chip"].startswith("max")]
    machines = [
        {"name": one["name"], "vibration": one["name"], "rpm": 1770}
        for one in sensors
        if not one["chip"].startswith("max")
    ]
    for machine, thermocouple in zip(machines, thermocouples):
        machine["temperature"] = thermocouple
    buses = [{"name": "spi0", "kind": "sim_spi", "speed_hz": 10_000_000}]
    more = {"sensors": placed, "machines": machines, "buses": buses}
    with tempfile.TemporaryDirectory() as folder:
        agent = RunningAgent(Path(folder), simulation={"defect_from_s": None}, more=more)
        try:
            agent.start()
            agent.wait_for(lambda state: "health" in state)
            began, cpu_s = time.monotonic(), agent.cpu_s()
            lost = agent.state()["health"]["lost_samples"]
            while time.monotonic() - began < seconds:
                time.sleep(0.5)
                state = agent.state()
            share = (agent.cpu_s() - cpu_s) / (time.monotonic() - began)
            tell(f"soak {name}: samples lost", state["health"]["lost_samples"] - lost, "samples", 0)
            tell(f"soak {name}: CPU of one core, simulated chips included", share, "share", None)
        finally:
            agent.close()


def _their_adxl345() -> Callable[[], object]:
    sensor = adafruit_adxl34x.ADXL345(NullI2c({0x00: 0xE5}))
    return lambda: sensor.acceleration


def _their_lis3dh() -> Callable[[], object]:
    sensor = adafruit_lis3dh.LIS3DH_I2C(NullI2c({0x0F: 0x33}))
    return lambda: sensor.acceleration


def _seconds_a_call(call: Callable[[], object]) -> float:
    """The fastest of some rounds: this machine is shared."""
    rounds = []
    for _ in range(7):
        began = time.process_time()
        for _ in range(REPEATS):
            call()
        rounds.append((time.process_time() - began) / REPEATS)
    return min(rounds)


if __name__ == "__main__":
    main()
