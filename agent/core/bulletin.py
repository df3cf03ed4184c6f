"""What the agent knows right now, by key: stages post, the page and the status message read.

Values are never changed after they are posted; a new state is a new value.
"""

import asyncio

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

DEGRADED = "degraded"
UNSAVED_ALARMS = "unsaved_alarms"  # [{"kind", "body"}, …]: those that the disk does not take


class Bulletin:
    """Latest value of each key, and a version that grows with every change."""

    def __init__(self) -> None:
        self.version = 0
        self._values: "dict[str, Any]" = {DEGRADED: {}}
        self._changed = asyncio.Event()

    def post(self, key: str, value: "Any") -> None:
        if key in self._values and self._values[key] == value:
            return
        self._values[key] = value
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    def get(self, key: str) -> "Any":
        """The value of `key`, or None when nothing was posted."""
        return self._values.get(key)

    def snapshot(self) -> "dict[str, Any]":
        return dict(self._values)

    def degrade(self, mode: str, text: str) -> None:
        """Enters the named degraded mode; `text` says in one sentence what is lost."""
        modes = dict(self._values[DEGRADED])
        modes[mode] = text
        self.post(DEGRADED, modes)

    def recover(self, mode: str) -> None:
        modes = dict(self._values[DEGRADED])
        modes.pop(mode, None)
        self.post(DEGRADED, modes)

    async def changed(self, after_version: int) -> int:
        """Waits until something was posted after `after_version`; returns the version then."""
        while self.version <= after_version:
            await self._changed.wait()
        return self.version
