"""Each bus node belongs to one process at a time: two on one FIFO take each other's samples.

Held by `flock`, which ends with the process however it ends: on the node itself, which also keeps
out another installation, and on a file of the state directory, for a node that is not there yet.
"""

import fcntl
import os

from agent.boards import node_of

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from agent.config import Settings


class BusTaken(Exception):
    """`node` is held by process `pid` (0: the system does not tell which, or it is no more)."""

    def __init__(self, node: str, pid: int) -> None:
        super().__init__(f"{node} is held by process {pid}")
        self.node = node
        self.pid = pid


def nodes_of(settings: "Settings", more_selects: "Iterable[int]" = ()) -> "list[str]":
    """Nodes that the sensors of a configuration use; `more_selects`: further ones of each SPI bus.

    A simulated bus has none: its chips live in the process.
    """
    nodes: "set[str]" = set()
    for bus in settings.buses:
        selects = {one.chip_select for one in settings.sensors if one.bus == bus.name}
        nodes |= {node_of(bus, select) for select in (*selects, *more_selects)}
    return sorted(nodes - {""})


def hold(nodes: "list[str]", state_dir: str) -> "list[int]":
    """Locks every node, for `let_go` or the end of the process; BusTaken when one is taken."""
    held: "list[int]" = []
    try:
        for node in nodes:
            for lock in _opened(node, state_dir):
                held.append(lock)
                _lock(lock, node)
    except BusTaken:
        let_go(held)
        raise
    return held


def share(held: "list[int]") -> None:
    """The process that samples holds them too: they end with the last of the two."""
    for lock in held:
        os.set_inheritable(lock, True)


def let_go(held: "list[int]") -> None:
    for lock in held:
        os.close(lock)


def _opened(node: str, state_dir: str) -> "Iterator[int]":
    """The node and the file beside it, as far as they are there and this user may open them."""
    file = os.path.join(state_dir, f"{node.rsplit('/', 1)[1]}.lock")
    for path, flags in ((node, os.O_RDONLY), (file, os.O_RDONLY | os.O_CREAT)):
        try:
            lock = os.open(path, flags, 0o644)
        except OSError:
            continue  # no node or no directory yet, or no rights: whoever uses the bus will say so
        yield lock


def _lock(lock: int, node: str) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BusTaken(node, _holder(os.fstat(lock)))


def _holder(status: "Any") -> int:
    """The living process that /proc/locks names for a file; 0 when it names none.

    It goes on naming one that has died, while a process that shares the lock holds it.
    """
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    try:
        with open("/proc/locks", encoding="ascii") as file:
            for line in file:
                words = line.split()
                if "FLOCK" in words and device in words and "->" not in words:
                    pid = int(words[words.index(device) - 1])
                    return pid if os.path.exists(f"/proc/{pid}") else 0
    except (OSError, ValueError):
        return 0
    return 0


def words_of(pid: int) -> str:
    """What a process was started as: "latido run" as people type it; "" when it is not told."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            parts = file.read(400).decode("utf-8", "replace").split("\0")
    except OSError:
        return ""
    begin = next((n for n, part in enumerate(parts) if part in ("run", "sensors", "demo")), None)
    if begin is None:
        return os.path.basename(parts[0])
    shown = parts[begin : begin + (2 if parts[begin] == "sensors" else 1)]
    return " ".join(["latido", *shown])
