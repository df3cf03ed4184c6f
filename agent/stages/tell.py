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
        "utc_ns": utc_ns,
        "clock_synced": synced,
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
