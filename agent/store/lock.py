"""One agent a directory, by `flock`; the file also remembers the newest boot, of all databases."""

import errno
import fcntl
import os

from agent.ports import StoreFault

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from pathlib import Path

BOOT_WIDTH = 20  # always as long: written over in place, a full disk has nothing to refuse


class DirectoryTaken(StoreFault):
    """Another agent keeps its data there."""


class Lock:
    """Held from its making until `let_go`. DirectoryTaken, OSError where there can be none."""

    def __init__(self, directory: "Path") -> None:
        self._descriptor = _opened(directory / "lock")
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise DirectoryTaken(f"{directory}: another agent keeps its data there")

    def read(self) -> bytes:
        """What was written, or what others left there; at most 20 bytes."""
        return os.pread(self._descriptor, BOOT_WIDTH, 0)

    def write(self, text: bytes) -> None:
        """OSError when the disk refuses. Durable when this returns."""
        os.pwrite(self._descriptor, text.ljust(BOOT_WIDTH), 0)
        os.ftruncate(self._descriptor, BOOT_WIDTH)
        os.fsync(self._descriptor)

    def let_go(self) -> None:
        os.close(self._descriptor)


def _opened(path: "Path") -> int:
    """On a disk that is read-only the file that is there is enough to keep others out."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return os.open(path, os.O_RDONLY)
