"""Run through the kernel's door: what our buses say of transfers that fail, one after another.

python -m tests.door.faults COUNT      one JSON list of reasons, (code, facts) each
"""

import json
import sys

from agent.adapters.i2c_smbus2 import I2cSmbus2
from agent.adapters.spi_linux import SpiLinux
from agent.drain import reason_of


def main() -> None:
    i2c = I2cSmbus2(1)
    said = []
    for _ in range(int(sys.argv[1])):
        try:
            i2c.readfrom_mem_into(0x18, 0x0F, bytearray(1))
        except OSError as error:
            said.append(reason_of(error))
    try:
        SpiLinux("/dev/spidev0.0", 0, 1_000_000).write_readinto(bytes(2), bytearray(2))
    except OSError as error:
        said.append(reason_of(error))
    print(json.dumps(said))


if __name__ == "__main__":
    main()
