"""One recording through the very same analysis as the running agent, as fast as the machine allows.

Directly, or played into a simulated chip's registers and read back by the real driver. Pure: no
clock, no file, no network.
"""

from collections import namedtuple

from agent.analysis import anomaly
from agent.analysis.assess import assess, median_of, stack
from agent.analysis.evidence import gather
from agent.analysis.examine import examine
from agent.analysis.features import shortest_window
from agent.analysis.healthy import typical
from agent.analysis.mounting import TURNED_DEG, gravity_of, turned_deg
from agent.analysis.rails import rails_of, rails_trust
from agent.analysis.recording import RecordingFault
from agent.analysis.resample import PASS_OF_NYQUIST, to_rate
from agent.analysis.spectra import iso_band_hz
from agent.analysis.trust import duplicates_trust, peak_trust, values_trust, velocity_trust
from agent.core.block import GOOD, OUT_OF_SPEC, worse
from agent.judge_answer import answer_of, baseline_invalid, model_name, unjudged

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from agent.simulated.play import Player
    from agent.words.judge_files import Recording

BASELINE_WINDOWS_WANTED = 64  # short recordings overlap their windows more to reach it
HOP_OF_WINDOW_MIN = 16  # at most fifteen sixteenths of overlap: closer windows add nothing
STRETCH_S = 20.0  # examined at once: longer, and a speed that wanders smears its lines
STRETCHES_MAX = 9  # of a long recording, evenly spread
CLIPPED_SHARE_MAX = 0.25  # of the windows: what is left then are the quiet moments

# How a file's numbers become g; `machine`: MachineFacts; `table`: SeverityTable.
Question = namedtuple("Question", ("rate_hz", "unit", "column", "scale", "machine", "table"))
# A recording as it is judged: `values` in g, shape (n, axes). A chip clips at `range_g`; without a
# chip `rails` are where the recording itself was cut off.
# `source`: the Recording itself, before anything smeared what it repeats.
Heard = namedtuple(
    "Heard", ("path", "values", "rate_hz", "bandwidth_hz", "range_g", "rails", "source")
)
# `windows` that may be judged; `stretches`: gapless parts made of such windows alone.
Trusted = namedtuple("Trusted", ("quality", "windows", "stretches"))
# What the baseline recordings taught: calibration, evidence, a note on their shortness.
Taught = namedtuple("Taught", ("calibration", "evidence", "note"))
# `answer`: the object that is printed. `stretch`: what a plot shows, None where nothing is trusted.
Judgement = namedtuple("Judgement", ("answer", "stretch", "rate_hz", "examination"))
NOTHING_TAUGHT = Taught(None, None, "")


def judge(
    recording: "Recording",
    baselines: "list[Recording]",
    question: "Question",
    model: "Any",
    player: "Player | None" = None,
) -> "Judgement":
    """The judgement of one recording.

    All are brought to the lowest of their rates: only what every one of them can show is compared.
    `player.play(acceleration_g, rate_hz)` gives what a sensor would have made of it, at what rate.
    """
    _check_axes(recording, baselines, question.machine.axial)
    lowest_hz = min(one.rate_hz for one in [recording, *baselines])
    heard, *taught = [_heard(one, lowest_hz, player) for one in [recording, *baselines]]
    frames = window_frames(heard.rate_hz, question.machine.rpm)
    trusted = _trusted(heard, frames, 2)
    trusted.quality["notes"] += _overruled([recording, *baselines])
    turned = _turned_deg(heard, taught)
    healthy = NOTHING_TAUGHT if turned else _taught(taught, frames, question, model)
    if not trusted.windows:
        return _unjudged(recording, heard, trusted.quality, question)
    seen = [
        assess(
            window,
            heard.rate_hz,
            question.table,
            question.machine.rpm,
            healthy.calibration,
            model.score,
        )
        for window in trusted.windows
    ]
    velocity = velocity_trust(median_of([one.severity.velocity_rms_mm_s for one in seen]))
    if velocity[0] != GOOD:
        rejected = trusted.quality["windows_rejected"] + len(trusted.windows)
        why = {"status": velocity[0], "reasons": [velocity[1]], "windows_rejected": rejected}
        return _unjudged(recording, heard, {**trusted.quality, **why}, question)
    examinations = [
        examine(part, heard.rate_hz, question.machine, heard.bandwidth_hz, healthy.evidence)
        for part in trusted.stretches
    ]
    if healthy.note:
        trusted.quality["notes"].append(healthy.note)
    answer, chosen = answer_of(
        heard, trusted.quality, question, trusted.stretches, seen, examinations, model
    )
    if turned:
        answer = baseline_invalid(answer, turned)
    return Judgement(answer, trusted.stretches[chosen], heard.rate_hz, examinations[chosen])


def _unjudged(
    recording: "Recording", heard: "Any", quality: "dict[str, Any]", question: "Question"
) -> "Judgement":
    answer = unjudged(recording.path, heard.rate_hz, quality, question.table)
    return Judgement(answer, None, heard.rate_hz, None)


def _overruled(recordings: "list[Recording]") -> "list[str]":
    """A note for each recording that states another rate than it was told to have."""
    return [
        f"{one.path}: {one.rate_hz:g} Hz as told, instead of the {one.own_hz:g} Hz that it states"
        for one in recordings
        if one.own_hz is not None
    ]


def _turned_deg(heard: "Heard", taught: "list[Heard]") -> float:
    """How far the sensor was turned against a baseline; 0 within the limit or without gravity."""
    found = gravity_of(heard.values)
    known = [gravity_of(one.values) for one in taught]
    degrees = [turned_deg(found, one) for one in known if one is not None and found is not None]
    most = max(degrees, default=0.0)
    return most if most > TURNED_DEG else 0.0


def _check_axes(recording: "Recording", baselines: "list[Recording]", axial: "int | None") -> None:
    axes = recording.acceleration_g.shape[1]
    if axial is not None and axial >= axes:
        raise RecordingFault(
            f"{recording.path}: {axes} axes, and --axial names number {axial}"
            f" (expected 0 to {axes - 1}, or x y z)"
        )
    for one in baselines:
        found = one.acceleration_g.shape[1]
        if found != axes:
            raise RecordingFault(
                f"{recording.path}: {axes} axes, its baseline {one.path} has {found}"
                " (choose the same with --column)"
            )


def _heard(one: "Recording", lowest_hz: float, player: "Player | None") -> "Heard":
    """As a chip, or as the slowest of the recordings, has it; clipped where that clips."""
    if player is not None:
        values, rate_hz = player.play(one.acceleration_g, one.rate_hz)
        return Heard(one.path, values, rate_hz, player.bandwidth_hz, player.range_g, None, one)
    values = to_rate(one.acceleration_g, one.rate_hz, lowest_hz)
    bandwidth_hz = None if one.rate_hz == lowest_hz else PASS_OF_NYQUIST * lowest_hz / 2
    rails = rails_of(one.acceleration_g)
    return Heard(one.path, values, lowest_hz, bandwidth_hz, None, rails, one)


def window_frames(rate_hz: float, rpm: "float | None") -> int:
    """The window's length: three periods of the lowest frequency of the ISO band of that speed."""
    return shortest_window(rate_hz, iso_band_hz(rpm)[0])


def _trusted(heard: "Heard", frames: int, hops: int) -> "Trusted":
    if len(heard.values) < frames:
        raise RecordingFault(
            f"{heard.path}: {len(heard.values)} samples at {heard.rate_hz:g} Hz are"
            f" {len(heard.values) / heard.rate_hz:.3f} s (expected at least one window of {frames})"
        )
    status, reasons, clipped = GOOD, [], 0
    begins: "list[int]" = []
    places = range(0, len(heard.values) - frames + 1, frames // hops)
    for at in places:
        verdict, reason = _trust(heard, at, frames)
        status = worse(status, verdict)
        clipped += verdict == OUT_OF_SPEC
        if verdict == GOOD:
            begins.append(at)
        elif reason not in reasons:
            reasons.append(reason)
    if clipped > CLIPPED_SHARE_MAX * len(places):
        begins = []
    quality = {
        "status": status,
        "reasons": reasons[:5],
        "windows_rejected": len(places) - len(begins),
        "notes": [],
    }
    windows = [heard.values[at : at + frames] for at in begins]
    return Trusted(quality, windows, _stretches(heard, begins, places, frames))


def _trust(heard: "Heard", at: int, frames: int) -> "Any":
    """(status, reason) of the window that begins at this sample."""
    window = heard.values[at : at + frames]
    trust = values_trust(window, heard.range_g)
    if trust[0] == GOOD and heard.rails is not None:
        trust = rails_trust(window, heard.rails)
    if trust[0] == GOOD:
        trust = peak_trust(window)
    return trust if trust[0] != GOOD else duplicates_trust(_recorded(heard, at, frames))


def _recorded(heard: "Heard", at: int, frames: int) -> "Any":
    """What the recording itself holds in the time of that window."""
    ratio = heard.source.rate_hz / heard.rate_hz
    begin, end = round(at * ratio), round((at + frames) * ratio)
    values = heard.source.acceleration_g
    return values[min(begin, len(values) - 2) : end]


def _stretches(heard: "Heard", begins: "list[int]", places: "range", frames: int) -> "list[Any]":
    """The longest run of trusted windows, in equal parts of at most STRETCH_S."""
    first, end = _longest_run(begins, places.step, frames)
    if len(begins) == len(places) and _trust(heard, len(heard.values) - frames, frames)[0] == GOOD:
        first, end = 0, len(heard.values)  # with what is too short for one more window
    length = end - first
    count = max(1, -int(-length // (STRETCH_S * heard.rate_hz)))
    begin = [first + n * length // count for n in range(count + 1)]
    parts = [heard.values[begin[n] : begin[n + 1]] for n in range(count) if length]
    return parts[:: max(1, -(-len(parts) // STRETCHES_MAX))]


def _longest_run(begins: "list[int]", hop: int, frames: int) -> "tuple[int, int]":
    best, first = (0, 0), 0
    for place, at in enumerate(begins):
        if place and at != begins[place - 1] + hop:
            first = place
        if at + frames - begins[first] > best[1] - best[0]:
            best = (begins[first], at + frames)
    return best


def _taught(heard: "list[Heard]", frames: int, question: "Question", model: "Any") -> "Taught":
    """What the baseline recordings teach; RecordingFault when they are too short."""
    if not heard:
        return NOTHING_TAUGHT
    rate_hz, machine = heard[0].rate_hz, question.machine
    hops = _hops(heard, frames)
    parts = [_trusted(one, frames, hops) for one in heard]
    windows = [window for part in parts for window in part.windows]
    if len(windows) < anomaly.WINDOWS_MIN:
        names = ", ".join(one.path for one in heard)
        raise RecordingFault(
            f"{names}: {len(windows)} windows are too few for a baseline"
            f" (expected {anomaly.WINDOWS_MIN} or more that can be trusted)"
        )
    seen = [assess(w, rate_hz, question.table, machine.rpm, None, None) for w in windows]
    calibration = anomaly.calibrate(
        stack([one.vectors for one in seen]),
        stack([one.severity.velocity_rms_mm_s for one in seen]),
        rate_hz,
        model_name(model),
        model.score,
        sum(len(one.values) for one in heard) / frames,
    )
    evidence = [
        gather(part, rate_hz, machine, heard[0].bandwidth_hz)
        for trusted in parts
        for part in trusted.stretches
    ]
    seconds = sum(len(one.values) for one in heard) / rate_hz
    note = f"baseline of {seconds:.1f} s in {len(windows)} overlapping windows"
    return Taught(calibration, typical(evidence), note)


def _hops(heard: "list[Heard]", frames: int) -> int:
    """How many windows begin in the length of one: more, the shorter the recordings are."""
    whole = sum(len(one.values) / frames for one in heard)
    hops = 2
    while hops < HOP_OF_WINDOW_MIN and whole * hops < BASELINE_WINDOWS_WANTED:
        hops *= 2
    return hops
