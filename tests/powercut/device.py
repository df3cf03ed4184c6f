"""A disk that writes down what is done to it: one file in a FUSE file system, for a loop mount.

    python -m tests.powercut.device MOUNTPOINT LOG BYTES

`disk` is the device; what is written to `mark` stands in the log where it was written, so that a
program can say what it has been promised. Records: kind, offset, length, bytes.
"""

import errno
import stat
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WRITE, FLUSH, MARK = 0, 1, 2
RECORD = struct.Struct("<BQI")
DISK, MARKS = "/disk", "/mark"


def read_log(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """(kind, offset, bytes) in the order in which the device saw them."""
    with path.open("rb") as log:
        while head := log.read(RECORD.size):
            kind, offset, length = RECORD.unpack(head)
            yield kind, offset, log.read(length)


class RecordingDisk:
    """FUSE operations (fusepy calls them by name, with positional arguments)."""

    def __init__(self, log: Path, size: int) -> None:
        self._held = bytearray(size)
        self._log = log.open("wb")

    def __call__(self, operation: str, *arguments: Any) -> Any:
        if not hasattr(self, operation):
            raise OSError(errno.ENOSYS, f"{operation} is nothing that this disk does")
        return getattr(self, operation)(*arguments)

    def init(self, path: str) -> None:
        """Nothing to prepare."""

    def getattr(self, path: str, handle: Any) -> dict[str, Any]:
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
        size = len(self._held) if path == DISK else 0
        return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": size}

    def readdir(self, path: str, handle: Any) -> list[str]:
        return [".", "..", DISK[1:], MARKS[1:]]

    def open(self, path: str, flags: int) -> int:
        return 0

    def truncate(self, path: str, length: int, handle: Any = None) -> int:
        return 0

    def read(self, path: str, size: int, offset: int, handle: Any) -> bytes:
        return bytes(self._held[offset : offset + size])

    def write(self, path: str, content: bytes, offset: int, handle: Any) -> int:
        if path == DISK:
            self._held[offset : offset + len(content)] = content
            self._note(WRITE, offset, content)
        else:
            self._note(MARK, 0, content)
        return len(content)

    def fsync(self, path: str, only_content: int, handle: Any) -> int:
        if path == DISK:
            self._note(FLUSH, 0, b"")
        return 0

    def flush(self, path: str, handle: Any) -> int:
        return 0

    def release(self, path: str, handle: Any) -> int:
        return 0

    def destroy(self, path: str) -> None:
        self._log.close()

    def _note(self, kind: int, offset: int, content: bytes) -> None:
        self._log.write(RECORD.pack(kind, offset, len(content)) + content)


if __name__ == "__main__":
    from fuse import FUSE

    place, log, size = sys.argv[1:]
    FUSE(RecordingDisk(Path(log), int(size)), place, foreground=True, nothreads=True)
