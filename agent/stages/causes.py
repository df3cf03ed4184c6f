"""What may be wrong, cause by cause: its level now, its trend over windows, its alarm for people.

Each cause has limits, a deadband below them once it is up, N of M windows and delays of its own.
The instant never alarms.
"""

from agent.analysis.assess import anomaly_reason
from agent.analysis.severity import DISPLACEMENT, change_limits, zone_of
from agent.core.alarm import ALARM, LEVELS, NORMAL, WARNING, new_alarm
from agent.limits import (
    ALARM_M,
    ALARM_N,
    ALARM_OFF_S,
    ALARM_ON_S,
    ALARM_RATIO,
    DEADBAND,
    RISE_DEGC,
    RISE_MIN,
    TEMPERATURE_LIMIT_DEGC,
    TEMPERATURE_READINGS,
    WARM_AFTER_S,
)

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from agent.analysis.anomaly import Anomaly
    from agent.analysis.severity import Severity
    from agent.core.alarm import Alarm
    from agent.core.alarm_state import AlarmBook
    from agent.core.heat import HeatTrend

    Cause = tuple[str, dict[str, Any]]

SEVERITY, CHANGE, ANOMALY = "severity", "change", "anomaly"
TEMPERATURE, RISE, FINDING = "temperature", "temperature_rise", "finding"
BY_VIBRATION = (SEVERITY, CHANGE, ANOMALY)
NOTHING: "Cause" = ("like_baseline", {})


class Causes:
    """`book`: the alarms as people see them, fed with every trend."""

    def __init__(self, book: "AlarmBook") -> None:
        slow = new_alarm(ALARM_N, ALARM_M, int(ALARM_ON_S * 1e9), int(ALARM_OFF_S * 1e9))
        at_once = new_alarm(1, 1)
        self.book = book
        self._trends: "dict[str, Alarm]" = {name: slow for name in BY_VIBRATION}
        self._trends.update({name: at_once for name in (TEMPERATURE, RISE, FINDING)})
        self._causes: "dict[str, Cause]" = {name: NOTHING for name in self._trends}

    def level(self, name: str) -> str:
        return self._trends[name].level

    def take(self, name: str, level: str, cause: "Cause", mono_ns: int) -> None:
        """What one more window, reading or examination says of one cause."""
        self._trends[name] = self._trends[name].after(level, mono_ns)
        if level != NORMAL:
            self._causes[name] = cause
        self.book.condition(name, self.level(name), self._causes[name], mono_ns)

    def undecided(self) -> None:
        """It stopped, or runs at another speed: what was pending does not join on to what comes."""
        for name in BY_VIBRATION:
            self._trends[name] = self._trends[name].undecided()

    def clear(self, names: "tuple[str, ...]", mono_ns: int) -> None:
        """The ground for these is gone: what they compared with is not valid."""
        for name in names:
            rule = self._trends[name].rule
            self._trends[name] = new_alarm(rule.n, rule.m, rule.on_ns, rule.off_ns)
            self.book.condition(name, NORMAL, None, mono_ns)

    def hottest(self) -> "tuple[str, Cause] | None":
        """What temperature alone says, when it says anything."""
        for name in (TEMPERATURE, RISE):
            if self.level(name) != NORMAL:
                return self.level(name), self._causes[name]
        return None

    def worst(self) -> "tuple[str, Cause]":
        """The most severe level and its cause; of equals the one that says more."""
        name = max(self._trends, key=lambda one: LEVELS.index(self._trends[one].level))
        return self._trends[name].level, self._causes[name]


def severity_level(severity: "Severity", held: str) -> "tuple[str, Cause]":
    """Zone D is an alarm, zone C a warning (ISO 20816-1, 6.5: evaluation zones)."""
    level = {"D": ALARM, "C": WARNING}.get(severity.zone, NORMAL)
    if LEVELS.index(level) < LEVELS.index(held):
        zone = zone_of(severity.velocity_rms_mm_s / DEADBAND, severity.limits_mm_s)
        level = min(held, {"D": ALARM, "C": WARNING}.get(zone, NORMAL), key=LEVELS.index)
    limit = severity.limits_mm_s[2] if severity.zone == "D" else severity.limits_mm_s[1]
    facts = {
        "zone": severity.zone,
        "velocity": round(severity.velocity_rms_mm_s, 2),
        "limit": limit,
    }
    if severity.by == DISPLACEMENT and severity.limits_um is not None:
        limit_um = severity.limits_um[2 if severity.zone == "D" else 1]
        facts = {
            "zone": severity.zone,
            "displacement": round(severity.displacement_rms_um or 0.0, 1),
            "limit": limit_um,
        }
        return level, ("severity_um", facts)
    return level, ("severity", facts)


def change_level(severity: "Severity", normal_mm_s: float, held: str) -> "tuple[str, Cause]":
    """Against the machine's own normal: ALARM and TRIP of ISO 20816-1, and any large change."""
    limits = change_limits(normal_mm_s, severity.limits_mm_s)
    found = severity.velocity_rms_mm_s
    ease = DEADBAND if held != NORMAL else 1.0
    level = NORMAL
    if abs(found - normal_mm_s) > ease * limits.change_mm_s or found > ease * limits.alarm_mm_s:
        level = WARNING
    if found > (DEADBAND if held == ALARM else 1.0) * limits.trip_mm_s:
        level = ALARM
    facts = {
        "velocity": round(found, 2),
        "normal": round(normal_mm_s, 2),
        "limit": round(limits.trip_mm_s if level == ALARM else limits.alarm_mm_s, 2),
        "change": round(limits.change_mm_s, 2),
    }
    return level, ("change" if found >= normal_mm_s else "change_down", facts)


def anomaly_level(found: "Anomaly", rate_hz: float, held: str) -> "tuple[str, Cause]":
    """Beyond the threshold a warning, far beyond it an alarm."""
    warning = DEADBAND if held != NORMAL else 1.0
    alarm = ALARM_RATIO * (DEADBAND if held == ALARM else 1.0)
    level = ALARM if found.ratio > alarm else WARNING if found.ratio > warning else NORMAL
    return level, ("anomaly", anomaly_reason(found, rate_hz))


def heat_level(heat: "HeatTrend", degc: "float | None", held: str) -> "tuple[str, Cause]":
    """Readings in a row above the limit; up, it stays up to the deadband."""
    facts = {"value": degc, "limit": TEMPERATURE_LIMIT_DEGC}
    still = held == ALARM and degc is not None and degc > DEADBAND * TEMPERATURE_LIMIT_DEGC
    hot = heat.hot >= TEMPERATURE_READINGS or still
    return ALARM if hot else NORMAL, ("temperature", facts)


def rise_level(heat: "HeatTrend", warm_s: float, held: str) -> "tuple[str, Cause]":
    """Rising faster than a machine does that has run for an hour."""
    rise = heat.rise_degc()
    ease = DEADBAND if held != NORMAL else 1.0
    fast = rise is not None and rise > ease * RISE_DEGC and warm_s >= WARM_AFTER_S
    facts = {"rise": None if rise is None else round(rise, 1), "minutes": RISE_MIN}
    return WARNING if fast else NORMAL, ("temperature_rise", facts)
