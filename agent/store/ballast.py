"""A megabyte kept for the day the disk is full: alarms get it, and nothing else does."""

import os

from agent.limits import BALLAST_BYTES

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from pathlib import Path


class Ballast:
    """A file of `BALLAST_BYTES` in `directory`, given up when alarms need its room."""

    def __init__(self, directory: "Path") -> None:
        self._path = directory / "ballast"

    @property
    def is_there(self) -> bool:
        return self._path.exists() and self._path.stat().st_size == BALLAST_BYTES

    def release(self) -> None:
        if self._path.exists():
            self._path.unlink()

    def restore(self) -> None:
        """Takes the room again, if there is plenty; a disk that is still full is no error."""
        if self.is_there or free_bytes(self._path.parent) < 4 * BALLAST_BYTES:
            return
        try:
            with self._path.open("wb") as file:
                file.write(bytes(BALLAST_BYTES))
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            self.release()


def free_bytes(directory: "Path") -> int:
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


def disk_bytes(directory: "Path") -> int:
    found = os.statvfs(directory)
    return found.f_blocks * found.f_frsize
