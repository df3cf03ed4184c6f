"""One stretch of a machine's vibration, examined: speed, evidence, bearing, findings. Pure."""

from collections import namedtuple

from agent.analysis.evidence import NO_HEAT, Evidence, Heat
from agent.analysis.orders import Speed

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any, NamedTuple

    import numpy as np
    from numpy.typing import NDArray

    from agent.analysis.evidence import MachineFacts

    Floats = NDArray[np.float64]

    class Finding(NamedTuple):
        """`confidence`: 0 to 1. `evidence`: {facts}. `check`: key of what to look at next."""

        name: str
        confidence: float
        evidence: dict[str, Any]
        check: str

    class Examination(NamedTuple):
        """`bearing`: BearingVerdict. `cannot_see`: codes of what was out of sight here."""

        speed: Speed
        evidence: Evidence
        bearing: Any
        findings: tuple[Finding, ...]
        cannot_see: tuple[str, ...]
else:
    Finding = namedtuple("Finding", ("name", "confidence", "evidence", "check"))
    Examination = namedtuple(
        "Examination", ("speed", "evidence", "bearing", "findings", "cannot_see")
    )

# Of the same shape as agent.analysis.bearings will give it.
BearingVerdict = namedtuple(
    "BearingVerdict",
    ("verdict", "order", "measured_hz", "slip", "harmonics", "score", "method", "reason"),
)


def examine(
    acceleration_g: "Floats",
    rate_hz: float,
    machine: "MachineFacts",
    bandwidth_hz: "float | None" = None,
    healthy: "Evidence | None" = None,
    temperature: "Heat" = NO_HEAT,
) -> "Examination":
    """What a gapless stretch of some seconds shows; `acceleration_g`: shape (n, axes), in g.

    `healthy`: the evidence of this machine's baseline, or None. `bandwidth_hz`: of the sensor.
    """
    hz = None if machine.rpm is None else machine.rpm / 60.0
    speed = Speed(hz, 0.5, "given") if hz else Speed(None, 0.0, "unknown")
    bearing = BearingVerdict("unknown", None, None, None, 0, None, "", "no_bearing")
    return Examination(speed, Evidence(speed, temperature), bearing, (), ())
