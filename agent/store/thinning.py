"""Fidelity before time: consecutive rows become one summary a period, nothing in it a guess.

Of every numeric field a summary keeps count, min, max, mean and rms; of every word how often it was
said. Two summaries become one with the same exactness, so 10 s can be made of 1 s. A summary keeps
the id of its last row and says the first seq that it stands for. Pure.
"""

import json
import math

from agent.ports import SUMMARY, Row, row_boot, row_seq

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

PERIODS_S = (0, 1, 10, 60)  # by level; level 0 is raw
THINNED_KINDS = ("verdict", SUMMARY)  # other rows are few, and each tells something of its own
NOT_NUMBERS = ("utc_ns", "clock_synced")
WORDS_MAX = 8  # different words that a field may count; a field with more is no state


def thin(rows: "list[Row]", period_s: int, kept: "Callable[[Row], bool]") -> "list[Row]":
    """Rows of one lane, by id, each run within one period as one; `kept` rows stay as they are."""
    made: "list[Row]" = []
    run: "list[Row]" = []
    for row in rows:
        alone = row.kind not in THINNED_KINDS or kept(row)
        if run and (alone or not _continues(run, row, period_s)):
            made += _summed(run, period_s)
            run = []
        if alone:
            made.append(row)
        else:
            run.append(row)
    return made + _summed(run, period_s)


def _continues(run: "list[Row]", row: "Row", period_s: int) -> bool:
    """Whether the row is of the same boot, the same period, and the very next one."""
    last, period_ns = run[-1], period_s * 1_000_000_000
    next_seq = (row.first_seq or row_seq(row.id)) == row_seq(last.id) + 1
    same_period = row.mono_ns // period_ns == run[0].mono_ns // period_ns
    return row_boot(row.id) == row_boot(last.id) and next_seq and same_period


def _summed(run: "list[Row]", period_s: int) -> "list[Row]":
    """The run as one row; as it is when it is one, or holds a number that no float can be."""
    if len(run) < 2:
        return run
    try:
        return [_summary(run, period_s)]
    except (ValueError, OverflowError):
        return run


def _summary(run: "list[Row]", period_s: int) -> "Row":
    groups: "dict[tuple[str, str], dict[str, Any]]" = {}
    bodies = [json.loads(row.body) for row in run]
    for row, body in zip(run, bodies):
        for group in body["groups"] if row.kind == SUMMARY else (_group(row.kind, body),):
            _merge(groups, group)
    last = bodies[-1]
    told = {
        "period_s": period_s,
        "from_mono_ns": bodies[0].get("from_mono_ns", run[0].mono_ns),
        **{key: last[key] for key in NOT_NUMBERS if key in last},
        "groups": list(groups.values()),
    }
    text = json.dumps(told, separators=(",", ":"), allow_nan=False)
    first = run[0].first_seq or row_seq(run[0].id)
    return Row(run[0].lane, run[-1].id, run[-1].mono_ns, SUMMARY, text, first)


def _group(kind: str, body: "dict[str, Any]") -> "dict[str, Any]":
    """One row as a group of one. Fields: [count, min, max, mean, rms]."""
    fields: "dict[str, list[float]]" = {}
    words: "dict[str, dict[str, int]]" = {}
    for path, value in _leaves(body, ""):
        if isinstance(value, str):
            words[path] = {value: 1}
        else:
            fields[path] = [1, value, value, value, abs(value)]
    machine = words.pop("machine", {"": 1})
    name = next(iter(machine))
    return {"kind": kind, "machine": name, "count": 1, "fields": fields, "words": words}


def _leaves(body: "dict[str, Any]", path: str) -> "list[tuple[str, Any]]":
    """Numbers and words of a body by their path; lists, truths and nothings tell no quantity."""
    found: "list[tuple[str, Any]]" = []
    for key, value in body.items():
        if isinstance(value, dict):
            found += _leaves(value, f"{path}{key}.")
        elif key not in NOT_NUMBERS and not isinstance(value, (bool, list)) and value is not None:
            found.append((path + key, value))
    return found


def _merge(groups: "dict[tuple[str, str], dict[str, Any]]", group: "dict[str, Any]") -> None:
    key = (group["kind"], group["machine"])
    into = groups.get(key)
    if into is None:
        groups[key] = group
        return
    into["count"] += group["count"]
    for path, field in group["fields"].items():
        held = into["fields"].get(path)
        into["fields"][path] = field if held is None else _merged(held, field)
    for path, counts in group["words"].items():
        _add_words(into["words"], path, counts)


def _merged(one: "list[float]", other: "list[float]") -> "list[float]":
    """Both as one. Scaled by the larger rms, so that no square is beyond what a float can be."""
    count = one[0] + other[0]
    mean = one[3] * (one[0] / count) + other[3] * (other[0] / count)
    scale = max(one[4], other[4]) or 1.0
    square = one[0] * (one[4] / scale) ** 2 + other[0] * (other[4] / scale) ** 2
    rms = scale * math.sqrt(square / count)
    return [count, min(one[1], other[1]), max(one[2], other[2]), mean, rms]


def _add_words(words: "dict[str, dict[str, int]]", path: str, counts: "dict[str, int]") -> None:
    held = words.setdefault(path, {})
    for word, count in counts.items():
        if word in held or len(held) < WORDS_MAX:
            held[word] = held.get(word, 0) + count
