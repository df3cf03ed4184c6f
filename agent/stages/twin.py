"""Whether another device seems to use this one's name.

A broker ends the older of two connections of one name. Where it says so (MQTT 5, 0x8E) the link has
a sentence for it; many say nothing (Mosquitto 2.0.11), and the two take it from each other in turn.
Told by that pattern: lost without a reason soon after each greeting, with nothing under way that
might be the reason, and the broker there again each time.
"""

from agent.limits import RECONNECT_S_MAX
from agent.ports import LOST, LinkDown

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from agent.core.bulletin import Bulletin

MODE = "twin"
ENDINGS = 3  # in a row
SOON_S = 1.5 * RECONNECT_S_MAX  # the other one comes back within its longest wait
NO_REASON = ("", "Unspecified error")  # the library's words for an end that nobody explained


class Twin:
    """Counts endings. `now_ns`: monotonic."""

    def __init__(self, bulletin: "Bulletin") -> None:
        self._bulletin = bulletin
        self._endings = 0
        self._since_ns: "int | None" = None

    def greeted(self, now_ns: int) -> None:
        self._since_ns = now_ns

    def lasts(self, now_ns: int) -> None:
        """The connection is still there."""
        if self._since_ns is not None and now_ns - self._since_ns > SOON_S * 1e9:
            self._endings = 0
            self._bulletin.recover(MODE)

    def ended(self, down: "LinkDown", now_ns: int, under_way: bool) -> "LinkDown":
        """`down`, or what it seems to be. `under_way`: rows were, so they may be the reason."""
        since_ns, self._since_ns = self._since_ns, None
        soon = since_ns is not None and now_ns - since_ns <= SOON_S * 1e9
        if not soon or down.code != LOST or down.detail not in NO_REASON:
            self._endings = 0
            return down
        self._endings += not under_way
        if self._endings < ENDINGS:
            return down
        self._bulletin.degrade(
            MODE,
            "the connection is lost again and again, soon after it was accepted: another device "
            "may use the same site and name",
        )
        return LinkDown(MODE, down.place, down.detail)
