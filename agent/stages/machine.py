"""One machine under watch: windows to verdicts. No await and no clock: judge and agent share it.

Bad data is never an anomaly and never normal: a window that cannot be trusted gives `unknown` with
the reason, and feeds neither baseline nor model. Stopped never alarms and never teaches.
"""

from collections import namedtuple

from agent.analysis import anomaly
from agent.analysis.assess import anomaly_reason, assess, stack
from agent.core.alarm import ALARM, NORMAL, UNKNOWN, WARNING, new_alarm
from agent.core.block import GOOD
from agent.core.operating_state import RUNNING, unseen_machine
from agent.limits import (
    ALARM_M,
    ALARM_N,
    ALARM_RATIO,
    BASELINE_WINDOWS,
    DISTRUST_HOLD_S,
    SETTLE_WINDOWS,
    TEMPERATURE_LIMIT_DEGC,
    TEMPERATURE_READINGS,
    WINDOW_OVERLAP,
)

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from agent.analysis.assess import Assessment

# `state`: normal, warning, alarm or unknown. `reason`: (code, {facts}). `assessment`: None when the
# window was not trusted. `changed`: the state before, when this verdict changed it, else None.
Verdict = namedtuple(
    "Verdict",
    (
        "machine",
        "state",
        "reason",
        "assessment",
        "operating_state",
        "temperature_degc",
        "rate_hz",
        "windows",
        "mono_ns",
        "changed",
        "model",
    ),
)

Temperature = namedtuple("Temperature", ("degc", "status", "reason"))
NO_TEMPERATURE = Temperature(None, GOOD, "")


class MachineWatch:
    """`settings`: name, power_kw, support, rpm, stopped_below_mm_s. `model`: agent.ports.Model."""

    def __init__(self, settings: "Any", table: "Any", model: "Any", baseline: "Any" = None) -> None:
        self._settings = settings
        self._table = table
        self.model = model
        self.baseline = baseline
        self._alarm = new_alarm(ALARM_N, ALARM_M)
        self._operating = unseen_machine(SETTLE_WINDOWS, settings.stopped_below_mm_s)
        self._learned: "list[tuple[Any, float]]" = []
        self._temperature = NO_TEMPERATURE
        self._hot = 0
        self._state = UNKNOWN
        self._cause: "tuple[str, dict[str, Any]] | None" = None
        self.rejected = ""
        self._trusted_ns = -(10**18)
        self.windows = 0

    def feel(self, temperature: "Temperature") -> None:
        """The latest reading of the machine's thermocouple."""
        self._temperature = temperature
        degc = temperature.degc
        self._hot = self._hot + 1 if degc is not None and degc > TEMPERATURE_LIMIT_DEGC else 0

    def distrust(self, sensor: str, status: str, reason: "Any", mono_ns: int) -> "Verdict":
        """The verdict when the sensor gave nothing that may be judged.

        `reason`: (code, facts). A moment of it (one overrun, one clipped window) changes no state:
        `changed` stays None.
        """
        facts = {"name": sensor, "status": status, "reason": reason}
        held = self._state
        verdict = self._verdict(UNKNOWN, ("sensor", facts), None, 0.0, mono_ns)
        if verdict.state != UNKNOWN or not self.holds(mono_ns):
            return verdict
        self._state = held
        return Verdict(*verdict[:-2], None, verdict.model)

    def holds(self, mono_ns: int) -> bool:
        """Whether the last trusted verdict is young enough to stand through a gap."""
        return mono_ns - self._trusted_ns < DISTRUST_HOLD_S * 1e9

    def take(self, values: "Any", rate_hz: float, mono_ns: int) -> "Verdict":
        """The verdict of one trusted window; `values` in g, shape (n, axes)."""
        self.windows += 1
        self._trusted_ns = mono_ns
        self._check_baseline(rate_hz, values.shape[1])
        assessment = assess(
            values,
            rate_hz,
            self._table,
            self._settings.rpm,
            self.baseline,
            self.model.score,
        )
        self._operating = self._operating.after(assessment.severity.velocity_rms_mm_s)
        if self._operating.name != RUNNING:
            return self._verdict(UNKNOWN, (self._operating.name, {}), assessment, rate_hz, mono_ns)
        if self.baseline is None:
            return self._learn(assessment, rate_hz, mono_ns)
        level, cause = self._level(assessment, rate_hz)
        self._alarm = self._alarm.after(level)
        if level != NORMAL:
            self._cause = cause
        state = self._alarm.level
        reason = cause if state == NORMAL else (self._cause or cause)
        if state == NORMAL:
            reason = ("like_baseline", {})
        return self._verdict(state, reason, assessment, rate_hz, mono_ns)

    def _check_baseline(self, rate_hz: float, axes: int) -> None:
        if self.baseline is None:
            return
        name = model_name(self.model)
        why = anomaly.mismatch(self.baseline, rate_hz, axes, name)
        if why:
            self.rejected = why
            self.baseline = None

    def _learn(self, assessment: "Assessment", rate_hz: float, mono_ns: int) -> "Verdict":
        """Teaches the baseline; severity alone may warn meanwhile, but never says normal."""
        severity = assessment.severity
        if severity.zone in "AB":
            self._learned.append((assessment.vectors, severity.velocity_rms_mm_s))
        done = len(self._learned)
        if done >= BASELINE_WINDOWS:
            self.baseline = self._calibrate(rate_hz)
            self._learned = []
        level, cause = _severity_level(severity)
        self._alarm = self._alarm.after(level)
        if self._alarm.level != NORMAL:
            return self._verdict(self._alarm.level, cause, assessment, rate_hz, mono_ns)
        facts = {"done": done, "needed": BASELINE_WINDOWS}
        return self._verdict(UNKNOWN, ("learning", facts), assessment, rate_hz, mono_ns)

    def _calibrate(self, rate_hz: float) -> "Any":
        vectors, velocities = zip(*self._learned)
        return anomaly.calibrate(
            stack(vectors),
            stack(velocities),
            rate_hz,
            model_name(self.model),
            self.model.score,
            len(self._learned) / WINDOW_OVERLAP,
        )

    def _level(
        self, assessment: "Assessment", rate_hz: float
    ) -> "tuple[str, tuple[str, dict[str, Any]]]":
        """The worst of anomaly and severity, and why."""
        found = assessment.anomaly
        assert found is not None, "a level needs a baseline"
        facts = anomaly_reason(found, rate_hz)
        by_anomaly = ALARM if found.ratio > ALARM_RATIO else WARNING if found.ratio > 1 else NORMAL
        candidates = [(by_anomaly, ("anomaly", facts)), _severity_level(assessment.severity)]
        order = (NORMAL, WARNING, ALARM)
        return max(candidates, key=lambda candidate: order.index(candidate[0]))

    def _verdict(
        self,
        state: str,
        reason: "tuple[str, dict[str, Any]]",
        assessment: "Assessment | None",
        rate_hz: float,
        mono_ns: int,
    ) -> "Verdict":
        if self._hot >= TEMPERATURE_READINGS and state != ALARM:
            # Heat is an alarm whether or not vibration may be judged: learning, stopped, no sensor.
            facts = {"value": self._temperature.degc, "limit": TEMPERATURE_LIMIT_DEGC}
            state, reason = ALARM, ("temperature", facts)
        changed = self._state if state != self._state else None
        self._state = state
        return Verdict(
            self._settings.name,
            state,
            reason,
            assessment,
            self._operating.name if assessment is not None else UNKNOWN,
            self._temperature.degc,
            rate_hz,
            self.windows,
            mono_ns,
            changed,
            model_name(self.model),
        )


def baseline_key(machine: "Any", model: "Any") -> str:
    """Where a machine's baseline is kept: one for each mounting of its sensor and each model."""
    place = machine.name if machine.mounting == 1 else f"{machine.name}/mounting {machine.mounting}"
    return f"baseline/{place}/{model_name(model)}"


def model_name(model: "Any") -> str:
    """What a baseline is bound to."""
    return f"{model.name} {model.version}"


def _severity_level(severity: "Any") -> "tuple[str, tuple[str, dict[str, Any]]]":
    """Zone D is an alarm, zone C a warning (ISO 20816-1, 6.5: evaluation zones)."""
    limit = severity.limits_mm_s[2] if severity.zone == "D" else severity.limits_mm_s[1]
    facts = {
        "zone": severity.zone,
        "velocity": round(severity.velocity_rms_mm_s, 2),
        "limit": limit,
    }
    level = {"D": ALARM, "C": WARNING}.get(severity.zone, NORMAL)
    return level, ("severity", facts)
