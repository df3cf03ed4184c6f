"""What a sensor cannot see follows from its bandwidth, its noise, its axes and the stretch."""

from typing import Any

import numpy as np
import pytest

from agent.analysis.cannot_see import CODES
from agent.analysis.evidence import MachineFacts
from agent.analysis.examine import examine
from agent.page.judgement import cannot_see_texts
from agent.page.words import LANGUAGES, has_text


def codes(
    rate_hz: float = 3200.0,
    seconds: float = 5.0,
    axes: int = 3,
    shaft_hz: float = 23.3,
    noise_g: float = 1e-4,
    bandwidth_hz: float | None = None,
    **facts: Any,
) -> set[str]:
    t = np.arange(int(seconds * rate_hz)) / rate_hz
    noise = np.random.default_rng(1).normal(0, noise_g, (len(t), axes))
    signal = noise + sum(
        0.05 * np.sin(2 * np.pi * order * shaft_hz * t)[:, None] for order in (1, 2, 3)
    )
    machine = MachineFacts("pump", 5.5, "rigid", 60 * shaft_hz, None, None, 60.0, 0)
    return set(examine(signal, rate_hz, machine._replace(**facts), bandwidth_hz).cannot_see)


@pytest.mark.parametrize(
    ("code", "seen", "unseen"),
    [
        ("no_speed", {}, {"rpm": None}),
        ("no_shaft_line", {"noise_g": 0.005}, {"noise_g": 0.005, "rpm": 2000.0}),
        ("speed_elsewhere", {"shaft_hz": 29.3}, {"shaft_hz": 29.3, "rpm": 1560.0}),
        ("too_short", {}, {"seconds": 0.3}),
        ("second_is_mains", {}, {"shaft_hz": 29.95}),
        ("electrical_unresolved", {}, {"shaft_hz": 40.05}),
        ("cavitation_band", {}, {"bandwidth_hz": 800.0}),
        ("one_axis", {}, {"axes": 1}),
        ("axial_unknown", {}, {"axial": None}),
        ("below_two_hz", {}, {"shaft_hz": 3.5, "seconds": 20.0}),
        ("displacement", {"shaft_hz": 8.0}, {"shaft_hz": 8.0, "noise_g": 0.03}),
        ("mounting", {}, {"rate_hz": 20_000.0, "seconds": 2.0}),
    ],
)
def test_each_blind_spot_is_said_when_it_is_there_and_only_then(
    code: str, seen: dict[str, Any], unseen: dict[str, Any]
) -> None:
    assert code not in codes(**seen)
    assert code in codes(**unseen)


def test_every_code_has_a_sentence_in_both_languages() -> None:
    for code in CODES:
        assert has_text(f"cannot.{code}"), code
    for language in LANGUAGES:
        assert len(cannot_see_texts(CODES, language)) == len(CODES)
    assert cannot_see_texts(("a code of another version",), "es") == []


def test_an_adxl345_does_not_hear_early_faults_of_a_bearing_and_an_iis3dwb_does() -> None:
    for bearing in (_bearing(), None):
        assert "bearing_early" in codes(bandwidth_hz=1600.0, bearing=bearing)
    wide = codes(rate_hz=26_667.0, seconds=2.0, bandwidth_hz=6300.0, bearing=_bearing())
    assert "bearing_early" not in wide


def _bearing() -> Any:
    from agent.analysis.bearings import bearing_for

    return bearing_for("9,7.94,39.04,0")
