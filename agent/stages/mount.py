"""Is the sensor still where the machine was learned? Held until a run of windows agrees. Pure."""

from agent.analysis.mounting import (
    TILTED_DEG,
    TURNED_DEG,
    faded,
    gravity_of,
    stepped,
    turned_deg,
)
from agent.limits import REMOUNT_WINDOWS

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

TURNED, MOVED, PATH = "turned", "moved", "path"


class MountWatch:
    """`cause`: "" while the baseline holds, else why it does not, with `degrees`."""

    def __init__(self) -> None:
        self.cause = ""
        self.degrees = 0.0
        self._run: "tuple[str, int]" = ("", 0)
        self._handled = True  # nobody saw what was done before the agent began

    def interrupted(self) -> None:
        """The sensor was away for a while: it may have been moved."""
        self._handled = True

    def take(self, values: "Any", vectors: "Any", known: "Any", running: bool) -> None:
        """One trusted window; `known`: the KnownState it is compared with."""
        gravity = gravity_of(values)
        degrees = 0.0
        if gravity is not None and known.gravity is not None:
            degrees = turned_deg(gravity, known.gravity)
        found = self._cause(degrees, vectors, known.baseline, running)
        cause, count = self._run
        self._run = (found, count + 1 if found == cause else 1)
        if self._run[1] >= REMOUNT_WINDOWS and (running or found):
            self.cause, self.degrees = found, degrees
            self._handled = self._handled and bool(found)

    def _cause(self, degrees: float, vectors: "Any", baseline: "Any", running: bool) -> str:
        if degrees > TURNED_DEG:
            self._handled = True
            return TURNED
        if running and degrees > TILTED_DEG and stepped(vectors, baseline):
            return MOVED
        if running and self._handled and faded(vectors, baseline):
            return PATH
        return ""
