"""The disk beneath the store: what of it is left, what was written, whether it takes anything."""

import contextlib
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


def lengthen(path: "Path", from_bytes: int, more_bytes: int) -> bool:
    """Whether an open database's file now owns the room of `more_bytes` behind `from_bytes`."""
    descriptor = _descriptor_of(path)
    if descriptor is None:
        return False
    try:
        os.posix_fallocate(descriptor, from_bytes, more_bytes)
    except OSError:
        return False
    return True


def _descriptor_of(path: "Path") -> "int | None":
    """One by which this process has the file open already; None where the system does not tell.

    To open a database's file once more, and close it, would take SQLite's locks away (fcntl(2)).
    """
    try:
        wanted = path.stat()
        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):  # closed meanwhile
                if os.path.samestat(os.fstat(int(name)), wanted):
                    return int(name)
    except OSError:
        return None
    return None


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
