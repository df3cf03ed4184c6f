"""A block: a run of raw frames with its true time and rate, and what is known to be wrong."""

from collections import namedtuple

# Channel status after NAMUR NE 107, best first. "good" is the absence of the other four.
GOOD = "good"
MAINTENANCE = "maintenance"
OUT_OF_SPEC = "out_of_spec"
CHECK = "check"
FAILURE = "failure"
STATUSES = (GOOD, MAINTENANCE, OUT_OF_SPEC, CHECK, FAILURE)

# `raw`: `frames` frames back to back. `t0_ns`: monotonic time of the first frame. `rate_hz`: the
# fitted true rate, `rate_error` its relative uncertainty. `lost`: frames missing between the block
# before and this one (an estimate from the clock; 0 means none). `status` and `reason`: NE 107.
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
