"""What examinations of longer stretches came to: only what repeats stands."""

from collections import namedtuple

from agent.core.standing import Standing
from agent.limits import FINDING_M, FINDING_N

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from agent.analysis.examine import Examination

# What a verdict carries of it; `speed` and `bearing` None before the first examination.
Insight = namedtuple("Insight", ("speed", "bearing", "findings", "cannot_see"))
NO_INSIGHT = Insight(None, None, (), ())
ELEMENTS = ("inner", "outer", "rolling_element", "cage")
NOT_REPEATED = "not_repeated"


class Insights:
    """`now`: the Insight after the last examination."""

    def __init__(self) -> None:
        self.now = NO_INSIGHT
        self._standing = Standing(FINDING_N, FINDING_M)
        self._last: "dict[str, Any]" = {}

    def take(self, found: "Examination") -> None:
        names = tuple(finding.name for finding in found.findings)
        element = found.bearing.verdict
        if element in ELEMENTS:
            names = (*names, f"element {element}")
        self._standing = self._standing.after(names)
        for finding in found.findings:
            self._last[finding.name] = finding
        standing = [one for name, one in self._last.items() if self._standing.stands(name)]
        standing.sort(key=lambda finding: -finding.confidence)
        self.now = Insight(
            found.speed, self._bearing(found.bearing), tuple(standing), found.cannot_see
        )

    def over(self) -> None:
        """The machine stopped, or runs at another speed: nothing of the old one stands."""
        self._standing = Standing(FINDING_N, FINDING_M)
        self._last = {}
        self.now = NO_INSIGHT

    def _bearing(self, bearing: "Any") -> "Any":
        """An element is named once it repeats; until then it is unknown."""
        if bearing.verdict not in ELEMENTS or self._standing.stands(f"element {bearing.verdict}"):
            return bearing
        return bearing._replace(verdict="unknown", reason=NOT_REPEATED)
