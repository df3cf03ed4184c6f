"""One recording through the very same analysis as the running agent, as fast as the machine allows.

Directly, or played into a simulated chip's registers and read back by the real driver. Pure but for
reading the files it is given: no clock, no network.
"""

from collections import namedtuple
from pathlib import Path

from agent.analysis import anomaly
from agent.analysis.assess import anomaly_reason, assess, median_of, stack
from agent.analysis.features import FEATURE_NAMES, shortest_window
from agent.analysis.recording import RecordingFault, read_recording, sidecar_scale
from agent.analysis.resample import to_rate
from agent.analysis.severity import judge_severity
from agent.analysis.spectra import iso_band_hz
from agent.analysis.trust import flat_top_g, values_trust
from agent.core.alarm import ALARM, NORMAL, UNKNOWN, WARNING
from agent.core.block import GOOD, worse
from agent.limits import ALARM_M, ALARM_N, ALARM_RATIO

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from agent.play import Player

BASELINE_WINDOWS_WANTED = 64  # short recordings overlap their windows more to reach it
HOP_OF_WINDOW_MIN = 16  # at most fifteen sixteenths of overlap: closer windows add nothing
RATE_HZ_MIN = 100.0  # below it nothing is left of the band that begins at 10 Hz
RATE_HZ_MAX = 1e7
SUSPECT_SHARE = ALARM_N / ALARM_M  # of the windows: the agent's N of M, over a whole recording

# `table`: SeverityTable; `rpm`: r/min or None.
Question = namedtuple("Question", ("rate_hz", "unit", "column", "scale", "rpm", "table"))
Recording = namedtuple("Recording", ("path", "acceleration_g", "rate_hz"))


def load(path: str, question: "Question") -> "Recording":
    """The recording at `path`; RecordingFault naming the file."""
    file = Path(path)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise RecordingFault(f"{path}: {error.strerror or error}")
    scale, rate_hz = question.scale, question.rate_hz
    if scale is None and file.suffix == ".npz":
        scale, stated_hz = _beside(file, question.column)
        rate_hz = stated_hz if rate_hz is None else rate_hz
    try:
        acceleration_g, own_hz = read_recording(
            file.suffix, content, question.column, question.unit, scale
        )
    except RecordingFault as fault:
        raise RecordingFault(f"{path}: {fault}")
    rate_hz = own_hz if rate_hz is None else rate_hz
    if rate_hz is None:
        raise RecordingFault(f"{path}: does not state its rate (give --rate-hz)")
    if not RATE_HZ_MIN <= rate_hz <= RATE_HZ_MAX:
        raise RecordingFault(
            f"{path}: {rate_hz:g} Hz is not a rate that can be judged"
            f" (expected {RATE_HZ_MIN:g} to {RATE_HZ_MAX:g})"
        )
    return Recording(path, acceleration_g, rate_hz)


def _beside(file: "Path", column: "str | None") -> "tuple[float | None, float | None]":
    try:
        return sidecar_scale((file.parent / "manifest.json").read_text(), file.name, column)
    except (OSError, UnicodeDecodeError):
        return None, None


def judge(
    recording: "Recording",
    baselines: "list[Recording]",
    question: "Question",
    model: "Any",
    player: "Player | None" = None,
) -> "dict[str, Any]":
    """The judgement of one recording, as the object that `--json` prints.

    All are brought to the lowest of their rates: only what every one of them can show is compared.
    `player.play(acceleration_g, rate_hz)` gives what a sensor would have made of it, at what rate.
    """
    _check_axes(recording, baselines)
    rate_hz = min(one.rate_hz for one in [recording, *baselines])
    wanted = [_seen(one, rate_hz, player) for one in [recording, *baselines]]
    values, seen_hz = wanted[0]
    frames = window_frames(seen_hz, question.rpm)
    windows = _windows(recording.path, values, seen_hz, frames, 2)
    limits_g = _limits_g([recording, *baselines], player)
    quality, trusted = _trusted(windows, limits_g[0])
    baseline, note = _baseline(wanted[1:], baselines, limits_g[1:], question, model)
    if not trusted:
        return _unjudged(recording, seen_hz, quality, question)
    seen = [
        assess(window, seen_hz, question.table, question.rpm, baseline, model.score)
        for window in trusted
    ]
    if note:
        quality["notes"].append(note)
    return _answer(recording, seen_hz, quality, question, seen, baseline, model)


def _check_axes(recording: "Recording", baselines: "list[Recording]") -> None:
    axes = recording.acceleration_g.shape[1]
    for one in baselines:
        found = one.acceleration_g.shape[1]
        if found != axes:
            raise RecordingFault(
                f"{recording.path}: {axes} axes, its baseline {one.path} has {found}"
                " (choose the same with --column)"
            )


def _seen(one: "Recording", rate_hz: float, player: "Player | None") -> "tuple[Any, float]":
    if player is not None:
        return player.play(one.acceleration_g, one.rate_hz)
    return to_rate(one.acceleration_g, one.rate_hz, rate_hz), rate_hz


def _limits_g(recordings: "list[Recording]", player: "Player | None") -> "list[float | None]":
    """Where each is clipped: a chip at its range, a recording where its peaks are flat."""
    if player is not None:
        return [player.range_g] * len(recordings)
    return [flat_top_g(one.acceleration_g) for one in recordings]


def window_frames(rate_hz: float, rpm: "float | None") -> int:
    """The window's length: three periods of the lowest frequency of the ISO band of that speed."""
    return shortest_window(rate_hz, iso_band_hz(rpm)[0])


def _windows(path: str, values: "Any", rate_hz: float, frames: int, hops: int) -> "list[Any]":
    if len(values) < frames:
        raise RecordingFault(
            f"{path}: {len(values)} samples at {rate_hz:g} Hz are {len(values) / rate_hz:.3f} s"
            f" (expected at least one window of {frames})"
        )
    return [values[at : at + frames] for at in range(0, len(values) - frames + 1, frames // hops)]


def _trusted(windows: "list[Any]", limit_g: "float | None") -> "tuple[dict[str, Any], list[Any]]":
    status, reasons, trusted = GOOD, [], []
    for window in windows:
        verdict, reason = values_trust(window, limit_g)
        status = worse(status, verdict)
        if verdict == GOOD:
            trusted.append(window)
        elif reason not in reasons:
            reasons.append(reason)
    quality = {
        "status": status,
        "reasons": reasons[:5],
        "windows_rejected": len(windows) - len(trusted),
        "notes": [],
    }
    return quality, trusted


def _baseline(
    seen: "list[tuple[Any, float]]",
    recordings: "list[Recording]",
    limits_g: "list[float | None]",
    question: "Question",
    model: "Any",
) -> "tuple[Any, str]":
    """(the calibration over all baseline recordings or None, a note about its shortness or "")."""
    if not seen:
        return None, ""
    rate_hz = seen[0][1]
    frames = window_frames(rate_hz, question.rpm)
    trusted: "list[Any]" = []
    for (values, _), recording, limit_g in zip(seen, recordings, limits_g):
        windows = _windows(recording.path, values, rate_hz, frames, _hops(seen, frames))
        trusted += _trusted(windows, limit_g)[1]
    if len(trusted) < anomaly.WINDOWS_MIN:
        names = ", ".join(recording.path for recording in recordings)
        raise RecordingFault(
            f"{names}: {len(trusted)} windows are too few for a baseline"
            f" (expected {anomaly.WINDOWS_MIN} or more that can be trusted)"
        )
    taught = [assess(w, rate_hz, question.table, question.rpm, None, None) for w in trusted]
    baseline = anomaly.calibrate(
        stack([one.vectors for one in taught]),
        stack([one.severity.velocity_rms_mm_s for one in taught]),
        rate_hz,
        _name(model),
        model.score,
        sum(len(values) for values, _ in seen) / frames,
    )
    seconds = sum(len(values) for values, _ in seen) / rate_hz
    return baseline, f"baseline of {seconds:.1f} s in {len(trusted)} overlapping windows"


def _hops(seen: "list[tuple[Any, float]]", frames: int) -> int:
    """How many windows begin in the length of one: more, the shorter the recordings are."""
    whole = sum(len(values) / frames for values, _ in seen)
    hops = 2
    while hops < HOP_OF_WINDOW_MIN and whole * hops < BASELINE_WINDOWS_WANTED:
        hops *= 2
    return hops


def _answer(
    recording: "Recording",
    rate_hz: float,
    quality: "dict[str, Any]",
    question: "Question",
    seen: "list[Any]",
    baseline: "Any",
    model: "Any",
) -> "dict[str, Any]":
    velocity = median_of([one.severity.velocity_rms_mm_s for one in seen])
    severity = judge_severity(velocity, question.table)
    found = _anomaly(seen, model)
    verdict, reason = _verdict(severity, found, seen, rate_hz)
    return {
        "file": recording.path,
        "rate_hz": round(rate_hz, 3),
        "windows": len(seen),
        "quality": quality,
        "severity": {
            "velocity_rms_mm_s": round(velocity, 4),
            "zone": severity.zone,
            "edition": severity.edition,
            "group": severity.group,
            "informative": severity.informative,
        },
        "features": _features(seen),
        "anomaly": found,
        "bearing": {"verdict": UNKNOWN, "reason": "not judged yet by this version"},
        "verdict": verdict,
        "reason": reason,
    }


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
            "model": _name(model),
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
        "model": _name(model),
    }


def _verdict(
    severity: "Any", found: "dict[str, Any]", seen: "list[Any]", rate_hz: float
) -> "tuple[str, list[Any]]":
    """(normal, warning, alarm or unknown; the reason as code and facts)."""
    severe = {"D": ALARM, "C": WARNING}.get(severity.zone)
    facts = {"zone": severity.zone, "velocity": round(severity.velocity_rms_mm_s, 2)}
    facts["limit"] = severity.limits_mm_s[2 if severity.zone == "D" else 1]
    if found["verdict"] == "anomalous":
        ordered = sorted(seen, key=lambda one: float(one.anomaly.ratio))
        middle = ordered[len(ordered) // 2].anomaly
        level = ALARM if middle.ratio > ALARM_RATIO or severe == ALARM else WARNING
        return level, ["anomaly", anomaly_reason(middle, rate_hz)]
    if severe:
        return severe, ["severity", facts]
    if found["verdict"] == UNKNOWN:
        return UNKNOWN, ["no_baseline", {"zone": severity.zone}]
    return NORMAL, ["like_baseline", {}]


def _unjudged(
    recording: "Recording", rate_hz: float, quality: "dict[str, Any]", question: "Question"
) -> "dict[str, Any]":
    """Nothing in it may be judged: the sensor's fault, not the machine's."""
    nothing: "dict[str, Any]" = {
        "score": None,
        "threshold": None,
        "verdict": UNKNOWN,
        "contributions": [],
    }
    reason = {"name": recording.path, "status": quality["status"], "reason": quality["reasons"][0]}
    return {
        "file": recording.path,
        "rate_hz": round(rate_hz, 3),
        "windows": 0,
        "quality": quality,
        "severity": {
            "velocity_rms_mm_s": None,
            "zone": None,
            "edition": question.table.edition,
            "group": question.table.group,
            "informative": question.table.informative,
        },
        "features": {},
        "anomaly": nothing,
        "bearing": {"verdict": UNKNOWN, "reason": "the recording cannot be trusted"},
        "verdict": UNKNOWN,
        "reason": ["sensor", reason],
    }


def _name(model: "Any") -> str:
    return f"{model.name} {model.version}"
