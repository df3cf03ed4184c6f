"""What a machine is to remember, into the settings; what the disk refuses is tried again.

The store keeps what was there before when it refuses: an old baseline is better than none.
"""

from agent.limits import KEEP_RETRY_S
from agent.ports import StoreFault

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent.core.bulletin import Bulletin


class Notebook:
    """`keep`: the store's `put_setting`; `mode`: the degraded mode while something is not kept."""

    def __init__(
        self,
        machine: str,
        mode: str,
        keep: "Callable[[str, str], Awaitable[None]]",
        bulletin: "Bulletin",
    ) -> None:
        self._machine = machine
        self._mode = mode
        self._keep = keep
        self._bulletin = bulletin
        self._unkept: "dict[str, str]" = {}
        self._tried_ns = 0

    async def write(self, key: str, text: str, mono_ns: int) -> None:
        """The newest text of a key is the one that counts."""
        try:
            await self._keep(key, text)
        except StoreFault as fault:
            self._unkept[key] = text
            self._tried_ns = mono_ns
            self._bulletin.degrade(self._mode, f"{self._machine}: not kept yet ({fault})")
            return
        if self._unkept.pop(key, None) is not None and not self._unkept:
            self._bulletin.recover(self._mode)

    async def again(self, mono_ns: int) -> None:
        """Now and then: what was refused."""
        if not self._unkept or mono_ns - self._tried_ns < KEEP_RETRY_S * 1e9:
            return
        self._tried_ns = mono_ns
        for key, text in list(self._unkept.items()):
            await self.write(key, text, mono_ns)
