"""What simulated chips feel: one pump with its motor, whose bearing may wear in time-lapse."""

from hw.machines.condition import HEALTHY, Condition
from hw.machines.duty import AMBIENT_DEGC
from hw.machines.part import PARTS, felt_by
from hw.machines.pump import Pump

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

DEFAULT_RPM = 1770.0  # four poles at 60 Hz, with slip


class Plant:
    """`settings`: agent.config.Simulation; `begun_s`: when its time began. Chips' sources."""

    def __init__(self, settings: "Any", rpm: "float | None", begun_s: float) -> None:
        self._settings = settings
        self._rpm = rpm or DEFAULT_RPM
        self._begun_s = begun_s
        self.clock_error = settings.clock_error

    def healthy(self, chip: str) -> "Any":
        """What an accelerometer felt on the same pump before anything wore."""
        pump = Pump(self._settings.seed, self._rpm)
        return felt_by(PARTS[chip], pump, self._settings.seed)

    def source(self, chip: str) -> "Any":
        """What a chip on the pump feels: acceleration, or a thermocouple's temperatures."""
        pump = Pump(self._settings.seed, self._rpm, condition=self._condition)
        if chip in PARTS and PARTS[chip].measures == "vibration":
            return felt_by(PARTS[chip], pump, self._settings.seed, live=True)
        return lambda t_s: (pump.temperature_degc(t_s), AMBIENT_DEGC, "")

    def _condition(self, t_s: float) -> "Condition":
        begin_s = self._settings.defect_from_s
        if begin_s is None:
            return HEALTHY
        worn = min(1.0, max(0.0, (t_s - self._begun_s - begin_s) / self._settings.defect_over_s))
        return Condition(worn, 0.0, 0.0, 0.0, 0.0)
