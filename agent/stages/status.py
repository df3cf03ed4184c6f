"""The retained status message: whenever it has something new to say, over whichever connection.

What the broker has against it ends nothing: rows go on, a degraded mode says why, and a later
message is tried. A broker that ends the connection instead of saying so (MQTT 3.1.1 has no word for
it) is sent none for a time.
"""

import json

from agent.limits import STATUS_LEFT_OUT_S
from agent.ports import LOST, PUBLISH_RIGHT, LinkDown, Refused

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from agent.core.bulletin import Bulletin
    from agent.ports import Clock, Link

MODE = "status"
RETAIN_MODE = "retain"
ENDINGS = 3  # connections in a row that ended on the message, before it is left out
SHORT = ("schema", "state", "boot")  # what a broker gets that takes no more


class StatusMessage:
    """Of one device, on `topic`; kept from one connection to the next."""

    def __init__(self, topic: str, clock: "Clock", bulletin: "Bulletin") -> None:
        self._topic = topic
        self._clock = clock
        self._bulletin = bulletin
        self._told: "dict[str, Any]" = {}
        self._endings = 0
        self._left_out_until_ns = 0

    def begin(self, link: "Link") -> None:
        """A new connection: nothing has been told over it."""
        self._told = {}
        if link.retains:
            self._bulletin.recover(RETAIN_MODE)
            return
        words = f"the broker keeps no messages: who connects later sees {self._topic} at its change"
        self._bulletin.degrade(RETAIN_MODE, words)

    async def say(self, link: "Link", status: "dict[str, Any]") -> None:
        """Sends it, when it is new. LinkDown for what concerns the connection, for nothing else."""
        if status == self._told or self._clock.monotonic_ns() < self._left_out_until_ns:
            return
        try:
            await self._publish(link, status)
        except (LinkDown, Refused) as error:
            why = self._against_it(error)
            short = await self._say_short(link, status)
            self._bulletin.degrade(
                MODE, f"the broker refuses {short} on {self._topic} ({why}): rows go on"
            )
            return
        self._told = status
        self._endings = 0
        self._bulletin.recover(MODE)

    def _against_it(self, error: "LinkDown | Refused") -> str:
        """What the broker has against the message; raises what concerns the connection."""
        if isinstance(error, Refused):
            return str(error)
        if error.code == PUBLISH_RIGHT:
            return error.detail
        if error.code == LOST:
            self._ended()
        raise error

    async def _say_short(self, link: "Link", status: "dict[str, Any]") -> str:
        """Of a message that may be too large, that the device is there; what was refused."""
        try:
            await self._publish(link, {name: status[name] for name in SHORT if name in status})
        except Refused:
            return "the status message"
        except LinkDown as down:
            if down.code != PUBLISH_RIGHT:
                raise
            return "the status message"
        return "the whole status message, but a short one,"

    async def _publish(self, link: "Link", status: "dict[str, Any]") -> None:
        payload = json.dumps(status, separators=(",", ":")).encode()
        await link.publish(self._topic, payload, retain=link.retains)

    def _ended(self) -> None:
        """The connection ended while the message was under way."""
        self._endings += 1
        if self._endings < ENDINGS:
            return
        self._left_out_until_ns = self._clock.monotonic_ns() + int(STATUS_LEFT_OUT_S * 1e9)
        words = f"the connection ends when the status message is sent on {self._topic}: it is left "
        self._bulletin.degrade(MODE, f"{words}out for {STATUS_LEFT_OUT_S:g} s, rows go on")
