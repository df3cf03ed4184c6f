"""What is said of one sensor (NAMUR NE 107) by everybody who looks at it. Pure.

A source's word stands until it says something else; the worst word is the channel's status. One
glitch is a window not judged; glitches again and again are a failing sensor or cable.
"""

from agent.core.block import CHECK, FAILURE, GOOD, NO_REASON, STATUSES

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    Trust = tuple[str, tuple[str, dict[str, Any]]]

FRAMES = "frames"  # the reason of a window in which bits that never change did
BEING_CONFIGURED: "Trust" = (CHECK, ("starting", {}))
SIMULATED: "Trust" = (CHECK, ("simulated", {}))


class Channel:
    """`glitches_max` of the last `glitches_of` windows may be broken before it is a failure."""

    __slots__ = ("_glitches_max", "_glitches_of", "_recent", "_said")

    def __init__(
        self,
        glitches_max: int,
        glitches_of: int,
        said: "dict[str, Trust] | None" = None,
        recent: "tuple[bool, ...]" = (),
    ) -> None:
        self._glitches_max = glitches_max
        self._glitches_of = glitches_of
        self._said = {"block": BEING_CONFIGURED} if said is None else said
        self._recent = recent

    def after(self, source: str, trust: "Trust") -> "Channel":
        """The channel after `source` has said `trust`."""
        return self._with({source: trust}, self._recent)

    def after_window(self, trust: "Trust") -> "Channel":
        """The channel after one more window was looked at."""
        recent = (self._recent + (trust[1][0] == FRAMES,))[-self._glitches_of :]
        if trust[1][0] == FRAMES and sum(recent) > self._glitches_max:
            trust = (FAILURE, trust[1])
        return self._with({"window": trust}, recent)

    def after_break(self, trust: "Trust") -> "Channel":
        """The channel while nothing comes from it: what its windows were like is over."""
        return self._with({"block": trust, "window": (GOOD, NO_REASON)}, self._recent)

    def said(self, source: str) -> "Trust":
        return self._said.get(source, (GOOD, NO_REASON))

    @property
    def trust(self) -> "Trust":
        """The worst of all that is said; of equals the one said by the source that spoke first."""
        return max(self._said.values(), key=lambda trust: STATUSES.index(trust[0]))

    def _with(self, news: "dict[str, Trust]", recent: "tuple[bool, ...]") -> "Channel":
        said = dict(self._said)
        said.update(news)
        return Channel(self._glitches_max, self._glitches_of, said, recent)
