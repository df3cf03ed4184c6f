"""The disk beneath the store: what of it is left, what was written, whether it takes anything."""

import errno
import os

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from pathlib import Path

# What a disk refuses with, as against a path or rights that a person has to set right.
REFUSALS = (errno.ENOSPC, errno.EROFS, errno.EIO, errno.EDQUOT)
PIECE = bytes(64 * 1024)


def free_bytes(directory: "Path") -> int:
    """What a program without privileges may still take; 0 where the system does not tell."""
    try:
        found = os.statvfs(directory)
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize


def disk_bytes(directory: "Path") -> int:
    """All that the disk has; 0 where the system does not tell."""
    try:
        found = os.statvfs(directory)
    except OSError:
        return 0
    return found.f_blocks * found.f_frsize


def written_bytes() -> int:
    """What this process has had written to disks so far (proc(5), io); 0 where that is not told."""
    try:
        with open("/proc/self/io", encoding="ascii") as told:
            return next(int(line.split()[1]) for line in told if line.startswith("write_bytes"))
    except OSError:
        return 0


def size_of(path: "Path") -> int:
    """Of a file; 0 when there is none."""
    return path.stat().st_size if path.exists() else 0


def fill_up(path: "Path", wanted_bytes: int) -> None:
    """Lengthens a file with zeros to `wanted_bytes`, as far as the disk lets it; durable."""
    try:
        with path.open("ab", 0) as file:
            while file.tell() < wanted_bytes:
                piece = PIECE[: wanted_bytes - file.tell()]
                if file.write(piece) < len(piece):
                    break
            os.fsync(file.fileno())
    except OSError:
        return  # the end of a full disk; what was written stays


def refusal(directory: "Path", wanted_bytes: int) -> str:
    """Why the disk takes no `wanted_bytes` of new files in `directory` now; "" when it does."""
    probe = directory / "probe"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if free_bytes(directory) < wanted_bytes:
            return os.strerror(errno.ENOSPC)
        probe.write_bytes(PIECE)
        probe.unlink()
    except OSError as error:
        _remove(probe)
        return os.strerror(error.errno) if error.errno in REFUSALS else ""
    return ""


def _remove(path: "Path") -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return  # where nothing can be written there is nothing to remove
