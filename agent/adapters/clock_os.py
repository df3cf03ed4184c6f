"""The operating system's clocks: the only reader of time in the running agent."""

import asyncio
import os
import time

SYNCED_MARK = "/run/systemd/timesync/synchronized"  # systemd-timesyncd touches it once in step


class OsClock:
    """`monotonic_ns` for order and durations, `utc_ns` for people."""

    def monotonic_ns(self) -> int:
        """Of the board's oscillator as it is: a clock that the network slews has two rates, and
        what was recorded before the first sync could not be dated by the rate seen after it.
        """
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)

    def utc_ns(self) -> int:
        return time.time_ns()

    def synced(self) -> bool:
        """Whether the network has set the clock since the boot; False where nobody says so."""
        return os.path.exists(SYNCED_MARK)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
