"""How long this machine keeps a program waiting that nothing but the machine can keep waiting.

    python -m tests.bench.bystander      sleeps 2 ms after 2 ms at real-time priority, above the
                                         agent's, until its input ends; then says its worst stalls

A shared machine may stand still by itself, longer than a FIFO holds. A soak's losses are to be read
beside this: what was lost in such a moment no program could have read.
"""

import json
import os
import select
import subprocess
import sys
import time
from typing import Any

PRIORITY = 50
SLEEP_S = 0.002
TOLD_MS = 5.0  # of a stall; an ADXL345's FIFO holds 10 ms at 3200 Hz, drained each 4


class Bystander:
    """The program beside a soak."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.bystander"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def end(self) -> dict[str, Any]:
        """{"longest_ms", "stalls": how many of more than TOLD_MS}."""
        out, _ = self._process.communicate(timeout=10)
        found: dict[str, Any] = json.loads(out)
        return found


def main() -> None:
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except PermissionError:
        print(
            "not granted real-time priority: other programs' turns count as stalls", file=sys.stderr
        )
    longest_ms, stalls = 0.0, 0
    last = time.monotonic()
    while not select.select([sys.stdin], [], [], 0)[0]:
        time.sleep(SLEEP_S)
        now = time.monotonic()
        stall_ms = 1e3 * (now - last - SLEEP_S)
        longest_ms, stalls = max(longest_ms, stall_ms), stalls + (stall_ms > TOLD_MS)
        last = now
    print(json.dumps({"longest_ms": round(longest_ms, 1), "stalls": stalls}))


if __name__ == "__main__":
    main()
