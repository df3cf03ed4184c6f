"""An induction motor: what its field and its rotor add at the shared housing."""

import numpy as np

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LINE_HZ = 60.0  # Mexico
HUM_G = 0.008  # at twice the line frequency: the field pulls the stator twice a period
UNEVEN_G = 0.6  # of an uneven air gap or a shorted turn: about 5.5 mm/s at 120 Hz


class Motor:
    """`shaft_hz`: with slip, below the synchronous speed."""

    def __init__(self, seed: int, shaft_hz: float) -> None:
        chance = np.random.default_rng(seed)
        self._phase = chance.uniform(0, 2 * np.pi, 2)
        self._slip_hz = max(0.1, LINE_HZ / 2 - shaft_hz) * 2

    def at(self, t_s: "Floats", uneven: "Any" = 0.0) -> "Floats":
        """Acceleration in g at times `t_s`, shape (n,); `uneven`: the electrical fault, 0 to 1."""
        hum = np.sin(2 * np.pi * 2 * LINE_HZ * t_s + self._phase[0])
        beat = 1.0 + 0.1 * np.sin(2 * np.pi * self._slip_hz * t_s + self._phase[1])
        found: Floats = (HUM_G + UNEVEN_G * np.asarray(uneven)) * beat * hum
        return found
