"""What a stretch of vibration says about a machine, as numbers that rules can read. Pure.

Evidence never names a fault. It keeps what was measured, and what could not be.
"""

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any, NamedTuple

    import numpy as np
    from numpy.typing import NDArray

    from agent.analysis.orders import Speed

    Floats = NDArray[np.float64]

    class MachineFacts(NamedTuple):
        """What is known of a machine; None where it is not.

        `bearing`: agent.analysis.bearings.Bearing. `axial`: index of the axis along the shaft.
        """

        kind: str
        power_kw: float | None
        support: str
        rpm: float | None
        bearing: Any
        vanes: int | None
        mains_hz: float
        axial: int | None

    class Heat(NamedTuple):
        """The bearing housing's temperature, and how fast it rises; None where not known."""

        degc: float | None
        rate_degc_min: float | None

    class Evidence(NamedTuple):
        speed: Speed
        heat: Heat
else:
    from collections import namedtuple

    MachineFacts = namedtuple(
        "MachineFacts",
        ("kind", "power_kw", "support", "rpm", "bearing", "vanes", "mains_hz", "axial"),
    )
    Heat = namedtuple("Heat", ("degc", "rate_degc_min"))
    Evidence = namedtuple("Evidence", ("speed", "heat"))

NO_HEAT = Heat(None, None)
MAINS_HZ = 60.0  # Mexico; 50 elsewhere


def typical(seen: "list[Evidence]") -> "Evidence":
    """What a healthy machine shows, from several stretches of it. ValueError for none."""
    if not seen:
        raise ValueError("evidence: none to take the middle of (expected one or more)")
    return seen[-1]


def to_facts(evidence: "Evidence") -> "dict[str, Any]":
    """As JSON keeps it; `from_facts` reads it back."""
    return {"speed": list(evidence.speed), "heat": list(evidence.heat)}


def from_facts(facts: "Any") -> "Evidence":
    """Evidence as it was kept; ValueError for anything that is not that."""
    from agent.analysis.orders import Speed

    try:
        return Evidence(Speed(*facts["speed"]), Heat(*facts["heat"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"evidence: not as it was kept ({error!r})")
