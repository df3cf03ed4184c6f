"""CircuitPython's drivers, written by others from the same datasheets, agree with our chips.

They go through the kernel's door: Blinka, its I2C and SPI, and /dev nodes are the real ones.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hw.sim.adxl345 import SimAdxl345
from hw.sim.lis3dh import SimLis3dh
from hw.sim.max31855 import SimMax31855
from hw.sim.mcp9600 import SimMcp9600
from tests.door.door import PI_5, Door, I2cNode, SpiNode

ROOT = Path(__file__).resolve().parents[2]
FELT_G = (0.5, -0.75, 1.0)
HOT, COLD = 131.25, 26.5


def still(t0_s: float, period_s: float, count: int) -> list[float]:
    return [*FELT_G] * count


def test_drivers_written_by_others_read_what_the_physics_put_in(tmp_path: Path) -> None:
    chips = {0x18: SimLis3dh(still), 0x53: SimAdxl345(still), 0x67: SimMcp9600(warm)}
    nodes = {
        "/dev/i2c-1": I2cNode(chips, PI_5),
        "/dev/spidev0.0": SpiNode(SimMax31855(warm), (0,)),
    }
    door = Door(tmp_path, nodes)
    done = subprocess.run(
        [sys.executable, "-m", "tests.door.circuitpython"],
        cwd=ROOT,
        env={**os.environ, **door.environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    door.close()
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    # Their scales are 16/1365 g a count where the datasheet says 12 mg, and 4 mg for 1/256 g.
    assert found["lis3dh"] == pytest.approx(FELT_G, rel=0.03, abs=0.013)
    assert found["adxl345"] == pytest.approx(FELT_G, rel=0.03)
    assert found["mcp9600"] == pytest.approx([HOT, COLD], abs=0.07)
    assert found["max31855"] == pytest.approx([HOT, COLD], abs=0.26)


def warm(t_s: float) -> tuple[float, float, str]:
    return HOT, COLD, ""
