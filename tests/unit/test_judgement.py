"""Findings and blind spots in a technician's words: every name, pattern and check, es and en."""

import re
from typing import Any

import pytest

from agent.analysis import diagnosis
from agent.page.judgement import bearing_text, cannot_see_texts, finding_text, speed_text
from agent.page.render_judgement import judgement_part, reason_of
from agent.page.words import LANGUAGES, check_text, has_text, sentence

LEVEL = {"mm_s": 5.234, "before_mm_s": 0.5, "times": 10.5, "hz": 29.5}
FACTS: dict[tuple[str, str], dict[str, Any]] = {
    ("unbalance", "radial"): {**LEVEL, "share": 0.97, "order": 1.0},
    ("misalignment", "axial"): {**LEVEL, "order": 2.0},
    ("misalignment", "radial"): {**LEVEL, "order": 2.0},
    ("looseness", "halves"): {**LEVEL, "orders": [0.5, 1.5, 3.0]},
    ("looseness", "harmonics"): {**LEVEL, "orders": [3.0, 4.0]},
    ("electrical", "mains"): {**LEVEL, "hz": 120.0},
    ("cavitation", "noise"): {"times": 4.2, "rise_g": 0.2},
    ("overheating", "quiet"): {"degc": 71.2, "rate_degc_min": 0.75, "usual_degc": 45.0},
    ("overheating", "shaking"): {"degc": 71.2, "rate_degc_min": 0.75, "usual_degc": 45.0},
    ("overheating", "unknown"): {"degc": 91.0, "rate_degc_min": 0.75, "usual_degc": None},
    **{
        (f"bearing_{element}", "envelope"): {
            **{"hz": 107.3, "order": 3.585, "harmonics": 3, "score": 2.3, "method": "whitened"}
        }
        for element in diagnosis.ELEMENTS
    },
}


def finding(name: str, pattern: str, **changes: Any) -> dict[str, Any]:
    facts = {"pattern": pattern, **FACTS[name, pattern], **changes}
    return {"name": name, "confidence": 0.8, "evidence": facts, "check": "balance"}


@pytest.mark.parametrize(("name", "pattern"), FACTS)
def test_each_finding_is_a_whole_sentence_in_both_languages(name: str, pattern: str) -> None:
    said = [finding_text(finding(name, pattern), language) for language in LANGUAGES]
    for words in said:
        assert re.fullmatch(r"[A-ZÀ-Ý].* \(.*\): .*\.", words), words
        assert "{" not in words and "None" not in words
    assert said[0] != said[1]


def test_the_sentence_says_how_much_and_against_what() -> None:
    grown = finding_text(finding("unbalance", "radial"), "es")
    assert "29.5 Hz" in grown and "5.23 mm/s, 10.5 veces la línea base" in grown
    alone = finding_text(finding("unbalance", "radial", times=None), "en")
    assert "with no baseline to compare" in alone
    assert "0.5×, 1.5×, 3×" in finding_text(finding("looseness", "halves"), "en")


@pytest.mark.parametrize(
    ("confidence", "word"), [(0.3, "posible"), (0.49, "posible"), (0.5, "probable")]
)
def test_confidence_is_a_word(confidence: float, word: str) -> None:
    one = {**finding("unbalance", "radial"), "confidence": confidence}
    assert f"({word})" in finding_text(one, "es")
    assert "(muy probable)" in finding_text({**one, "confidence": 0.75}, "es")


def test_every_check_a_rule_names_has_words() -> None:
    checks = ["balance", "alignment", "fixings", "motor_field", "suction", "bearing"]
    checks += [f"heat_{pattern}" for pattern in ("quiet", "shaking", "unknown")]
    for check in checks:
        assert has_text(f"check.{check}"), check
    assert check_text("of another version", "en") == "The cause is not identified yet."


def test_a_named_fault_as_a_reason_says_what_to_check() -> None:
    said = sentence(["finding", finding("unbalance", "radial")], "en")
    assert said.startswith("Unbalance (very likely). Clean the impeller")


@pytest.mark.parametrize("reason", ["no_bearing", "no_speed", "too_short", "bandwidth", "", "new"])
def test_an_unknown_bearing_says_why(reason: str) -> None:
    for language in LANGUAGES:
        words = bearing_text({"verdict": "unknown", "reason": reason}, language)
        assert len(words.split(": ")) == 2 and words.split(": ")[1]


def test_speed_says_where_it_comes_from() -> None:
    assert speed_text({"hz": 29.5, "source": "ridge"}, "en") == "1770 r/min (seen in the spectrum)"
    assert speed_text({"hz": None, "source": "unknown"}, "es") == "desconocida"


def card(**changes: Any) -> dict[str, Any]:
    held = {
        "name": "<b>Bomba</b>",
        "findings": [finding("unbalance", "radial")],
        "bearing": {"verdict": "outer", "measured_hz": 107.3, "reason": ""},
        "speed": {"hz": 29.5, "confidence": 0.95, "source": "ridge"},
        "cannot_see": ["bearing_early", "one_axis"],
    }
    return {**held, **changes}


def test_a_card_shows_findings_checks_bearing_speed_and_blind_spots() -> None:
    html = judgement_part(card(), "es")
    for words in (
        "Desbalance (muy probable)",
        "Qué revisar",
        "balancee",
        "pista exterior, 107.3 Hz",
    ):
        assert words in html
    assert "1770 r/min" in html and "<details" in html
    assert all(words in html for words in cannot_see_texts(["bearing_early", "one_axis"], "es"))
    assert "<b>Bomba" not in html and 'data-key="cannot_see/&lt;b&gt;Bomba&lt;/b&gt;"' in html


def test_an_anomaly_that_a_finding_explains_is_not_called_unidentified() -> None:
    facts = {"feature": "rms", "times": 6.6, "score": 3.0, "threshold": 1.7}
    named = {"reason": ["anomaly", facts], **card()}
    for language, words in (("es", "no está identificada"), ("en", "not identified")):
        assert words not in sentence(reason_of(named), language)
        assert words in sentence(reason_of({**named, "findings": []}), language)
    weak = [{**finding("unbalance", "radial"), "confidence": 0.4}]
    assert "not identified" in sentence(reason_of({**named, "findings": weak}), "en")


def test_a_card_without_these_keys_shows_nothing_of_them() -> None:
    assert judgement_part({"name": "x"}, "es") == ""
    nothing: dict[str, Any] = {"findings": None, "bearing": None, "speed": None, "cannot_see": None}
    assert judgement_part({"name": "x", **nothing}, "en") == ""


def test_nothing_found_is_said_only_where_it_was_looked_for() -> None:
    looked = judgement_part(card(findings=[], cannot_see=["no_baseline"]), "en")
    assert "found no fault" in looked
    blind = judgement_part(card(findings=[], cannot_see=["no_speed"]), "en")
    assert "found no fault" not in blind


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_speed_that_does_not_fit_names_where_the_lines_are(language: str) -> None:
    told = {"hz": 26.0, "confidence": 0.5, "source": "given"}
    assert "1764" not in speed_text(told, language)
    words = speed_text({**told, "elsewhere_hz": 29.4}, language)
    assert "1560" in words and "29.40 Hz" in words and "1764" in words
