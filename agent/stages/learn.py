"""Learning one running state: windows spread over enough running time, refused while it drifts.

200 windows of one minute know nothing of load, warm-up and neighbours that come and go: they are
taken one after another over `learn_minutes` of running in this state, however that is broken up.
"""

from agent.analysis import anomaly
from agent.analysis.assess import stack
from agent.analysis.healthy import typical
from agent.analysis.known import KnownState
from agent.analysis.mounting import gravity_of, mean_direction, turned_deg
from agent.limits import BASELINE_WINDOWS, EVIDENCE_KEPT, WINDOW_OVERLAP

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from agent.analysis.assess import Assessment

TURN_WHILE_LEARNING_DEG = 5.0  # the mounting must hold: windows of two are never pooled


class Learner:
    """`refused`: "" or why what was learned was thrown away: it drifted, or the sensor moved."""

    def __init__(self, learn_minutes: float) -> None:
        self._spacing_ns = int(learn_minutes * 60e9 / BASELINE_WINDOWS)
        self._rows: "list[tuple[Any, float, Any]]" = []
        self._evidence: "list[Any]" = []
        self._next_ns = -(10**18)
        self.refused = ""

    @property
    def done(self) -> int:
        return len(self._rows)

    def take(self, values: "Any", assessment: "Assessment", mono_ns: int) -> None:
        """One window of a machine that runs, when it is due and its severity is fit to teach."""
        if mono_ns < self._next_ns or assessment.severity.zone not in "AB":
            return
        gravity = gravity_of(values)
        self._check_mounting(gravity)
        self._next_ns = max(self._next_ns + self._spacing_ns, mono_ns + self._spacing_ns // 2)
        self._rows.append((assessment.vectors, assessment.severity.velocity_rms_mm_s, gravity))

    def examined(self, evidence: "Any") -> None:
        self._evidence = [*self._evidence, evidence][-EVIDENCE_KEPT:]

    def _check_mounting(self, gravity: "Any") -> None:
        known = mean_direction([row[2] for row in self._rows if row[2] is not None])
        if known is None or gravity is None:
            return
        if turned_deg(gravity, known) > TURN_WHILE_LEARNING_DEG:
            self._rows, self._evidence, self.refused = [], [], "moved"

    def finished(
        self, rate_hz: float, model: "Any", model_name: str, pattern: "Any", speed_hz: "Any"
    ) -> "KnownState | None":
        """The state once it is known; None before, and when it drifted (half is learned anew)."""
        if len(self._rows) < BASELINE_WINDOWS:
            return None
        vectors, velocities, gravities = zip(*self._rows)
        if anomaly.drifted(stack(vectors)):
            self._rows, self.refused = self._rows[len(self._rows) // 2 :], "drifts"
            return None
        independent = len(vectors)
        if self._spacing_ns < 1e9:
            independent //= WINDOW_OVERLAP
        baseline = anomaly.calibrate(
            stack(vectors), stack(velocities), rate_hz, model_name, model.score, independent
        )
        gravity = mean_direction([one for one in gravities if one is not None])
        evidence = typical(self._evidence) if self._evidence else None
        self.refused = ""
        return KnownState(baseline, gravity, pattern, speed_hz, evidence)
