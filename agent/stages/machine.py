"""One machine under watch: windows to verdicts. No await and no clock: judge and agent share it.

Bad data is never an anomaly and never normal: a window that cannot be trusted gives `unknown` with
the reason, and feeds neither baseline nor model. Stopped never alarms and never teaches; another
speed than those learned is learned, not an alarm; a sensor that was moved makes the baseline
invalid, not the machine sick.
"""

from collections import namedtuple

from agent.analysis import anomaly
from agent.analysis.assess import assess, severity_of
from agent.analysis.known import KnownState
from agent.analysis.lines import STANDS_OUT
from agent.analysis.signature import changing, signature
from agent.analysis.turning import STILL_STANDS_OUT, turning_mm_s
from agent.core.alarm import ALARM, NORMAL, UNKNOWN, WARNING
from agent.core.alarm_state import AlarmBook
from agent.core.block import GOOD, NO_REASON
from agent.core.heat import HeatTrend
from agent.core.operating_state import RUNNING, RUNS, STOPPED, unseen_machine
from agent.limits import (
    BASELINE_WINDOWS,
    DISTRUST_HOLD_S,
    FINDING_LIKELY,
    RISE_MIN,
    SETTLE_WINDOWS,
    SEVERITY_HOLD_S,
    TEMPERATURE_LIMIT_DEGC,
)
from agent.stages.causes import (
    ANOMALY,
    CHANGE,
    FINDING,
    RISE,
    SEVERITY,
    TEMPERATURE,
    Causes,
    anomaly_level,
    change_level,
    heat_level,
    rise_level,
    severity_level,
)
from agent.stages.insight import Insights
from agent.stages.mount import MountWatch
from agent.stages.running import RunningStates

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from agent.analysis.assess import Assessment
    from agent.analysis.examine import Examination
    from agent.analysis.severity import Severity

    Reason = tuple[str, dict[str, Any]]

# `state`: normal, warning, alarm or unknown. `reason`: (code, {facts}). `assessment`: None when the
# window was not trusted. `changed`: the state before, when this verdict changed it, else None.
# `insight`: of the last examination. `alarms`: AlarmState of every alarm that is not normal.
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
        "insight",
        "alarms",
        "run_hours",
        "starts",
    ),
)

Temperature = namedtuple("Temperature", ("degc", "status", "reason"))
NO_TEMPERATURE = Temperature(None, GOOD, NO_REASON)


class MachineWatch:
    """`settings`: agent.config.Machine. `model`: agent.ports.Model. `known`: its KnownStates.

    `book`: its alarms as people see them. `operating`: OperatingState, with run hours and starts.
    """

    def __init__(
        self,
        settings: "Any",
        table: "Any",
        model: "Any",
        known: "list[KnownState] | None" = None,
        book: "AlarmBook | None" = None,
        operating: "Any" = None,
    ) -> None:
        self._settings = settings
        self._table = table
        self.model = model
        self.states = RunningStates(settings.learn_minutes, known)
        self.book = AlarmBook() if book is None else book
        self._causes = Causes(self.book)
        blank = unseen_machine(SETTLE_WINDOWS, settings.stopped_below_mm_s)
        self.operating = blank if operating is None else operating
        self._mount = MountWatch()
        self._insights = Insights()
        self._temperature = NO_TEMPERATURE
        self.heat = HeatTrend(TEMPERATURE_LIMIT_DEGC, RISE_MIN)
        self._warm_since_ns: "int | None" = None
        self._state = UNKNOWN
        self.rejected = ""
        self._trusted_ns = -(10**18)
        self._stretch_severity: "Severity | None" = None
        self._stretch_ns = 0
        self._silent = 0  # windows since the last stretch in which nothing was heard to move
        self._turned_ns = 0
        self.windows = 0

    @property
    def baseline(self) -> "Any":
        """The calibration of the state the machine is in; None while it is learned."""
        normal = self.states.current.normal
        return None if normal is None else normal.baseline

    @property
    def evidence(self) -> "Any":
        """Of the healthy machine in its present state, for an examination; None without."""
        normal = self.states.current.normal
        return None if normal is None or self._mount.cause else normal.evidence

    def learn_again(self) -> None:
        """The offer taken: everything known is forgotten, the machine is learned as it is now."""
        self.states.forget()
        self._mount = MountWatch()
        self._causes.undecided()

    def feel(self, temperature: "Temperature", mono_ns: int = 0) -> None:
        """The latest reading of the machine's thermocouple."""
        self._temperature = temperature
        self.heat = self.heat.after(temperature.degc, mono_ns)
        level, cause = heat_level(self.heat, temperature.degc, self._causes.level(TEMPERATURE))
        self._causes.take(TEMPERATURE, level, cause, mono_ns)
        warm_ns = 0 if self._warm_since_ns is None else mono_ns - self._warm_since_ns
        level, cause = rise_level(self.heat, warm_ns / 1e9, self._causes.level(RISE))
        self._causes.take(RISE, level, cause, mono_ns)

    def distrust(self, sensor: str, status: str, reason: "Any", mono_ns: int) -> "Verdict":
        """The verdict when the sensor gave nothing that may be judged.

        `reason`: (code, facts). A moment of it (one overrun, one clipped window) changes no state:
        `changed` stays None.
        """
        facts = {"name": sensor, "status": status, "reason": reason}
        held = self._state
        verdict = self._verdict(UNKNOWN, ("sensor", facts), None, 0.0, mono_ns)
        if not self.holds(mono_ns):
            self._mount.interrupted()
            self._causes.undecided()
            return verdict
        if verdict.state != UNKNOWN:
            return verdict
        self._state = held
        return verdict._replace(changed=None)

    def holds(self, mono_ns: int) -> bool:
        """Whether the last trusted verdict is young enough to stand through a gap."""
        return mono_ns - self._trusted_ns < DISTRUST_HOLD_S * 1e9

    @property
    def in_doubt(self) -> bool:
        """Whether windows alone do not say that it runs: then a stretch is asked if it turns."""
        sure = self._silent == 0 and not self.operating.quiet
        return not sure or self.operating.name not in RUNS

    def listen(self, values: "Any", rate_hz: float, machine: "Any") -> float:
        """`turning_mm_s` of a stretch, for `turned`; changes nothing, so any thread may do it."""
        above = STILL_STANDS_OUT if self.operating.quiet else STANDS_OUT
        return turning_mm_s(values, rate_hz, machine, above)

    def turned(self, velocity_mm_s: float) -> None:
        """What a stretch heard of the shaft's own lines, while in doubt."""
        turns = velocity_mm_s >= self._settings.stopped_below_mm_s
        self.operating = self.operating.heard(turns and self._silent > 0)
        self._silent = 0
        self._turned_ns = self._trusted_ns

    def stretched(self, values: "Any", rate_hz: float, found: "Examination") -> None:
        """A gapless stretch of trusted values of some seconds, and what its examination found."""
        if self.operating.name == STOPPED:
            return
        self._stretch_severity = severity_of([values], rate_hz, self._table, self._settings.rpm)
        self._stretch_ns = self._trusted_ns
        half = len(values) // 2
        pattern = signature(values, rate_hz)
        parts = [signature(part, rate_hz) for part in (values[:half], values[half:])]
        steady = not changing(*parts)
        self.operating = self.operating.stretched(steady)
        if self.operating.name != RUNNING or not steady:
            return
        if self.states.stretch(pattern, found.speed):
            self._causes.undecided()
            self._insights.over()
        if self.states.sure:
            self._insights.take(found)
            self.states.current.learner.examined(found.evidence)

    def take(self, values: "Any", rate_hz: float, mono_ns: int) -> "Verdict":
        """The verdict of one trusted window; `values` in g, shape (n, axes)."""
        self.windows += 1
        self._trusted_ns = mono_ns
        self.book.tick(mono_ns)
        self._check_baselines(rate_hz, values.shape[1])
        assessment = assess(
            values, rate_hz, self._table, self._settings.rpm, self.baseline, self.model.score
        )
        self._operate(assessment, mono_ns)
        assessment = self._with_severity(assessment, mono_ns)
        running = self.operating.name == RUNNING
        normal = self.states.current.normal
        if normal is not None:
            self._mount.take(values, assessment.vectors, normal, running and self.states.sure)
        if not running:
            self._causes.undecided()
            return self._verdict(UNKNOWN, (self.operating.name, {}), assessment, rate_hz, mono_ns)
        self._severity(assessment, mono_ns)
        if self._mount.cause:
            reason = self._unseated(mono_ns)
        elif not self.states.sure:
            reason = ("other_speed", {})
        elif normal is None:
            reason = self._learn(values, assessment, rate_hz, mono_ns)
        else:
            return self._compared(assessment, rate_hz, mono_ns)
        return self._judged(UNKNOWN, reason, assessment, rate_hz, mono_ns)

    def _operate(self, assessment: "Assessment", mono_ns: int) -> None:
        if self.operating.quiet and mono_ns - self._turned_ns > SEVERITY_HOLD_S * 1e9:
            self.operating = self.operating.heard(False)  # no stretch could be trusted for long
        self._silent += assessment.felt_mm_s < self._settings.stopped_below_mm_s
        self.operating = self.operating.after(assessment.felt_mm_s, mono_ns)
        if self.operating.name == STOPPED:
            self._warm_since_ns = None
            self._stretch_severity = None
            self._insights.over()
        elif self._warm_since_ns is None:
            self._warm_since_ns = mono_ns

    def _with_severity(self, assessment: "Assessment", mono_ns: int) -> "Assessment":
        """Severity is the last stretch's: a window hardly tells a band's edge from what is below.

        The window's own stands before the first one, and when none could be trusted for long.
        """
        severity = self._stretch_severity
        if severity is None or mono_ns - self._stretch_ns > SEVERITY_HOLD_S * 1e9:
            return assessment
        return assessment._replace(severity=severity)

    def _check_baselines(self, rate_hz: float, axes: int) -> None:
        for state in self.states.states:
            if state.normal is None:
                continue
            why = anomaly.mismatch(state.normal.baseline, rate_hz, axes, model_name(self.model))
            if why:
                self.rejected, state.normal = why, None

    def _severity(self, assessment: "Assessment", mono_ns: int) -> None:
        """Zones need no baseline: they count while learning, and at every speed."""
        level, cause = severity_level(assessment.severity, self._causes.level(SEVERITY))
        self._causes.take(SEVERITY, level, cause, mono_ns)

    def _unseated(self, mono_ns: int) -> "Reason":
        """The sensor was moved: what compares with the baseline says nothing any more."""
        self._causes.clear((ANOMALY, CHANGE, FINDING), mono_ns)
        degrees = round(self._mount.degrees)
        return (f"baseline_invalid_{self._mount.cause}", {"degrees": degrees})

    def _learn(
        self, values: "Any", assessment: "Assessment", rate_hz: float, mono_ns: int
    ) -> "Reason":
        """Teaches the present state; severity alone may warn meanwhile, but never says normal."""
        state = self.states.current
        if not self.operating.still:
            state.learner.take(values, assessment, mono_ns)
        name = model_name(self.model)
        normal = state.learner.finished(rate_hz, self.model, name, state.pattern, state.speed_hz)
        if normal is not None:
            self.states.learned(state, normal)
        facts = {"done": state.learner.done, "needed": BASELINE_WINDOWS}
        code = {"": "learning", "drifts": "learning_drifts", "moved": "learning_moved"}
        return (code[state.learner.refused], facts)

    def _compared(self, assessment: "Assessment", rate_hz: float, mono_ns: int) -> "Verdict":
        found, baseline = assessment.anomaly, self.baseline
        assert found is not None, "a comparison needs a baseline"
        level, cause = anomaly_level(found, rate_hz, self._causes.level(ANOMALY))
        if self.states.placed or found.contributions[0][2] > 1:
            # Quieter, and with no pattern left to tell the speed by: it may just turn slower.
            self._causes.take(ANOMALY, level, cause, mono_ns)
        level, cause = change_level(
            assessment.severity, baseline.velocity_rms_mm_s, self._causes.level(CHANGE)
        )
        self._causes.take(CHANGE, level, cause, mono_ns)
        self._find(mono_ns)
        return self._judged(NORMAL, ("like_baseline", {}), assessment, rate_hz, mono_ns)

    def _find(self, mono_ns: int) -> None:
        """A likely finding that stands is a warning, even where no single score says so."""
        likely = [f for f in self._insights.now.findings if f.confidence >= FINDING_LIKELY]
        if not likely:
            self._causes.take(FINDING, NORMAL, ("like_baseline", {}), mono_ns)
            return
        first = likely[0]
        facts = {
            "name": first.name,
            "confidence": round(first.confidence, 2),
            "evidence": first.evidence,
            "check": first.check,
        }
        self._causes.take(FINDING, WARNING, ("finding", facts), mono_ns)

    def _judged(
        self, state: str, reason: "Reason", assessment: "Assessment", rate_hz: float, mono_ns: int
    ) -> "Verdict":
        """The worst cause that is up; where none is, what was given."""
        level, cause = self._causes.worst()
        if level != NORMAL:
            state, reason = level, cause
        return self._verdict(state, reason, assessment, rate_hz, mono_ns)

    def _verdict(
        self,
        state: str,
        reason: "Reason",
        assessment: "Assessment | None",
        rate_hz: float,
        mono_ns: int,
    ) -> "Verdict":
        heat = self._causes.hottest()
        if heat is not None and rank(heat[0]) > rank(state):
            # Heat counts whether or not vibration may be judged: learning, stopped, no sensor.
            state, reason = heat
        changed = self._state if state != self._state else None
        self._state = state
        return Verdict(
            self._settings.name,
            state,
            reason,
            assessment,
            self.operating.name if assessment is not None else UNKNOWN,
            self._temperature.degc,
            rate_hz,
            self.windows,
            mono_ns,
            changed,
            model_name(self.model),
            self._insights.now,
            tuple(self.book.shown()),
            self.operating.run_hours,
            self.operating.starts,
        )


def baseline_key(machine: "Any", model: "Any") -> str:
    """Where a machine's baseline is kept: one for each mounting of its sensor and each model."""
    place = machine.name if machine.mounting == 1 else f"{machine.name}/mounting {machine.mounting}"
    return f"baseline/{place}/{model_name(model)}"


def alarms_key(machine: "Any") -> str:
    """Where the states of a machine's alarms are kept."""
    return f"alarms/{machine.name}"


def fitted_key(machine: "Any", sensor: "Any") -> str:
    """Where is kept what its accelerometer was like when it was fitted: another one begins anew."""
    place = f"{machine.name}/mounting {machine.mounting}"
    return f"fitted/{place}/{sensor.chip} at {sensor.rate_hz} Hz"


def usage_key(machine: "Any") -> str:
    """Where a machine's run hours and starts are kept."""
    return f"usage/{machine.name}"


def model_name(model: "Any") -> str:
    """What a baseline is bound to."""
    return f"{model.name} {model.version}"


def rank(state: str) -> int:
    """How much a state asks of people: unknown and normal nothing, an alarm the most."""
    return {WARNING: 1, ALARM: 2}.get(state, 0)
