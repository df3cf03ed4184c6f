"""A centrifugal pump coupled to its motor, as an accelerometer on the bearing housing feels it.

Shaft orders, blade passing, hum, flow noise, and what goes wrong: unbalance at 1x, misalignment at
2x and axially, looseness as half orders and harmonics, an uneven field at twice the line frequency,
cavitation as broad noise, a bearing defect as bursts, heat. Gravity is on z. The same time always
gives the same value, however it is asked for.

A `Duty` says how it is used: at which share of its speed, at what load, how warm it is.
"""

import numpy as np

from hw.machines.bearing import OuterRaceDefect
from hw.machines.condition import HEALTHY, over_time
from hw.machines.duty import AMBIENT_DEGC, NOMINAL
from hw.machines.motor import Motor
from hw.machines.noise import Rustle

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

    from hw.machines.condition import Condition
    from hw.machines.duty import Duty

    Floats = NDArray[np.float64]

BLADES = 5
STANDARD_GRAVITY = 9.80665
AXES = (
    (1.0, 0.0),
    (0.85, 0.5),
    (0.35, 1.1),
)  # radial, radial a quarter turn on, axial: gain, phase
FIRST_ORDER_MM_S = 0.35  # RMS velocity of a well balanced pump
SECOND_ORDER_OF_FIRST = 0.25
BLADE_PASS_G = 0.010
FLOW_G = 0.022  # RMS, 60 to 3500 Hz
UNBALANCED_MM_S = 5.0
MISALIGNED_MM_S = 4.0
CAVITATION_G = 0.5
LOOSE_MM_S = 3.0
RATTLE_ORDERS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0)
BURST_G = 3.0
RUNNING_DEGC = 44.0
FAILING_DEGC = 78.0


class Pump:
    """`condition`: a Condition, or a callable giving one for a time in seconds.

    `duty` may be set to another between two calls; it counts from its own beginning on.
    """

    def __init__(
        self,
        seed: int,
        rpm: float,
        condition: "Condition | Callable[[float], Condition]" = HEALTHY,
        duty: "Duty" = NOMINAL,
    ) -> None:
        self.duty = duty
        chance = np.random.default_rng(seed)
        self._shaft_hz = rpm / 60.0
        self._condition = condition
        self._phase = chance.uniform(0, 2 * np.pi, 6)
        self._wander_hz = chance.uniform(0.05, 0.4, 3)
        level = chance.uniform(0.8, 1.25, 4)
        self._first_g = level[0] * FIRST_ORDER_MM_S * self._g_per_mm_s(1.0)
        self._second_g = level[1] * SECOND_ORDER_OF_FIRST * self._first_g
        self._blade_g = level[2] * BLADE_PASS_G
        self._flow_g = level[3] * FLOW_G
        self._motor = Motor(seed + 1, self._shaft_hz)
        self._defect = OuterRaceDefect(seed + 2, self._shaft_hz)
        self._flow = Rustle(seed + 3, 60.0, 3500.0)

    def acceleration_g(self, t_s: "Floats") -> "Floats":
        """Acceleration at times `t_s` (n,), shape (n, 3): horizontal, axial, vertical with 1 g."""
        wrong = over_time(self._condition, t_s)
        force = np.square(self.duty.speed_at(t_s))  # of whatever turns, and of what flows
        turned_s = self.duty.turned_s(t_s)
        hum = self.duty.powered * self._motor.at(t_s, wrong.electrical)
        bursts = BURST_G * np.square(wrong.bearing_defect) * force * self._burst(turned_s, wrong)
        rough_g = self.duty.load * self._flow_g + CAVITATION_G * np.asarray(wrong.cavitation)
        columns = []
        for axis, (gain, phase) in enumerate(AXES):
            orders = force * self._orders(turned_s, wrong, phase)
            noise = force * rough_g * self._flow.at(t_s, 4.1 * axis)
            columns.append(gain * (orders + hum + 0.7 * bursts) + noise)
        columns[2], columns[1] = columns[1] + 1.0, columns[2]
        return np.stack(columns, axis=1)

    def temperature_degc(self, t_s: float) -> float:
        """The bearing housing's temperature."""
        wrong = over_time(self._condition, np.array([t_s]))
        worse = max(float(np.max(wrong.heat)), 0.4 * float(np.max(wrong.bearing_defect)))
        breath = 0.4 * float(np.sin(2 * np.pi * t_s / 97.0))
        own = RUNNING_DEGC - AMBIENT_DEGC + worse * (FAILING_DEGC - RUNNING_DEGC)
        return self.duty.ambient_degc + self.duty.warm * own + breath

    def _burst(self, t_s: "Floats", wrong: "Any") -> "Floats":
        if not np.any(wrong.bearing_defect):
            return np.zeros_like(t_s)
        return self._defect.at(t_s)

    def _orders(self, t_s: "Floats", wrong: "Any", phase: float) -> "Floats":
        turn = 2 * np.pi * self._shaft_hz * t_s
        breath = 1.0 + 0.05 * np.sin(2 * np.pi * self._wander_hz[0] * t_s + self._phase[3])
        flow = 1.0 + 0.08 * np.sin(2 * np.pi * self._wander_hz[1] * t_s + self._phase[4])
        first = self._first_g + UNBALANCED_MM_S * self._g_per_mm_s(1.0) * wrong.unbalance
        second = self._second_g + MISALIGNED_MM_S * self._g_per_mm_s(2.0) * wrong.misalignment
        total: Floats = (
            first * breath * np.sin(turn + self._phase[0] + phase)
            + second * np.sin(2 * turn + self._phase[1] + phase)
            + self._blade_g * flow * np.sin(BLADES * turn + self._phase[2] + phase)
        )
        if np.any(wrong.looseness):
            total = total + np.asarray(wrong.looseness) * self._rattle(turn, phase)
        return total

    def _rattle(self, turn: "Floats", phase: float) -> "Floats":
        """What a loose foot adds: half orders and harmonics, each weaker than the one below."""
        total: Floats = np.zeros_like(turn)
        for order in RATTLE_ORDERS:
            level = LOOSE_MM_S / np.sqrt(order) * self._g_per_mm_s(order)
            total += level * np.sin(order * turn + 1.7 * order + phase)
        return total

    def _g_per_mm_s(self, order: float) -> float:
        """Peak acceleration in g of a sine at an order, for 1 mm/s RMS."""
        omega = 2 * np.pi * order * self._shaft_hz
        return float(np.sqrt(2.0) * 1e-3 * omega / STANDARD_GRAVITY)
