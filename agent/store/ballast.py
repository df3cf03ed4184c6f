"""Room kept for the day the disk is full: given up in pieces, taken back when room is there."""

import os

from agent.limits import BALLAST_BYTES, BALLAST_SPARE_BYTES
from agent.store.disk import PIECE, fill_up, free_bytes, size_of

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from pathlib import Path


class Ballast:
    """A file of up to `BALLAST_BYTES` in `directory`; what it holds nobody else can take."""

    def __init__(self, directory: "Path") -> None:
        self._path = directory / "ballast"

    @property
    def held_bytes(self) -> int:
        return size_of(self._path)

    def give(self, wanted_bytes: int) -> None:
        """Gives up what it takes for `wanted_bytes` to be free on the disk; no more than it has.

        Durable before this returns: ext4 hands out freed blocks only after its journal's commit.
        """
        short = wanted_bytes - free_bytes(self._path.parent)
        if short <= 0 or not self.held_bytes:
            return
        with self._path.open("rb+") as file:
            file.truncate(max(0, self.held_bytes - short) // len(PIECE) * len(PIECE))
            os.fsync(file.fileno())

    @property
    def may_grow(self) -> bool:
        """Whether the disk has plenty: what is missing here, and as much again for others."""
        missing = BALLAST_BYTES - self.held_bytes
        return free_bytes(self._path.parent) >= missing + BALLAST_SPARE_BYTES

    def restore(self) -> bool:
        """Whether all of it is there: the room is taken again if there is plenty."""
        if self.held_bytes < BALLAST_BYTES and self.may_grow:
            self.keep_what_fits()
        return self.held_bytes >= BALLAST_BYTES

    def keep_what_fits(self) -> None:
        """Takes what the disk has, up to the whole. A disk that is full is no error."""
        fill_up(self._path, BALLAST_BYTES)
