"""The part of a machine's card that says what is wrong, how sure, and what to check. Pure HTML.

Keys that a card does not have (nothing examined yet, an older agent) leave no trace.
"""

from html import escape

from agent.page.judgement import bearing_text, cannot_see_texts, finding_text, speed_text
from agent.page.words import LIKELY, check_text, text

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any


def judgement_part(card: "dict[str, Any]", language: str) -> str:
    """Findings, shaft speed, bearing, and what the sensor cannot see."""
    parts = []
    if card.get("findings") is not None:
        parts.append(_findings(card["findings"], card.get("cannot_see"), language))
    rows = []
    if card.get("speed"):
        rows.append(_row("label.speed", speed_text(card["speed"], language), language))
    if card.get("bearing"):
        rows.append(_row("label.bearing", bearing_text(card["bearing"], language), language))
    if rows:
        parts.append(f"<dl>{''.join(rows)}</dl>")
    if card.get("cannot_see"):
        parts.append(_cannot_see(card["name"], card["cannot_see"], language))
    return "".join(parts)


def reason_of(card: "dict[str, Any]") -> "Any":
    """The card's reason; of an anomaly that a likely finding explains, as one that has a name."""
    code, facts = card["reason"]
    likely = any(one["confidence"] >= LIKELY for one in card.get("findings") or ())
    return (code, {**facts, "named": True}) if code == "anomaly" and likely else (code, facts)


def _findings(findings: "list[dict[str, Any]]", cannot_see: "Any", language: str) -> str:
    """That nothing was found is said only where orders could be looked at."""
    if not findings:
        if "no_speed" in (cannot_see or ()):
            return ""
        return f'<p class="none">{escape(text("label.no_findings", language))}</p>'
    rows = "".join(
        f'<li data-finding="{escape(one["name"])}"><p>{escape(finding_text(one, language))}</p>'
        f"<p><b>{escape(text('label.check', language))}:</b>"
        f" {escape(check_text(one['check'], language))}</p></li>"
        for one in findings
    )
    head = escape(text("label.findings", language))
    return f'<h3>{head}</h3><ul class="findings">{rows}</ul>'


def _row(key: str, value: str, language: str) -> str:
    return f"<div><dt>{escape(text(key, language))}</dt><dd>{escape(value)}</dd></div>"


def _cannot_see(machine: str, codes: "list[str]", language: str) -> str:
    """Folded; the script keeps it open through an update by its key."""
    rows = "".join(f"<li>{escape(words)}</li>" for words in cannot_see_texts(codes, language))
    head = escape(text("label.cannot_see", language))
    key = escape(f"cannot_see/{machine}")
    return f'<details data-key="{key}"><summary>{head}</summary><ul>{rows}</ul></details>'
