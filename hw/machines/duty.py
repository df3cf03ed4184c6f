"""How a simulated machine is used: its speed, as it holds or changes, its load, how warm it is."""

import numpy as np

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

AMBIENT_DEGC = 27.0


class Duty:
    """`speed`: share of the nominal speed at `begin_s`, changing by `ramp` a second for `ramp_s`.

    `load`: factor of the flow's noise. `warm`: share of its own heat that the housing has taken on.
    `powered`: False while it coasts. Unchanging.
    """

    def __init__(
        self,
        speed: float = 1.0,
        ramp: float = 0.0,
        begin_s: float = 0.0,
        load: float = 1.0,
        ambient_degc: float = AMBIENT_DEGC,
        warm: float = 1.0,
        powered: bool = True,
        ramp_s: float = 0.0,
    ) -> None:
        self.speed = speed
        self.ramp = ramp
        self.begin_s = begin_s
        self.load = load
        self.ambient_degc = ambient_degc
        self.warm = warm
        self.powered = powered
        self.ramp_s = ramp_s

    def speed_at(self, t_s: "Floats") -> "Floats":
        """Share of the nominal speed at times `t_s`."""
        changing_s = np.clip(t_s - self.begin_s, 0.0, self.ramp_s)
        found: Floats = self.speed + self.ramp * changing_s
        return found

    def turned_s(self, t_s: "Floats") -> "Floats":
        """The time at nominal speed in which the shaft would have turned as far."""
        since = t_s - self.begin_s
        changing_s = np.clip(since, 0.0, self.ramp_s)
        turned = self.speed * since + self.ramp * changing_s * (since - 0.5 * changing_s)
        found: Floats = self.begin_s + turned
        return found


NOMINAL = Duty()
