"""A verdict as facts for others: the page's card, the outbox row, the judge's object. Pure."""

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from agent.stages.machine import Verdict

ANOMALOUS = "anomalous"
NORMAL = "normal"


def card(
    machine: "Any", verdict: "Verdict", sensors: "list[dict[str, Any]]", utc_ns: int, synced: bool
) -> "dict[str, Any]":
    """What the page shows of one machine."""
    return {
        "name": machine.name,
        "kind": machine.kind,
        "state": verdict.state,
        "reason": [verdict.reason[0], verdict.reason[1]],
        **_severity(verdict),
        "temperature_degc": verdict.temperature_degc,
        "operating_state": verdict.operating_state,
        "rate_hz": verdict.rate_hz,
        "anomaly": _anomaly(verdict),
        **_insight(verdict),
        "alarms": [_alarm(alarm) for alarm in verdict.alarms],
        "run_hours": round(verdict.run_hours, 2),
        "starts": verdict.starts,
        "sensors": sensors,
        "windows": verdict.windows,
        "mono_ns": verdict.mono_ns,
        "utc_ns": utc_ns,
        "clock_synced": synced,
    }


def row_body(verdict: "Verdict", utc_ns: int, synced: bool) -> "dict[str, Any]":
    """What goes upstream of one verdict."""
    return {
        "machine": verdict.machine,
        "state": verdict.state,
        "reason": [verdict.reason[0], verdict.reason[1]],
        **_severity(verdict),
        "temperature_degc": verdict.temperature_degc,
        "operating_state": verdict.operating_state,
        "rate_hz": round(verdict.rate_hz, 2),
        "anomaly": _anomaly(verdict),
        **_insight(verdict),
        "alarms": [_alarm(alarm) for alarm in verdict.alarms],
        "run_hours": round(verdict.run_hours, 2),
        "starts": verdict.starts,
        "utc_ns": utc_ns,
        "clock_synced": synced,
    }


def alarm_body(machine: str, change: "Any", utc_ns: int, synced: bool) -> "dict[str, Any]":
    """What goes upstream of one change of an alarm (ISA-18.2: time, person, comment)."""
    return {
        "machine": machine,
        "alarm": change.name,
        "from": change.before,
        "to": change.after,
        "event": change.event,
        "level": change.level,
        "cause": None if change.cause is None else list(change.cause),
        "person": change.person,
        "comment": change.comment,
        "mono_ns": change.mono_ns,
        "utc_ns": utc_ns,
        "clock_synced": synced,
    }


def _alarm(alarm: "Any") -> "dict[str, Any]":
    return {"name": alarm.name, "state": alarm.state, "level": alarm.level}


def _insight(verdict: "Verdict") -> "dict[str, Any]":
    """Speed, bearing, findings that stand and what is out of sight, as the last stretch showed."""
    insight = verdict.insight
    speed, bearing = insight.speed, insight.bearing
    return {
        "speed": None if speed is None else speed_body(speed),
        "bearing": None if bearing is None else bearing_body(bearing),
        "findings": [
            {
                "name": finding.name,
                "confidence": round(finding.confidence, 2),
                "evidence": finding.evidence,
                "check": finding.check,
            }
            for finding in insight.findings
        ],
        "cannot_see": list(insight.cannot_see),
    }


def speed_body(speed: "Any") -> "dict[str, Any]":
    """The shaft's speed as facts; `elsewhere_hz` only where its lines do not fit what was given."""
    told = {
        "hz": None if speed.hz is None else round(speed.hz, 3),
        "confidence": round(speed.confidence, 2),
        "source": speed.source,
    }
    if speed.elsewhere_hz is not None:
        told["elsewhere_hz"] = round(speed.elsewhere_hz, 3)
    return told


def bearing_body(bearing: "Any") -> "dict[str, Any]":
    """A bearing's verdict as facts."""
    body = {
        name: None if value is None else round(float(value), digits)
        for name, value, digits in (
            ("order", bearing.order, 4),
            ("measured_hz", bearing.measured_hz, 3),
            ("slip", bearing.slip, 4),
            ("score", bearing.score, 3),
        )
    }
    return {
        "verdict": bearing.verdict,
        **body,
        "harmonics": bearing.harmonics,
        "method": bearing.method,
        "reason": bearing.reason,
        "supported": bearing.supported,
    }


def _severity(verdict: "Verdict") -> "dict[str, Any]":
    if verdict.assessment is None:
        return {
            "velocity_rms_mm_s": None,
            "displacement_rms_um": None,
            "zone": None,
            "zone_by": None,
            "edition": "",
            "group": "",
            "support": "",
            "clause": "",
            "informative": False,
        }
    severity = verdict.assessment.severity
    moved = severity.displacement_rms_um
    return {
        "velocity_rms_mm_s": round(severity.velocity_rms_mm_s, 3),
        "displacement_rms_um": None if moved is None else round(moved, 2),
        "zone": severity.zone,
        "zone_by": severity.by,
        "edition": severity.edition,
        "group": severity.group,
        "support": severity.support,
        "clause": severity.clause,
        "informative": severity.informative,
    }


def _anomaly(verdict: "Verdict") -> "dict[str, Any] | None":
    if verdict.assessment is None or verdict.assessment.anomaly is None:
        return None
    found = verdict.assessment.anomaly
    return {
        "score": round(found.score, 3),
        "threshold": round(found.threshold, 3),
        "verdict": ANOMALOUS if found.ratio > 1 else NORMAL,
        "model": verdict.model,
    }
