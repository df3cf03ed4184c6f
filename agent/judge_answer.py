"""The object that `latido judge` prints of one recording, built from what was seen in it. Pure."""

from agent.analysis.assess import anomaly_reason, median_of, severity_of
from agent.analysis.features import FEATURE_NAMES
from agent.core.alarm import ALARM, NORMAL, UNKNOWN, WARNING
from agent.limits import ALARM_M, ALARM_N, ALARM_RATIO
from agent.page.judgement import cannot_see_texts, finding_text
from agent.page.words import LANGUAGES, check_text, sentence

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

SUSPECT_SHARE = ALARM_N / ALARM_M  # of the windows: the agent's N of M, over a whole recording
STANDING_SHARE = 0.5  # of the stretches of a recording: more of them must find the same
WARNS_FROM = 0.5  # confidence of a finding that makes a verdict


def answer_of(
    heard: "Any",
    quality: "dict[str, Any]",
    question: "Any",
    stretches: "list[Any]",
    seen: "list[Any]",
    examinations: "list[Any]",
    model: "Any",
) -> "tuple[dict[str, Any], int]":
    """(the object, the place of the examination that it quotes).

    `seen`: one Assessment a window; `stretches`: gapless parts of the recording, shape (n, axes),
    and `examinations`: one of each.
    """
    machine = question.machine
    severity = severity_of(stretches, heard.rate_hz, question.table, machine.rpm)
    found = _anomaly(seen, model)
    chosen = _typical_place(examinations)
    findings = _standing(examinations)
    verdict, reason = _verdict(severity, found, seen, heard.rate_hz, findings)
    answer = {
        "file": heard.path,
        "rate_hz": round(heard.rate_hz, 3),
        "windows": len(seen),
        "quality": quality,
        "severity": {
            "velocity_rms_mm_s": round(severity.velocity_rms_mm_s, 4),
            "displacement_rms_um": round(severity.displacement_rms_um or 0.0, 3),
            "zone": severity.zone,
            "zone_by": severity.by,
            "edition": severity.edition,
            "group": severity.group,
            "informative": severity.informative,
        },
        "features": _features(seen),
        "anomaly": found,
        "speed": _speed(examinations[chosen].speed),
        "bearing": _bearing(examinations[chosen].bearing),
        "findings": findings,
        "cannot_see": list(examinations[chosen].cannot_see),
        "cannot_see_text": {
            language: cannot_see_texts(examinations[chosen].cannot_see, language)
            for language in LANGUAGES
        },
        "verdict": verdict,
        "reason": reason,
    }
    return {**answer, **_reason_text(reason)}, chosen


def _reason_text(reason: "Any") -> "dict[str, Any]":
    return {"reason_text": {language: sentence(reason, language) for language in LANGUAGES}}


def _typical_place(examinations: "list[Any]") -> int:
    """The examination that agrees most with the others on bearing and findings."""
    views = [(one.bearing.verdict, *sorted(f.name for f in one.findings)) for one in examinations]
    return max(range(len(views)), key=lambda place: (views.count(views[place]), -place))


def _standing(examinations: "list[Any]") -> "list[dict[str, Any]]":
    """Findings that more than half of the stretches share, each as it was most typically seen."""
    by_name: "dict[str, list[Any]]" = {}
    for one in examinations:
        for finding in one.findings:
            by_name.setdefault(finding.name, []).append(finding)
    standing = []
    for same in by_name.values():
        if len(same) > STANDING_SHARE * len(examinations):
            ordered = sorted(same, key=lambda finding: float(finding.confidence))
            standing.append(_finding(ordered[len(ordered) // 2]))
    return sorted(standing, key=lambda finding: -float(finding["confidence"]))


def _finding(finding: "Any") -> "dict[str, Any]":
    facts = {
        "name": finding.name,
        "confidence": round(finding.confidence, 2),
        "evidence": finding.evidence,
        "check": finding.check,
    }
    facts["text"] = {language: finding_text(facts, language) for language in LANGUAGES}
    facts["check_text"] = {language: check_text(finding.check, language) for language in LANGUAGES}
    return facts


def _bearing(bearing: "Any") -> "dict[str, Any]":
    return {
        name: round(value, 4) if isinstance(value, float) else value
        for name, value in zip(bearing._fields, bearing)
    }


def _speed(speed: "Any") -> "dict[str, Any]":
    hz = None if speed.hz is None else round(speed.hz, 4)
    told = {"hz": hz, "confidence": round(speed.confidence, 2), "source": speed.source}
    if speed.elsewhere_hz is not None:
        told["elsewhere_hz"] = round(speed.elsewhere_hz, 3)
    return told


def _features(seen: "list[Any]") -> "dict[str, list[float]]":
    """Median level of each feature, one value an axis, in the feature's own unit."""
    middle = median_of([one.vectors for one in seen], levels=True)
    return {
        name: [round(float(axis[place]), 6) for axis in middle]
        for place, name in enumerate(FEATURE_NAMES)
    }


def _anomaly(seen: "list[Any]", model: "Any") -> "dict[str, Any]":
    if seen[0].anomaly is None:
        return {
            "score": None,
            "threshold": None,
            "verdict": UNKNOWN,
            "contributions": [],
            "model": model_name(model),
        }
    ordered = sorted(seen, key=lambda one: float(one.anomaly.ratio))
    middle = ordered[len(ordered) // 2].anomaly
    suspect = sum(one.anomaly.ratio > 1 for one in seen) / len(seen)
    return {
        "score": round(middle.score, 4),
        "threshold": round(middle.threshold, 4),
        "verdict": "anomalous" if suspect >= SUSPECT_SHARE else NORMAL,
        "suspect_windows": round(suspect, 3),
        "contributions": [
            {"feature": name, "share": round(share, 3), "times": round(times, 3)}
            for name, share, times in middle.contributions
        ],
        "model": model_name(model),
    }


def _verdict(
    severity: "Any",
    found: "dict[str, Any]",
    seen: "list[Any]",
    rate_hz: float,
    findings: "list[dict[str, Any]]",
) -> "tuple[str, list[Any]]":
    """(normal, warning, alarm or unknown; the reason as code and facts).

    A fault that has a name says more than that something has changed, or is severe.
    """
    severe = {"D": ALARM, "C": WARNING}.get(severity.zone)
    named = [one for one in findings if one["confidence"] >= WARNS_FROM]
    level, reason = NORMAL, ["like_baseline", {}]
    if found["verdict"] == UNKNOWN:
        level, reason = UNKNOWN, ["no_baseline", {"zone": severity.zone}]
    if found["verdict"] == "anomalous":
        ordered = sorted(seen, key=lambda one: float(one.anomaly.ratio))
        middle = ordered[len(ordered) // 2].anomaly
        level = ALARM if middle.ratio > ALARM_RATIO or severe == ALARM else WARNING
        reason = ["anomaly", anomaly_reason(middle, rate_hz)]
    elif severe:
        limit = severity.limits_mm_s[2 if severity.zone == "D" else 1]
        velocity = round(severity.velocity_rms_mm_s, 2)
        level = severe
        reason = ["severity", {"zone": severity.zone, "velocity": velocity, "limit": limit}]
    if named:
        level = WARNING if level in (NORMAL, UNKNOWN) else level
        reason = ["finding", _reason_of(named[0])]
    return level, reason


def _reason_of(finding: "dict[str, Any]") -> "dict[str, Any]":
    return {key: finding[key] for key in ("name", "confidence", "evidence", "check")}


def baseline_invalid(answer: "dict[str, Any]", turned_deg: float) -> "dict[str, Any]":
    """The sensor was turned against its baseline: no axis is what it was, so nothing is named."""
    reason = ["baseline_invalid_recordings", {"degrees": round(turned_deg)}]
    changed = {**answer, "findings": [], "verdict": UNKNOWN, "reason": reason}
    return {**changed, **_reason_text(reason)}


def unjudged(
    path: str, rate_hz: float, quality: "dict[str, Any]", table: "Any"
) -> "dict[str, Any]":
    """Nothing in it may be judged: the sensor's fault, not the machine's."""
    reason = {"name": path, "status": quality["status"], "reason": quality["reasons"][0]}
    answer: "dict[str, Any]" = {
        "file": path,
        "rate_hz": round(rate_hz, 3),
        "windows": 0,
        "quality": quality,
        "severity": {
            "velocity_rms_mm_s": None,
            "displacement_rms_um": None,
            "zone": None,
            "zone_by": None,
            "edition": table.edition,
            "group": table.group,
            "informative": table.informative,
        },
        "features": {},
        "anomaly": {"score": None, "threshold": None, "verdict": UNKNOWN, "contributions": []},
        "speed": {"hz": None, "confidence": 0.0, "source": UNKNOWN},
        "bearing": {
            "verdict": UNKNOWN,
            "order": None,
            "measured_hz": None,
            "slip": None,
            "harmonics": 0,
            "score": None,
            "method": "",
            "reason": "untrusted",
        },
        "findings": [],
        "cannot_see": [],
        "cannot_see_text": {language: [] for language in LANGUAGES},
        "verdict": UNKNOWN,
        "reason": ["sensor", reason],
    }
    return {**answer, **_reason_text(answer["reason"])}


def model_name(model: "Any") -> str:
    """What a calibration is bound to."""
    return f"{model.name} {model.version}"
