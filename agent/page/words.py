"""Spanish and English: the catalogues, and a verdict's reason as a sentence."""

import json
import re
from pathlib import Path

from agent.page.system import system_words

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

LANGUAGES = ("es", "en")
_HERE = Path(__file__).resolve().parent
_CATALOGUES: "dict[str, dict[str, str]]" = {
    language: json.loads((_HERE / f"{language}.json").read_text(encoding="utf-8"))
    for language in LANGUAGES
}
# What drivers say, {} for what varies: English to Spanish. Drivers know one language only.
_PATTERNS = [
    (re.compile("(.+)".join(re.escape(part) for part in english.split("{}"))), spanish)
    for english, spanish in json.loads(
        (_HERE / "drivers_es.json").read_text(encoding="utf-8")
    ).items()
]
BURSTS = ("envelope_rms", "envelope_crest", "kurtosis", "crest")
VERY_LIKELY, LIKELY = 0.75, 0.5
BEARING_FROM_HZ = 300.0  # rolling-element bursts ring above it, shaft orders lie below


def language_of(environment: "Any") -> str:
    """English where the terminal is set to it, else Spanish."""
    spoken = environment.get("LC_ALL") or environment.get("LANG") or ""
    return "en" if spoken.startswith("en") else "es"


def text(key: str, language: str, **facts: "Any") -> str:
    """The catalogue's words for `key`, with `facts` filled in. KeyError for an unknown key."""
    words = _CATALOGUES[language][key]
    return words.format(**facts) if facts else words


def has_text(key: str) -> bool:
    """Whether the catalogues know `key`."""
    return key in _CATALOGUES["es"]


def sentence(reason: "Any", language: str) -> str:
    """A verdict's reason, (code, facts), as a sentence for a person."""
    code, facts = reason
    if code == "anomaly":
        return _anomaly(facts, language)
    if code == "sensor":
        status = text(f"status.{facts['status']}", language)
        detail = sensor_detail(facts["reason"], language)
        return text("reason.sensor", language, name=facts["name"], status=status, detail=detail)
    if code == "finding":
        return _finding(facts, language)
    return text(f"reason.{code}", language, **facts)


def link_sentence(reason: "Any", language: str) -> str:
    """Why there is no connection, (code, {place, detail}), or "" while there is one."""
    if not reason:
        return ""
    code, facts = reason
    shown = {name: phrase(value, language).rstrip(".") for name, value in facts.items()}
    return text(f"link.{code}", language, **shown).replace(" ()", "")


def group_text(group: str, language: str) -> str:
    """The words of a severity table's group; a site's own has the edition it replaces before it."""
    words = _CATALOGUES[language]
    for place in [0] + [at + 1 for at, letter in enumerate(group) if letter == " "]:
        if f"group.{group[place:]}" in words:
            return group[:place] + words[f"group.{group[place:]}"]
    return text("label.group", language, group=group)


def confidence_word(confidence: float, language: str) -> str:
    """Possible, likely or very likely."""
    level = "high" if confidence >= VERY_LIKELY else "middle" if confidence >= LIKELY else "low"
    return text(f"sure.{level}", language)


def check_text(check: str, language: str) -> str:
    """What to look at next."""
    return text(f"check.{check}" if has_text(f"check.{check}") else "check.any", language)


def _finding(facts: "dict[str, Any]", language: str) -> str:
    name, sure = text(f"fault.{facts['name']}", language), facts["confidence"]
    return f"{name} ({confidence_word(sure, language)}). {check_text(facts['check'], language)}"


def sensor_detail(reason: "Any", language: str) -> str:
    """Why a sensor is not trusted, (code, facts), as a part of a sentence; "" for no reason.

    Rows of earlier versions hold a sentence instead: it is given as it is.
    """
    if isinstance(reason, str):
        return reason
    code, facts = reason
    if not code:
        return ""
    if code == "bus":
        facts = {"place": "its bus", "cure": "", "text": "", **facts}
    shown = {name: phrase(value, language) for name, value in facts.items()}
    if "axis" in facts:
        shown["axis"] = "xyz"[facts["axis"]] if facts["axis"] < 3 else str(facts["axis"])
    key = f"detail.{code}"
    if code == "bus" and f"{key}.{facts['errno']}" in _CATALOGUES[language]:
        key = f"{key}.{facts['errno']}"
    follows = f" ({shown['next']})" if shown.get("next") else ""
    return text(key, language, **shown) + follows


def phrase(words: "Any", language: str) -> "Any":
    """What a driver or the system says, in the reader's language; as it is when nobody knows it."""
    if not isinstance(words, str):
        return words
    for pattern, translated in _PATTERNS if language != "en" else ():
        found = pattern.fullmatch(words)
        if found:
            return translated.format(*(phrase(part, language) for part in found.groups()))
    return system_words(words, _CATALOGUES[language])


def verdict_words(verdicts: "dict[str, int]", language: str) -> str:
    """Counts of verdicts: "120 Normal, 30 Alarma"."""
    return ", ".join(
        f"{count} {text(f'state.{state}', language)}" for state, count in sorted(verdicts.items())
    )


def _anomaly(facts: "dict[str, Any]", language: str) -> str:
    """With `named` a finding says what to check, and that the cause is unknown is not true."""
    shown = {key: _short(facts[key]) for key in ("times", "score", "threshold")}
    if "low_hz" in facts:
        shown["low_hz"], shown["high_hz"] = f"{facts['low_hz']:.0f}", f"{facts['high_hz']:.0f}"
        check = "check.high" if facts["low_hz"] >= BEARING_FROM_HZ else "check.low"
        words = "" if facts.get("named") else text(check, language)
        return text("reason.anomaly.band", language, check=words, **shown).strip()
    feature = text(f"feature.{facts['feature']}", language)
    check = text("check.high" if facts["feature"] in BURSTS else "check.any", language)
    words = "" if facts.get("named") else check
    return text("reason.anomaly.feature", language, feature=feature, check=words, **shown).strip()


def _short(value: float) -> str:
    """Three figures, no more: "0.97", "3.3", "412"."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
