"""A block: a run of raw frames with its true time and rate, and what is known to be wrong."""

from collections import namedtuple

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

# Channel status after NAMUR NE 107, best first. "good" is the absence of the other four.
GOOD = "good"
MAINTENANCE = "maintenance"
OUT_OF_SPEC = "out_of_spec"
CHECK = "check"
FAILURE = "failure"
STATUSES = (GOOD, MAINTENANCE, OUT_OF_SPEC, CHECK, FAILURE)

NO_REASON: "tuple[str, dict[str, Any]]" = ("", {})
RATE_OFF = "rate_off"
GAP = "gap"  # frames are missing before this block, none within it
# Out of spec, yet every sample is true and its time is known: these may be judged.
STILL_TRUE = (RATE_OFF, GAP)

# `raw`: `frames` frames back to back. `t0_ns`: monotonic time of the first frame. `rate_hz`: the
# fitted true rate, `rate_error` its relative uncertainty. `lost`: frames missing between the block
# before and this one (an estimate from the clock; 0 means none). `status` and `reason`: NE 107.
# A reason is (code, facts): words are made of it where a person reads them, in her language.
Block = namedtuple(
    "Block",
    (
        "sensor",
        "seq",
        "t0_ns",
        "rate_hz",
        "rate_error",
        "raw",
        "frames",
        "lost",
        "status",
        "reason",
    ),
)


def worse(one: str, other: str) -> str:
    """The worse of two NE 107 statuses."""
    return one if STATUSES.index(one) >= STATUSES.index(other) else other


def judgeable(block: "Block") -> bool:
    """Whether a block's frames may be judged: what a status says of a channel is another matter."""
    return block.status in (GOOD, MAINTENANCE) or block.reason[0] in STILL_TRUE
