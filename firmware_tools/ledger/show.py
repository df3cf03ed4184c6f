"""What the ledger says: a live table on a terminal, JSON lines elsewhere."""

import json
from typing import Any, TextIO

from firmware_tools.ledger.account import Account, Hole

CLEAR = "\x1b[H\x1b[J"
COLUMNS = (
    ("device", 24),
    ("boot", 5),
    ("lane", 8),
    ("through", 10),
    ("rows", 10),
    ("thinned", 8),
    ("given up", 8),
    ("at most", 8),
    ("copies", 8),
    ("open", 6),
    ("LOST", 6),
)


def lines(account: Account) -> list[dict[str, Any]]:
    """A line a stream."""
    return [
        {
            "device": key.device,
            "boot": key.boot,
            "lane": key.lane,
            "through": stream.through(),
            "rows": stream.received.count - stream.thinned,
            "thinned": stream.thinned,
            "tombstoned": stream.given_up(),
            "unsure": stream.unsure(),
            "duplicates": stream.duplicates,
            "before": stream.base,
            "open": sum(h.last - h.first + 1 for h in stream.holes() if not h.lost),
            "lost": sum(h.last - h.first + 1 for h in stream.holes() if h.lost),
        }
        for key, stream in sorted(account.streams.items())
    ]


def summary(account: Account) -> dict[str, Any]:
    """Of all devices; `complete` when nothing is missing and no key stands for two rows."""
    holes, with_files = account.holes(), file_lines(account)
    counted = {device for device, _ in account.counts}
    devices = sorted({key.device for key in account.streams} | set(account.online) | counted)
    unaccounted = {device: account.unaccounted(device) for device in devices}
    return {
        "devices": len(devices),
        "rows": sum(line["rows"] for line in lines(account)),
        "duplicates": sum(stream.duplicates for stream in account.streams.values()),
        "tombstoned": sum(stream.given_up() for stream in account.streams.values()),
        "unsure": sum(stream.unsure() for stream in account.streams.values()),
        "thinned": sum(stream.thinned for stream in account.streams.values()),
        "clock_corrections": sum(account.clock_corrections.values()),
        "invalid": account.invalid,
        "holes": [hole_line(hole) for hole in holes],
        "unaccounted": {device: count for device, count in unaccounted.items() if count},
        "lost_with_file": with_files,
        "conflicts": conflict_lines(account),
        "written_off": account.written_off,
        "complete": not (holes or any(unaccounted.values()) or account.conflicts or with_files),
    }


def file_lines(account: Account) -> list[dict[str, Any]]:
    """Rows that a device had told of, and that its file took along: they have no number."""
    return [
        {"device": device, "lane": lane, "rows": counts.owed}
        for (device, lane), counts in sorted(account.counts.items())
        if counts.owed
    ]


def conflict_lines(account: Account) -> list[dict[str, Any]]:
    return [
        {**key._asdict(), **found._asdict()} for key, found in sorted(account.conflicts.items())
    ]


def hole_line(hole: Hole) -> dict[str, Any]:
    return {**hole.key._asdict(), "first": hole.first, "last": hole.last, "lost": hole.lost}


def table(account: Account, note: str) -> str:
    """The whole screen."""
    head = " ".join(f"{name:>{width}}" for name, width in COLUMNS)
    rows = []
    for line in lines(account):
        values = [line[name] for name in ("device", "boot", "lane", "through", "rows", "thinned")]
        values += [line["tombstoned"] - line["unsure"], line["unsure"] or ""]
        values += [line["duplicates"], line["open"] or "", line["lost"] or ""]
        rows.append(" ".join(f"{v!s:>{w}}" for v, (_, w) in zip(values, COLUMNS, strict=True)))
    told = summary(account)
    rest = [f"missing by the device's own account: {d} {n}" for d, n in told["unaccounted"].items()]
    if account.refusals:
        place, why = account.refusals[-1]
        rest.append(f"refused: {account.invalid}, the last of {place:.100}: {why}")
    rest += [conflict_words(line) for line in told["conflicts"]]
    rest += [file_words(line) for line in told["lost_with_file"]]
    rest += [off_words(line) for line in told["written_off"]]
    missing = told["holes"] or told["unaccounted"] or told["lost_with_file"]
    verdict = "nothing is missing" if told["complete"] else "ROWS ARE MISSING"
    if told["conflicts"]:
        verdict = "KEYS WERE USED TWICE" + (", ROWS ARE MISSING" if missing else "")
    return "\n".join([note, head, *rows, *rest, verdict]) + "\n"


def conflict_words(line: dict[str, Any]) -> str:
    return (
        "CONFLICT: {rows} rows of {device} boot {boot} {lane} ({first} to {last}) came again with"
        " another content: a copy of the device's state was put back; both are kept".format(**line)
    )


def file_words(line: dict[str, Any]) -> str:
    return (
        "LOST WITH ITS FILE: {rows} rows of {device} {lane}: it had told of them, and goes on with"
        " another file, or with an older copy of it".format(**line)
    )


def off_words(line: dict[str, Any]) -> str:
    return "written off at {at}: {rows} rows of {device} {lane} ({kind})".format(**line)


class Teller:
    """Writes to `out` when something changed."""

    def __init__(self, out: TextIO, as_table: bool) -> None:
        self._out = out
        self._as_table = as_table
        self._told: dict[Any, Any] = {}
        self._holes: set[Hole] = set()
        self._conflicts: list[dict[str, Any]] = []
        self._with_files: list[dict[str, Any]] = []

    def tell(self, account: Account, note: str) -> None:
        if self._as_table:
            self._out.write(CLEAR + table(account, note))
        else:
            self._tell_lines(account)
        self._out.flush()

    def _tell_lines(self, account: Account) -> None:
        while account.refusals:
            place, why = account.refusals.popleft()
            self._print({"event": "refused", "topic": place, "why": why})
        for line in lines(account):
            key = (line["device"], line["boot"], line["lane"])
            if self._told.get(key) != line:
                self._told[key] = line
                self._print({"event": "stream", **line})
        holes = set(account.holes())
        for hole in sorted(holes - self._holes):
            self._print({"event": "hole", **hole_line(hole)})
        for hole in sorted(self._holes - holes):
            self._print({"event": "filled", **hole_line(hole)})
        self._holes = holes
        for line in conflict_lines(account):
            if line not in self._conflicts:
                self._print({"event": "conflict", **line})
        self._conflicts = conflict_lines(account)
        with_files = file_lines(account)
        for line in with_files:
            if line not in self._with_files:
                self._print({"event": "lost_with_file", **line})
        self._with_files = with_files

    def _print(self, line: dict[str, Any]) -> None:
        self._out.write(json.dumps(line) + "\n")
