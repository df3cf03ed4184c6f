"""Shaft speed, and lines at its multiples. Pure."""

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import NamedTuple

    class Speed(NamedTuple):
        """`hz`: None when unknown. `source`: given, ridge or unknown."""

        hz: float | None
        confidence: float
        source: str
else:
    from collections import namedtuple

    Speed = namedtuple("Speed", ("hz", "confidence", "source"))

UNKNOWN_SPEED = Speed(None, 0.0, "unknown")
