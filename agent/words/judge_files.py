"""Recordings as `latido judge` is given them: read, checked, and told from one another."""

from collections import namedtuple
from pathlib import Path

from agent.analysis.recording import RecordingFault, read_recording, sidecar_scale
from agent.analysis.shared_run import shares_run

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

RATE_HZ_MIN = 100.0  # below it nothing is left of the band that begins at 10 Hz
RATE_HZ_MAX = 1e7

# How a file's numbers become g. `machine`: agent.analysis.evidence.MachineFacts.
Reading = namedtuple("Reading", ("rate_hz", "unit", "column", "scale"))
# `own_hz`: the rate that the file states and that was overruled; None where it was not.
Recording = namedtuple(
    "Recording", ("path", "acceleration_g", "rate_hz", "own_hz"), defaults=(None,)
)


def load(path: str, reading: "Any") -> "Recording":
    """The recording at `path`; RecordingFault naming the file. `reading`: Reading or its like."""
    file = Path(path)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise RecordingFault(f"{path}: {error.strerror or error}")
    scale, beside_hz = reading.scale, None
    if scale is None and file.suffix == ".npz":
        scale, beside_hz = _beside(file, reading.column)
    try:
        acceleration_g, inside_hz = read_recording(
            file.suffix, content, reading.column, reading.unit, scale
        )
    except RecordingFault as fault:
        raise RecordingFault(f"{path}: {fault}")
    own_hz = inside_hz if beside_hz is None else beside_hz
    rate_hz = own_hz if reading.rate_hz is None else reading.rate_hz
    if rate_hz is None:
        raise RecordingFault(f"{path}: does not state its rate (give --rate-hz)")
    if not RATE_HZ_MIN <= rate_hz <= RATE_HZ_MAX:
        raise RecordingFault(
            f"{path}: {rate_hz:g} Hz is not a rate that can be judged"
            f" (expected {RATE_HZ_MIN:g} to {RATE_HZ_MAX:g})"
        )
    return Recording(path, acceleration_g, rate_hz, None if own_hz == rate_hz else own_hz)


def _beside(file: "Path", column: "str | None") -> "tuple[float | None, float | None]":
    try:
        return sidecar_scale((file.parent / "manifest.json").read_text(), file.name, column)
    except (OSError, UnicodeDecodeError):
        return None, None


def same_file(path: str, others: "list[str]") -> "str | None":
    """The first of `others` that is this file, however its path is spelled; None when none is."""
    for other in others:
        if path == other:
            return other
        try:
            if Path(path).samefile(other):
                return other
        except OSError:
            continue  # one of them is not there: said when it is read
    return None


def same_content(recording: "Recording", others: "list[Recording]") -> "str | None":
    """The path of the first of `others` that holds samples of this recording; None when none does.

    A copy whose beginning or end was cut off is a copy.
    """
    for other in others:
        if shares_run(recording.acceleration_g, other.acceleration_g):
            return str(other.path)
    return None
