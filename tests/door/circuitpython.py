"""Run through the kernel's door: CircuitPython's own drivers read the chips and print it.

python -m tests.door.circuitpython      one JSON object: {chip: [values in g or degC]}
"""

import json
import time
from typing import Any

import adafruit_adxl34x
import adafruit_lis3dh
import adafruit_max31855
import adafruit_mcp9600
from adafruit_extended_bus import ExtendedI2C, ExtendedSPI

STANDARD_GRAVITY = 9.80665


class KernelSelect:
    """A chip-select pin that the kernel already drives."""

    def __init__(self) -> None:
        self.value = True

    def switch_to_output(self, value: bool = False, **_: Any) -> None:
        self.value = value


def in_g(acceleration: Any) -> list[float]:
    return [value / STANDARD_GRAVITY for value in acceleration]


def main() -> None:
    i2c: Any = ExtendedI2C(1)
    lis3dh = adafruit_lis3dh.LIS3DH_I2C(i2c, address=0x18)
    lis3dh.range = adafruit_lis3dh.RANGE_16_G
    adxl345 = adafruit_adxl34x.ADXL345(i2c, address=0x53)
    adxl345.range = adafruit_adxl34x.Range.RANGE_16_G
    mcp9600 = adafruit_mcp9600.MCP9600(i2c, address=0x67)
    max31855 = adafruit_max31855.MAX31855(ExtendedSPI(0, 0), KernelSelect())
    time.sleep(0.2)  # until each has sampled with its new settings
    for _ in range(2):
        found = {
            "lis3dh": in_g(lis3dh.acceleration),
            "adxl345": in_g(adxl345.acceleration),
            "mcp9600": [mcp9600.temperature, mcp9600.ambient_temperature],
            "max31855": [max31855.temperature, max31855.reference_temperature],
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
