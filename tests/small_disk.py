"""A disk of its own, a few megabytes small, that another program can fill to the last byte."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.shared import needed

KINDS = ("tmpfs", "ext4")
PIECES = (65536, 4096, 512, 1)


class SmallDisk:
    """Mounted at `path`; what fills it is `path`/another."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = path / "state"
        self.had_room = False  # was ever free of the other program's file
        self._another = path / "another"

    def fill(self, but_bytes: int = 0) -> None:
        """To the last byte; `but_bytes` are then given back."""
        with self._another.open("ab", 0) as file:
            for piece in PIECES:
                with contextlib.suppress(OSError):
                    while file.write(bytes(piece)):
                        continue
            os.truncate(self._another, max(0, file.tell() - but_bytes))
            os.fsync(file.fileno())

    def free(self) -> None:
        """The other program's file is gone."""
        self.had_room = True
        if self._another.exists():
            with self._another.open("rb+") as file:
                file.truncate(0)
                os.fsync(file.fileno())
            self._another.unlink()

    def read_only(self) -> None:
        """As a kernel does with a card that it no longer trusts."""
        _run("mount", "-o", "remount,ro", str(self.path))

    def fail(self) -> None:
        """ext4 gives up, as after an error of the card: from now on nothing is written."""
        _run("mount", "-o", "remount,abort", str(self.path))

    def writable(self) -> None:
        _run("mount", "-o", "remount,rw", str(self.path))

    def used_bytes(self) -> int:
        found = os.statvfs(self.path)
        return (found.f_blocks - found.f_bfree) * found.f_frsize


@contextlib.contextmanager
def small_disk(folder: Path, kind: str = "tmpfs", size_mb: int = 40) -> Iterator[SmallDisk]:
    """Mounted below `folder` and taken away in the end; without the right to mount see `needed`."""
    path = folder / "disk"
    path.mkdir()
    what = ["-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs"]
    if kind == "ext4":
        image = folder / "image"
        image.write_bytes(b"")
        os.truncate(image, size_mb * 2**20)
        _run("mkfs.ext4", "-q", "-F", "-m", "0", str(image))
        what = ["-t", "ext4", "-o", "loop", str(image)]
    done = subprocess.run(["mount", *what, str(path)], capture_output=True, check=False)
    needed(done.returncode == 0, f"the right to mount a {kind} ({done.stderr.decode().strip()})")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def _run(*words: str) -> None:
    search = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    subprocess.run(words, check=True, env={**os.environ, "PATH": search}, capture_output=True)
