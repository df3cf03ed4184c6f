"""What is wrong with a simulated machine, each from 0 (nothing) to 1 (about to fail)."""

from collections import namedtuple

import numpy as np

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Condition = namedtuple(
    "Condition",
    (
        "bearing_defect",
        "unbalance",
        "misalignment",
        "cavitation",
        "heat",
        "looseness",
        "electrical",
    ),
    defaults=(0.0, 0.0),
)
HEALTHY = Condition(0.0, 0.0, 0.0, 0.0, 0.0)
STEP_S = 0.1  # a condition is looked up this often; within a step it is constant


def over_time(condition: "Condition | Callable[[float], Condition]", t_s: "Floats") -> "Any":
    """A Condition whose fields are arrays like `t_s`."""
    if not callable(condition):
        return condition
    steps, place = np.unique(np.floor(t_s / STEP_S), return_inverse=True)
    found = np.array([tuple(condition(float(step) * STEP_S)) for step in steps])
    return Condition(*(found[:, column][place] for column in range(found.shape[1])))
