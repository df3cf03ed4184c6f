"""The retained status message: whenever it has something new to say, over whichever connection.

What the broker has against it ends nothing: rows go on, a degraded mode says why, and a later
message is tried. A broker may end the connection on it, with a word (Mosquitto 2.0.11: PUBACK "not
authorized", then the end) or without one (MQTT 3.1.1 has none): then it is sent none for a time.
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
        except Refused as refused:
            short = await self._say_short(link, status)
            what = "the whole status message, but a short one," if short else "the status message"
            self._degrade(f"the broker refuses {what} on {self._topic} ({refused}): rows go on")
            return
        except LinkDown as down:
            self._leave_out(down)
            if down.code != PUBLISH_RIGHT:
                raise
            return
        self._told = status
        self._endings = 0
        self._bulletin.recover(MODE)

    async def _say_short(self, link: "Link", status: "dict[str, Any]") -> bool:
        """Of a message that may be too large, that the device is there; whether it was taken."""
        try:
            await self._publish(link, {name: status[name] for name in SHORT if name in status})
        except Refused:
            return False
        return True

    async def _publish(self, link: "Link", status: "dict[str, Any]") -> None:
        payload = json.dumps(status, separators=(",", ":")).encode()
        await link.publish(self._topic, payload, retain=link.retains)

    def _leave_out(self, down: "LinkDown") -> None:
        """For a time, when it is not allowed, or when connections have ended on it in a row."""
        words = (
            f"the broker refuses the status message on {self._topic} ({down.detail}): rows go on"
        )
        if down.code == LOST:
            self._endings += 1
            words = f"the connection ends when the status message is sent on {self._topic}: "
            words += f"it is left out for {STATUS_LEFT_OUT_S:g} s, rows go on"
        ends = down.code == LOST and self._endings >= ENDINGS
        if down.code == PUBLISH_RIGHT or ends:
            self._left_out_until_ns = self._clock.monotonic_ns() + int(STATUS_LEFT_OUT_S * 1e9)
            self._degrade(words)

    def _degrade(self, words: str) -> None:
        self._bulletin.degrade(MODE, words)
