"""One stretch of a machine's vibration, examined: speed, evidence, bearing, findings. Pure."""

from agent.analysis.cannot_see import cannot_see
from agent.analysis.diagnosis import Finding, diagnose
from agent.analysis.envelope import judge_bearing
from agent.analysis.evidence import NO_HEAT, gather, shaft_hz_of
from agent.analysis.healthy import comparable

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import NamedTuple

    import numpy as np
    from numpy.typing import NDArray

    from agent.analysis.bearings import BearingVerdict
    from agent.analysis.evidence import Evidence, Heat, MachineFacts
    from agent.analysis.orders import Speed

    Floats = NDArray[np.float64]

    class Examination(NamedTuple):
        """`cannot_see`: codes of what was out of sight here."""

        speed: Speed
        evidence: Evidence
        bearing: BearingVerdict
        findings: tuple[Finding, ...]
        cannot_see: tuple[str, ...]
else:
    from collections import namedtuple

    Examination = namedtuple(
        "Examination", ("speed", "evidence", "bearing", "findings", "cannot_see")
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
    Two lines are told apart when they are 3.75 / seconds apart: 2 s separate twice the speed of a
    two-pole motor at 59 Hz from twice a mains of 60 Hz, 4 s twice that of a four-pole motor at
    1770 r/min from the mains; what is not separated decides nothing and is named in `cannot_see`.
    ValueError for fewer than 8 samples or a value that is not finite.
    """
    evidence = gather(acceleration_g, rate_hz, machine, bandwidth_hz, temperature)
    orders = None if machine.bearing is None else machine.bearing.orders
    bearing = judge_bearing(acceleration_g, rate_hz, shaft_hz_of(evidence), orders, bandwidth_hz)
    against = healthy if comparable(evidence, healthy) else None
    return Examination(
        evidence.speed,
        evidence,
        bearing,
        diagnose(evidence, against, machine, bearing),
        cannot_see(evidence, against, machine, bandwidth_hz),
    )
