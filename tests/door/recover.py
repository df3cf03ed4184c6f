"""Run through the kernel's door: a transfer, nine clocks if it fails, and a transfer again.

python -m tests.door.recover BOARD BUS_NUMBER      one JSON object of what was said and read
"""

import json
import sys
from collections import namedtuple

from agent.adapters.gpio_linux import I2cRecovery
from agent.adapters.i2c_smbus2 import I2cSmbus2
from agent.boards import recovery_facts

LIS3DH, WHO_AM_I = 0x18, 0x0F
Bus = namedtuple("Bus", ("kind", "number"))


def said(what: object) -> list[object]:
    """[errno, text] of the OSError that `what` raises, else what it returns."""
    try:
        return [0, what()]  # type: ignore[operator]
    except OSError as error:
        return [error.errno, error.strerror]


def main() -> None:
    board, number = sys.argv[1], int(sys.argv[2])
    port = I2cSmbus2(number)
    facts, why_not = recovery_facts(None if board == "none" else board, Bus("smbus2", number))
    recovery = I2cRecovery(number, port, facts, why_not)

    def identity() -> int:
        buffer = bytearray(1)
        port.readfrom_mem_into(LIS3DH, WHO_AM_I, buffer)
        return buffer[0]

    found = {"before": said(identity), "clocks": said(recovery.clocks), "after": said(identity)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
