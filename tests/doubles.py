"""Working doubles of ports: a clock that need not wait."""

import asyncio
from typing import Any


class FastClock:
    """Sleeping moves the time on at once."""

    def __init__(self) -> None:
        self.now_ns = 1_000_000_000

    def monotonic_ns(self) -> int:
        return self.now_ns

    def utc_ns(self) -> int:
        return 1_790_000_000_000_000_000

    def synced(self) -> bool:
        return True

    def synced_by(self) -> str:
        return "test"

    async def sleep(self, seconds: float) -> None:
        self.now_ns += int(seconds * 1e9)
        await asyncio.sleep(0)


async def at_once(function: Any, *arguments: Any) -> Any:
    """Work that a thread of its own would do, done here and now."""
    return function(*arguments)
