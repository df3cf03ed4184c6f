"""Recordings of acceleration as they come: CSV, WAV, or .npz with int16 x scale. Bytes in, g out.

Every refusal names what was found and what was expected; the caller knows the file's name.
"""

import json
import struct

import numpy as np

from agent.analysis.csv_table import TableFault, read_table
from agent.analysis.npz import read_npz

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Columns = tuple[Floats, list[str], float | None, float | None]  # with scale and rate_hz

UNITS_PER_G = {"g": 1.0, "m/s2": 9.80665}  # ISO 80000-3
SAMPLES_MIN = 64
AXES_MAX = 3
G_MAX = 1e5  # no shock that a machine survives is a hundredth of it
CLOCK_NAMES = ("time", "t", "timestamp", "tiempo", "zeit", "temps", "sec", "seconds")


class RecordingFault(Exception):
    """The recording cannot be judged: what was found, and what was expected."""


def read_recording(
    suffix: str, content: bytes, column: "str | None", unit: str, scale: "float | None"
) -> "tuple[Floats, float | None]":
    """(acceleration in g, shape (n, axes); the rate in Hz where the file itself states one).

    `column`: a name or a number from 0; without one, every column of acceleration is taken (at most
    three). `scale` multiplies what the file holds, before the unit.
    """
    readers = {".csv": _read_csv, ".txt": _read_csv, ".wav": _read_wav, ".npz": _read_npz}
    if suffix.lower() not in readers:
        raise RecordingFault(f"{suffix or 'no suffix'}: not a recording (expected .csv .wav .npz)")
    if unit not in UNITS_PER_G:
        raise RecordingFault(f"unit: {unit!r} is not known (choose {' '.join(UNITS_PER_G)})")
    columns, names, own_scale, rate_hz = readers[suffix.lower()](content)
    chosen = _choose(columns, names, column)
    scale = own_scale if scale is None else scale
    if scale is None:
        raise RecordingFault(
            "whole numbers without a scale: say what one is worth with --scale"
            f" (columns: {', '.join(names[:12])})"
        )
    return _checked(chosen * scale / UNITS_PER_G[unit]), rate_hz


def _read_csv(content: bytes) -> "Columns":
    try:
        values, names = read_table(content)
    except TableFault as fault:
        raise RecordingFault(str(fault))
    return values, names, 1.0, None


def _read_wav(content: bytes) -> "Columns":
    """PCM of 16, 24 or 32 bits, or 32-bit float. Full scale is 1; give --scale for g."""
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise RecordingFault("not a WAV file (expected RIFF and WAVE at its start)")
    chunks = _riff_chunks(content)
    if b"fmt " not in chunks or b"data" not in chunks or len(chunks[b"fmt "]) < 16:
        raise RecordingFault("not a WAV file (expected a 'fmt ' and a 'data' part)")
    kind, channels, rate_hz = struct.unpack_from("<HHI", chunks[b"fmt "])
    bits = struct.unpack_from("<H", chunks[b"fmt "], 14)[0]
    if kind == 0xFFFE and len(chunks[b"fmt "]) >= 26:  # extensible: the true kind comes later
        kind = struct.unpack_from("<H", chunks[b"fmt "], 24)[0]
    samples = _wav_samples(chunks[b"data"], kind, bits)
    if channels < 1:
        raise RecordingFault("channels: 0 (expected 1 or more)")
    whole = len(samples) // channels * channels
    names = [str(index) for index in range(channels)]
    return samples[:whole].reshape(-1, channels), names, 1.0, float(rate_hz)


def _riff_chunks(content: bytes) -> "dict[bytes, bytes]":
    chunks: "dict[bytes, bytes]" = {}
    at = 12
    while at + 8 <= len(content):
        name = content[at : at + 4]
        size = struct.unpack_from("<I", content, at + 4)[0]
        chunks.setdefault(name, content[at + 8 : at + 8 + size])
        at += 8 + size + size % 2
    return chunks


def _wav_samples(raw: bytes, kind: int, bits: int) -> "Floats":
    if kind == 3 and bits == 32:
        return np.frombuffer(raw[: len(raw) // 4 * 4], dtype="<f4").astype(np.float64)
    if kind != 1 or bits not in (16, 24, 32):
        raise RecordingFault(
            f"WAV kind {kind} with {bits} bits (expected PCM 16, 24, 32 or float 32)"
        )
    size = bits // 8
    octets = np.frombuffer(raw[: len(raw) // size * size], dtype=np.uint8).reshape(-1, size)
    whole = np.zeros((len(octets), 4), dtype=np.uint8)
    whole[:, 4 - size :] = octets
    values: Floats = whole.view("<i4")[:, 0] / 2.0**31
    return values


def _read_npz(content: bytes) -> "Columns":
    """Arrays, each a column or a table; `scale` and `rate_hz` may stand beside them."""
    try:
        arrays = read_npz(content)
    except ValueError as error:
        raise RecordingFault(f"not an .npz archive of plain arrays ({error})")
    scale = float(arrays.pop("scale")) if _is_scalar(arrays, "scale") else None
    rate_hz = float(arrays.pop("rate_hz")) if _is_scalar(arrays, "rate_hz") else None
    signals = {name: a for name, a in arrays.items() if a.ndim in (1, 2) and a.size > 1}
    if not signals:
        raise RecordingFault("no array of samples in it")
    if scale is None and all(array.dtype.kind == "f" for array in signals.values()):
        scale = 1.0
    return _npz_columns(signals), _npz_names(signals), scale, rate_hz


def _is_scalar(arrays: "dict[str, NDArray[np.generic]]", name: str) -> bool:
    return name in arrays and arrays[name].size == 1 and arrays[name].dtype.kind in "fiu"


def _npz_columns(signals: "dict[str, NDArray[np.generic]]") -> "Floats":
    longest = max(len(a) for a in signals.values())
    tables = []
    for name, array in signals.items():
        if array.dtype.kind not in "fiu":
            raise RecordingFault(f"{name}: holds {array.dtype}, expected numbers")
        table = np.full((longest, 1 if array.ndim == 1 else array.shape[1]), np.nan)
        table[: len(array)] = array.reshape(len(array), -1)
        tables.append(table)
    return np.concatenate(tables, axis=1)


def _npz_names(signals: "dict[str, NDArray[np.generic]]") -> "list[str]":
    names = []
    for name, array in signals.items():
        width = 1 if array.ndim == 1 else array.shape[1]
        names += [name] if width == 1 else [f"{name}.{i}" for i in range(width)]
    return names


def _choose(columns: "Floats", names: "list[str]", column: "str | None") -> "Floats":
    if column is None:
        return _without_time(columns, names)
    if column in names:
        picked = columns[:, [names.index(column)]]
    elif [name for name in names if name.split(".")[0] == column]:
        picked = columns[:, [i for i, n in enumerate(names) if n.split(".")[0] == column]]
    elif column.isdigit() and int(column) < len(names):
        picked = columns[:, [int(column)]]
    else:
        raise RecordingFault(f"column: {column!r} is not in it (found {', '.join(names[:12])})")
    if picked.shape[1] > AXES_MAX:
        raise RecordingFault(f"column: {column!r} has {picked.shape[1]} axes, expected 1 to 3")
    return _trimmed(picked)


def _trimmed(columns: "Floats") -> "Floats":
    """Without the padding that a longer neighbour brought."""
    there = np.flatnonzero(~np.isnan(columns).all(axis=1))
    return columns[: there[-1] + 1] if len(there) else columns[:0]


def _without_time(columns: "Floats", names: "list[str]") -> "Floats":
    """All columns but a clock: one named so, or one that only rises in equal steps."""
    keep = [i for i, name in enumerate(names) if not _is_clock(columns[:, i], name)]
    if len(names) == 1:
        keep = [0]  # what else could it be
    if not keep:
        raise RecordingFault("no column of acceleration in it")
    if len(keep) > AXES_MAX:
        raise RecordingFault(
            f"{len(keep)} columns: say which with --column ({', '.join(names[:12])})"
        )
    return _trimmed(columns[:, keep])


def _is_clock(values: "Floats", name: str) -> bool:
    word = "".join(letter if letter.isalpha() else " " for letter in name.lower()).split()
    if word and word[0] in CLOCK_NAMES:
        return True
    steps = np.diff(values[: min(len(values), 1000)])
    if len(steps) <= 8 or not (steps >= 0).all() or steps.sum() <= 0:
        return False
    line = values[0] + np.arange(len(steps) + 1) * steps.mean()
    off = np.abs(values[: len(line)] - line).max()  # rounded times stay beside the line
    return bool(off <= 2 * steps.max() and steps.max() < 0.05 * steps.sum())


def _checked(acceleration_g: "Floats") -> "Floats":
    if len(acceleration_g) < SAMPLES_MIN:
        raise RecordingFault(f"{len(acceleration_g)} samples, expected {SAMPLES_MIN} or more")
    bad = np.flatnonzero(~np.isfinite(acceleration_g).all(axis=1))
    if len(bad):
        raise RecordingFault(
            f"sample {bad[0]} is not a finite number ({len(bad)} of {len(acceleration_g)})"
        )
    wild = np.flatnonzero((np.abs(acceleration_g) > G_MAX).any(axis=1))
    if len(wild):
        raise RecordingFault(
            f"sample {wild[0]} is {np.abs(acceleration_g[wild[0]]).max():.3g} g"
            f" (expected within {G_MAX:g} g: is the unit or the scale right?)"
        )
    return acceleration_g


def sidecar_scale(
    text: str, file_name: str, column: "str | None"
) -> "tuple[float | None, float | None]":
    """(scale, rate_hz) of a recording in a manifest.json beside it, where it says so.

    Shape: {"records": [{"file", "key"?, "scale"? | "channels": {NAME: {"scale"}}, "fs_hz"?}]}.
    Without a column the only channel counts.
    """
    try:
        manifest = json.loads(text)
    except (ValueError, RecursionError):
        return None, None
    records = manifest.get("records") if isinstance(manifest, dict) else None
    for record in records if isinstance(records, list) else []:
        if not isinstance(record, dict) or record.get("file") != file_name:
            continue
        if record.get("key") in (None, column):
            return _number(_scale_of(record, column)), _number(record.get("fs_hz"))
    return None, None


def _scale_of(record: "dict[str, Any]", column: "str | None") -> "Any":
    channels = record.get("channels")
    if "scale" in record or not isinstance(channels, dict):
        return record.get("scale")
    if column is None and len(channels) == 1:
        column = next(iter(channels))
    channel = channels.get(column)
    return channel.get("scale") if isinstance(channel, dict) else None


def _number(value: "Any") -> "float | None":
    return float(value) if isinstance(value, (int, float)) else None
