"""Judgements as a table for a terminal, as wide as it is, and the sentences under a row."""

import textwrap
from pathlib import Path

from agent.analysis.cannot_see import NO_SPEED
from agent.page.judgement import bearing_text, speed_text
from agent.page.words import sensor_detail, text

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

COLOURS = {"normal": "32", "warning": "33", "alarm": "31", "unknown": "90"}
SIGNS = {"normal": "✓", "warning": "!", "alarm": "✕", "unknown": "?"}
VERDICT_COLUMNS, VELOCITY_COLUMNS, ZONE_COLUMNS = 15, 7, 4
FILE_COLUMNS_MAX = 32
GAP = "  "


class Table:
    """`paths`: of all files, so that the first column fits; `columns`: of the terminal."""

    def __init__(self, paths: "list[str]", columns: int, language: str, coloured: bool) -> None:
        self._language = language
        self._coloured = coloured
        longest = max(len(Path(path).name) for path in paths)
        self._file_columns = min(longest, FILE_COLUMNS_MAX, columns // 3)
        fixed = VERDICT_COLUMNS + VELOCITY_COLUMNS + ZONE_COLUMNS + 4 * len(GAP)
        self._last_columns = max(0, columns - self._file_columns - fixed)

    def head(self) -> str:
        heads = [text(f"table.{name}", self._language) for name in ("file", "verdict")]
        return self._joined(heads[0], heads[1], "mm/s", "ISO", text("table.found", self._language))

    def row(self, answer: "dict[str, Any]") -> str:
        verdict = answer["verdict"]
        velocity = answer["severity"]["velocity_rms_mm_s"]
        names = [text(f"fault.{one['name']}", self._language) for one in answer["findings"]]
        line = self._joined(
            Path(answer["file"]).name,
            f"{SIGNS[verdict]} {text('state.' + verdict, self._language)}",
            "–" if velocity is None else f"{velocity:.2f}",
            answer["severity"]["zone"] or "–",
            "; ".join(names) or "–",
        )
        return f"\x1b[{COLOURS[verdict]}m{line}\x1b[0m" if self._coloured else line

    def _joined(self, file: str, verdict: str, velocity: str, zone: str, found: str) -> str:
        cells = [
            _fitted(file, self._file_columns).ljust(self._file_columns),
            _fitted(verdict, VERDICT_COLUMNS).ljust(VERDICT_COLUMNS),
            velocity.rjust(VELOCITY_COLUMNS),
            zone.ljust(ZONE_COLUMNS),
            _fitted(found, self._last_columns),
        ]
        return GAP.join(cells).rstrip()


def details(answer: "dict[str, Any]", language: str, columns: int) -> "list[str]":
    """The sentences of one recording, folded to the terminal's width."""
    said_below = answer["verdict"] == "normal" or answer["reason"][0] == "finding"
    lines = [] if said_below else [answer["reason_text"][language]]
    lines += [sensor_detail(reason, language) for reason in answer["quality"]["reasons"]]
    for one in answer["findings"]:
        lines.append(one["text"][language])
        lines.append(f"→ {one['check_text'][language]}")
    if answer["windows"]:
        lines.append(f"{text('label.speed', language)}: {speed_text(answer['speed'], language)}")
        bearing = bearing_text(answer["bearing"], language)
        lines.append(f"{text('label.bearing', language)}: {bearing}")
        if not answer["findings"] and NO_SPEED not in answer["cannot_see"]:
            lines.append(text("label.no_findings", language))
        lines += [f"· {words}" for words in answer["cannot_see_text"][language]]
    return [
        folded
        for line in lines
        for folded in textwrap.wrap(
            line, columns, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False
        )
    ]


def _fitted(words: str, columns: int) -> str:
    return words if len(words) <= columns else words[: max(0, columns - 1)] + "…"
