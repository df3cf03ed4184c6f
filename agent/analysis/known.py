"""What is known of one machine at one of its speeds, and how it is kept. Pure.

A machine's normal is one calibration for each running state: never one over several speeds, never
over several mountings of the sensor.
"""

import json

import numpy as np

from agent.analysis import anomaly
from agent.analysis.healthy import from_facts, to_facts

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any, NamedTuple

    from numpy.typing import NDArray

    from agent.analysis.anomaly import Baseline
    from agent.analysis.evidence import Evidence

    Floats = NDArray[np.float64]

    class KnownState(NamedTuple):
        """`gravity`: unit vector or None. `pattern`: of `signature`, or None where none was seen.

        `speed_hz`: of the shaft, or None. `evidence`: of the healthy machine, or None.
        """

        baseline: Baseline
        gravity: tuple[float, ...] | None
        pattern: Floats | None
        speed_hz: float | None
        evidence: Evidence | None
else:
    from collections import namedtuple

    KnownState = namedtuple(
        "KnownState", ("baseline", "gravity", "pattern", "speed_hz", "evidence")
    )

SCHEMA = 2


def to_json(states: "list[KnownState]") -> str:
    """Everything known as text; `from_json` gives it back."""
    return json.dumps({"schema": SCHEMA, "states": [_held(state) for state in states]})


def _held(state: "KnownState") -> "dict[str, Any]":
    return {
        "baseline": json.loads(anomaly.to_json(state.baseline)),
        "gravity": state.gravity,
        "pattern": None if state.pattern is None else np.round(state.pattern, 2).tolist(),
        "speed_hz": state.speed_hz,
        "evidence": None if state.evidence is None else to_facts(state.evidence),
    }


def from_json(text: str) -> "list[KnownState]":
    """ValueError when the text is not that. A text of the first schema is one state."""
    try:
        held = json.loads(text)
        if not isinstance(held, dict) or held.get("schema") != SCHEMA:
            return [KnownState(anomaly.from_json(text), None, None, None, None)]
        return [_state(one) for one in held["states"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"baseline: not as it was kept ({error!r})")


def _state(held: "Any") -> "KnownState":
    baseline = anomaly.from_json(json.dumps(held["baseline"]))
    gravity, pattern, evidence = held["gravity"], held["pattern"], held["evidence"]
    direction = None if gravity is None else tuple(float(part) for part in gravity)
    if direction is not None and not (len(direction) == 3 and sum(p * p for p in direction) > 0.9):
        raise ValueError(f"baseline: gravity {direction} is not a direction")
    return KnownState(
        baseline,
        direction,
        None if pattern is None else np.asarray(pattern, dtype=np.float64),
        None if held["speed_hz"] is None else float(held["speed_hz"]),
        None if evidence is None else from_facts(evidence),
    )
