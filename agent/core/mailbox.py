"""A bounded hand-over between coroutines of one loop. Full: the oldest goes, and is counted.

So are the frames in it, where what is handed over has frames.
"""

import asyncio
from collections import deque

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any


class Mailbox:
    """`put` never waits; `get` waits for the next item. Not for use between threads."""

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"limit: {limit} is not a queue length (expected 1 or more)")
        self.limit = limit
        self.dropped = 0
        self.dropped_frames = 0
        self._items: "deque[Any]" = deque((), limit)
        self._arrived = asyncio.Event()

    def put(self, item: "Any") -> None:
        if len(self._items) == self.limit:
            self.dropped_frames += getattr(self._items.popleft(), "frames", 0)
            self.dropped += 1
        self._items.append(item)
        self._arrived.set()

    async def get(self) -> "Any":
        while not self._items:
            self._arrived.clear()
            await self._arrived.wait()
        return self._items.popleft()

    def get_nowait(self) -> "Any":
        """The next item, or None when there is none."""
        return self._items.popleft() if self._items else None

    def __len__(self) -> int:
        return len(self._items)
