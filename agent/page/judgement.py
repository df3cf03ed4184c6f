"""Findings, bearing verdicts, speed and blind spots as sentences for a technician, es and en.

They take the facts as they are sent and shown (dicts), so the page and the command line agree.
A code or a reason that this version does not know is shown by a general sentence, never a crash.
"""

from agent.page.words import confidence_word, has_text, text

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any


def finding_text(finding: "dict[str, Any]", language: str) -> str:
    """Name, confidence in a word, and the evidence in a sentence."""
    name, facts = finding["name"], dict(finding["evidence"])
    head = f"{text('fault.' + name, language)} ({confidence_word(finding['confidence'], language)})"
    family = "bearing" if name.startswith("bearing_") else name
    key = f"finding.{family}.{facts.get('pattern')}"
    if not has_text(key):
        return head
    times = facts.get("times")
    facts["versus"] = text(
        "versus.none" if times is None else "versus.times", language, times=_figure(times)
    )
    facts["percent"] = f"{100 * facts.get('share', 0):.0f}"
    facts["orders"] = ", ".join(f"{order:g}×" for order in facts.get("orders", ()))
    return f"{head}: {text(key, language, **{k: _figure(v) for k, v in facts.items()})}"


def bearing_text(bearing: "dict[str, Any]", language: str) -> str:
    """The verdict in words; of an unknown one, why."""
    words = text(f"bearing.{bearing['verdict']}", language)
    if bearing["verdict"] != "unknown":
        hz = bearing.get("measured_hz")
        return words if hz is None else f"{words}, {hz:.1f} Hz"
    key = f"bearing.why.{bearing.get('reason')}"
    why = text(key if has_text(key) else "bearing.why.other", language)
    return f"{words}: {why}"


def speed_text(speed: "dict[str, Any]", language: str) -> str:
    """Speed in r/min, and where it comes from."""
    if speed.get("hz") is None:
        return text("speed.unknown", language)
    known = text("speed.known", language, rpm=f"{60 * speed['hz']:.0f}")
    whence = text("speed." + speed["source"], language)
    elsewhere_hz = speed.get("elsewhere_hz")
    if elsewhere_hz is not None:
        hz, rpm = f"{elsewhere_hz:.2f}", f"{60 * elsewhere_hz:.0f}"
        whence += "; " + text("speed.elsewhere", language, hz=hz, rpm=rpm)
    return f"{known} ({whence})"


def cannot_see_texts(codes: "Any", language: str) -> "list[str]":
    """A sentence a code, in the order given; codes that this version does not know are left out."""
    keys = [f"cannot.{code}" for code in codes]
    return [text(key, language) for key in keys if has_text(key)]


def _figure(value: "Any") -> "Any":
    """Three figures of a number, and what is no number as it is."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
