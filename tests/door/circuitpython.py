"""Run through the kernel's door: CircuitPython's own drivers and ours read the same chips.

python -m tests.door.circuitpython      {"theirs": {chip: [values in g or degC]}, "ours": the same}

Blinka is unmodified: busio's I2C and SPI, chip select by digitalio on GPIO 5 and 6.
"""

import json
import time
from typing import Any

import adafruit_adxl34x
import adafruit_lis3dh
import adafruit_max31855
import adafruit_max31856
import adafruit_mcp9600
import board
import busio
import digitalio

from agent.adapters.bus_blinka import BlinkaI2c, BlinkaSpi
from agent.chips import known_chips
from drivers.device import decode_frame

STANDARD_GRAVITY = 9.80665
RATES_HZ = {"lis3dh": 400, "adxl345": 800, "mcp9600": 3, "max31855": 10, "max31856": 10}
ADDRESSES = {"lis3dh": 0x18, "adxl345": 0x53, "mcp9600": 0x67}
SELECTS = {"max31855": "D5", "max31856": "D6"}


def in_g(acceleration: Any) -> list[float]:
    return [value / STANDARD_GRAVITY for value in acceleration]


def theirs() -> dict[str, list[float]]:
    i2c: Any = busio.I2C(board.SCL, board.SDA)
    spi: Any = busio.SPI(board.SCK, board.MOSI, board.MISO)
    selects = {name: digitalio.DigitalInOut(getattr(board, pin)) for name, pin in SELECTS.items()}
    lis3dh = adafruit_lis3dh.LIS3DH_I2C(i2c, address=0x18)
    lis3dh.range = adafruit_lis3dh.RANGE_16_G
    adxl345 = adafruit_adxl34x.ADXL345(i2c, address=0x53)
    adxl345.range = adafruit_adxl34x.Range.RANGE_16_G
    mcp9600 = adafruit_mcp9600.MCP9600(i2c, address=0x67)
    max31855 = adafruit_max31855.MAX31855(spi, selects["max31855"])
    max31856 = adafruit_max31856.MAX31856(spi, selects["max31856"])
    time.sleep(0.2)  # until each has sampled with its new settings
    for _ in range(2):
        found = {
            "lis3dh": in_g(lis3dh.acceleration),
            "adxl345": in_g(adxl345.acceleration),
            "mcp9600": [mcp9600.temperature, mcp9600.ambient_temperature],
            "max31855": [max31855.temperature_NIST, max31855.reference_temperature],
            "max31856": [max31856.temperature, max31856.reference_temperature],
        }
    for select in selects.values():
        select.deinit()
    spi.deinit()
    i2c.deinit()
    return found


def ours() -> dict[str, list[float]]:
    return {name: _last_frame(name) for name in RATES_HZ}


def _last_frame(name: str) -> list[float]:
    """What our driver reads over Blinka, as the bus thread would."""
    chip = known_chips()[name]
    bus: Any = BlinkaI2c()
    if name in SELECTS:
        bus = BlinkaSpi(SELECTS[name], chip.spi_mode, 1_000_000)
    driver = chip.driver(bus, RATES_HZ[name], ADDRESSES.get(name))
    driver.identify()
    for wait_ms in driver.start():
        time.sleep(wait_ms / 1000)
    size = driver.layout.frame_bytes
    buffer = bytearray((driver.fifo_frames + 1) * size)
    deadline, frames = time.monotonic() + 2.0, 0
    while not frames and time.monotonic() < deadline:
        time.sleep(0.02)
        frames = driver.drain_into(buffer).frames
    bus.close()
    return decode_frame(buffer[(frames - 1) * size : frames * size], driver.layout)


def main() -> None:
    print(json.dumps({"theirs": theirs(), "ours": ours()}))


if __name__ == "__main__":
    main()
