"""Findings on simulated machines: each fault by its name, growing, and no other; else silence."""

import json
from functools import cache
from typing import Any

import numpy as np
import pytest

from agent.analysis.bearings import BearingVerdict
from agent.analysis.diagnosis import ELEMENTS, FINDINGS_MAX, diagnose
from agent.analysis.evidence import NO_HEAT, Evidence, Heat, MachineFacts, gather
from agent.analysis.examine import Examination, examine
from agent.analysis.healthy import comparable, from_facts, to_facts, typical
from hw.machines.condition import HEALTHY, Condition
from hw.machines.part import PARTS, felt_by
from hw.machines.pump import Pump

CHIP, RATE_HZ, SECONDS = "adxl345", 3200.0, 5.0
BANDWIDTH_HZ = PARTS[CHIP].bandwidth * RATE_HZ
AXIAL = 1  # a simulated pump's second axis
UNKNOWN_BEARING = BearingVerdict("unknown", None, None, None, 0, None, "", "no_bearing")


def pump(rpm: float | None, **changes: Any) -> MachineFacts:
    facts = MachineFacts("pump", 5.5, "rigid", rpm, None, 5, 60.0, AXIAL)
    return facts._replace(**changes)


def felt(rpm: float, condition: Condition, t0_s: float, seed: int, seconds: float = SECONDS) -> Any:
    """What an ADXL345 feels of a simulated pump, shape (n, 3)."""
    source = felt_by(PARTS[CHIP], Pump(seed, rpm, condition), seed)
    return np.array(source(t0_s, 1 / RATE_HZ, int(seconds * RATE_HZ))).reshape(-1, 3)


@cache
def healthy(rpm: float, seed: int) -> Evidence:
    stretches = [felt(rpm, HEALTHY, t0_s, seed) for t0_s in (2.0, 9.0, 16.0)]
    return typical([gather(s, RATE_HZ, pump(rpm), BANDWIDTH_HZ) for s in stretches])


def examined(
    rpm: float, condition: Condition, baseline: bool = True, seed: int = 3, **facts: Any
) -> Examination:
    signal = felt(rpm, condition, 50.0, seed)
    against = healthy(rpm, seed) if baseline else None
    return examine(signal, RATE_HZ, pump(rpm, **facts), BANDWIDTH_HZ, against)


def names(one: Examination) -> list[str]:
    return [finding.name for finding in one.findings]


FAULTS = ("unbalance", "misalignment", "looseness", "electrical", "cavitation")


@pytest.mark.parametrize("rpm", [1180.0, 1770.0, 3540.0])
@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_named_alone_from_some_severity_on(rpm: float, fault: str) -> None:
    confidence = [0.0]
    for severity in (0.02, 0.1, 0.3, 1.0):
        found = examined(rpm, HEALTHY._replace(**{fault: severity})).findings
        assert [finding.name for finding in found] in ([], [fault]), severity
        confidence.append(found[0].confidence if found else 0.0)
        assert confidence[-1] >= confidence[-2] - 0.02, "a worse fault is no less certain"
    assert confidence[1] == 0.0 and confidence[-1] >= 0.5


@pytest.mark.parametrize("rpm", [885.0, 1180.0, 1770.0, 3540.0])
@pytest.mark.parametrize("seed", [3, 4, 5, 6])
def test_a_healthy_pump_has_no_finding(rpm: float, seed: int) -> None:
    for baseline in (True, False):
        assert names(examined(rpm, HEALTHY, baseline, seed)) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_without_a_baseline_only_a_grave_fault_speaks_and_less_surely(fault: str) -> None:
    grave = HEALTHY._replace(**{fault: 1.0})
    alone, against = examined(1180.0, grave, False), examined(1180.0, grave)
    assert names(examined(1180.0, HEALTHY._replace(**{fault: 0.1}), False)) == []
    assert "no_baseline" in alone.cannot_see and "no_baseline" not in against.cannot_see
    if fault == "cavitation":
        assert names(alone) == []
        return
    assert names(alone) == [fault]
    assert alone.findings[0].confidence < against.findings[0].confidence
    assert alone.findings[0].evidence["times"] is None


def test_without_a_speed_orders_are_not_looked_at_and_that_is_said() -> None:
    signal = felt(1450.0, HEALTHY._replace(unbalance=1.0), 50.0, 3)
    one = examine(signal, RATE_HZ, pump(None), BANDWIDTH_HZ)
    assert one.speed.hz is None and names(one) == []
    assert "no_speed" in one.cannot_see


def test_a_fault_of_the_bearing_is_none_of_the_shaft() -> None:
    for severity in (0.1, 0.3, 0.6, 1.0):
        found = names(examined(1770.0, HEALTHY._replace(bearing_defect=severity)))
        assert not set(found) & set(FAULTS), severity


def test_an_element_named_by_the_envelope_is_a_finding_and_silences_cavitation() -> None:
    cavitating = HEALTHY._replace(cavitation=0.5)
    evidence = gather(felt(1770.0, cavitating, 50.0, 3), RATE_HZ, pump(1770.0), BANDWIDTH_HZ)
    against = healthy(1770.0, 3)
    for element in ELEMENTS:
        verdict = BearingVerdict(element, 3.585, 105.8, 0.003, 3, 2.4, "band", "")
        found = diagnose(evidence, against, pump(1770.0), verdict)
        assert [finding.name for finding in found] == [f"bearing_{element}"]
        assert found[0].evidence["hz"] == 105.8 and 0.5 <= found[0].confidence <= 0.95
    silent = diagnose(evidence, against, pump(1770.0), UNKNOWN_BEARING)
    assert [finding.name for finding in silent] == ["cavitation"]


def test_an_element_without_the_sidebands_of_its_load_is_likely_at_the_most() -> None:
    evidence = gather(felt(1770.0, HEALTHY, 50.0, 3), RATE_HZ, pump(1770.0), BANDWIDTH_HZ)
    for supported, expected in ((False, 0.6), (True, 0.9)):
        verdict = BearingVerdict("inner", 5.415, 159.8, 0.0, 3, 3.0, "band", "", supported)
        (found,) = diagnose(evidence, None, pump(1770.0), verdict)
        assert found.confidence == expected


def test_rivals_are_ranked_and_not_all_shouted() -> None:
    both = HEALTHY._replace(unbalance=0.6, looseness=1.0, misalignment=1.0, cavitation=0.5)
    found = examined(1180.0, both).findings
    assert 1 <= len(found) <= FINDINGS_MAX
    confidence = [finding.confidence for finding in found]
    assert confidence == sorted(confidence, reverse=True)
    rivals = [f for f in found if f.name in ("unbalance", "misalignment", "looseness")]
    assert all(rival.confidence <= 0.45 for rival in rivals[1:])


def test_what_is_not_clear_of_the_mains_decides_nothing() -> None:
    """At 1797 r/min, 2x is 0.1 Hz from the mains: misalignment cannot be told from it."""
    one = examined(1797.0, HEALTHY._replace(misalignment=1.0))
    assert names(one) == [] and "second_is_mains" in one.cannot_see
    two_poles = examined(3590.0, HEALTHY._replace(electrical=1.0))
    assert "electrical" not in names(two_poles)
    assert "electrical_unresolved" in two_poles.cannot_see


def test_at_another_speed_the_baseline_does_not_speak() -> None:
    signal = felt(1180.0, HEALTHY._replace(unbalance=0.1), 50.0, 3)
    one = examine(signal, RATE_HZ, pump(1180.0), BANDWIDTH_HZ, healthy(1770.0, 3))
    assert names(one) == [] and "no_baseline" in one.cannot_see


HOT = [
    (Heat(52.0, 0.0), []),
    (Heat(70.0, 0.1), []),  # hot, but no longer rising: the weather, the load
    (Heat(55.0, 2.0), []),  # rising from cold: it was started
    (Heat(66.0, 0.6), ["overheating"]),
    (Heat(None, 3.0), []),
    (Heat(90.0, None), []),
]


@pytest.mark.parametrize(("heat", "expected"), HOT)
def test_overheating_is_hot_and_getting_hotter(heat: Heat, expected: list[str]) -> None:
    against = healthy(1770.0, 3)._replace(heat=Heat(47.0, 0.0))
    signal = felt(1770.0, HEALTHY, 50.0, 3)
    one = examine(signal, RATE_HZ, pump(1770.0), BANDWIDTH_HZ, against, heat)
    assert names(one) == expected
    if expected:
        assert one.findings[0].check == "heat_quiet"
        assert one.findings[0].evidence["usual_degc"] == 47.0


def test_heat_with_more_vibration_is_another_thing_to_check() -> None:
    against = healthy(1770.0, 3)._replace(heat=Heat(47.0, 0.0))
    signal = felt(1770.0, HEALTHY._replace(unbalance=0.5), 50.0, 3)
    one = examine(signal, RATE_HZ, pump(1770.0), BANDWIDTH_HZ, against, Heat(70.0, 1.5))
    assert {f.name: f.check for f in one.findings} == {
        "unbalance": "balance",
        "overheating": "heat_shaking",
    }


def test_a_baseline_of_another_bandwidth_does_not_speak() -> None:
    against = healthy(1770.0, 3)
    assert comparable(against, against)
    assert not comparable(against, against._replace(top_hz=0.5 * against.top_hz))
    assert not comparable(against, against._replace(rate_hz=0.5 * against.rate_hz))


def test_one_axis_is_enough_for_some_and_says_what_it_cannot() -> None:
    signal = felt(1770.0, HEALTHY._replace(unbalance=1.0), 50.0, 3)[:, :1]
    one = examine(signal, RATE_HZ, pump(1770.0, axial=None), BANDWIDTH_HZ)
    assert names(one) == ["unbalance"] and "one_axis" in one.cannot_see
    axial_only = examine(signal, RATE_HZ, pump(1770.0, axial=0), BANDWIDTH_HZ)
    assert names(axial_only) == []


def test_turning_the_other_axes_about_changes_no_finding() -> None:
    signal = felt(1770.0, HEALTHY._replace(unbalance=0.3), 50.0, 3)
    clean = [felt(1770.0, HEALTHY, t0_s, 3) for t0_s in (2.0, 9.0)]
    found = []
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
        machine = pump(1770.0, axial=order.index(AXIAL))
        against = typical([gather(c[:, order], RATE_HZ, machine, BANDWIDTH_HZ) for c in clean])
        one = examine(signal[:, order], RATE_HZ, machine, BANDWIDTH_HZ, against)
        found.append([(f.name, f.confidence) for f in one.findings])
    assert found[0] and found[0] == found[1] == found[2]


def test_evidence_survives_being_kept_as_json() -> None:
    for machine in (pump(1770.0), pump(None, vanes=None, axial=None)):
        before = gather(felt(1770.0, HEALTHY, 2.0, 3), RATE_HZ, machine, BANDWIDTH_HZ, NO_HEAT)
        after = from_facts(json.loads(json.dumps(to_facts(before), allow_nan=False)))
        for name in Evidence._fields:
            if isinstance(getattr(before, name), np.ndarray):
                assert np.array_equal(
                    getattr(before, name), getattr(after, name), equal_nan=name == "vane_mm_s"
                ), name
            else:
                assert getattr(before, name) == getattr(after, name), name
        assert comparable(before, after)


@pytest.mark.parametrize(
    "change", [{"speed": None}, {"heat": [1]}, {"order_mm_s": [[1.0]]}, {"noise_g": "x"}]
)
def test_evidence_that_was_kept_by_something_else_is_refused(change: dict[str, Any]) -> None:
    kept = to_facts(healthy(1770.0, 3))
    with pytest.raises(ValueError, match="not as it was kept"):
        from_facts({**kept, **change})
    with pytest.raises(ValueError, match="not as it was kept"):
        from_facts({key: value for key, value in kept.items() if key != "bursts"})


def test_the_typical_is_in_the_middle_and_of_nothing_is_refused() -> None:
    low, high = healthy(1770.0, 3), healthy(1770.0, 4)
    middle = typical([low, high, low])
    assert np.array_equal(middle.order_mm_s, low.order_mm_s)
    with pytest.raises(ValueError, match="expected one or more"):
        typical([])


@pytest.mark.parametrize(
    ("times", "bursts", "kind", "expected"),
    [
        (4.0, 3.2, "pump", ["cavitation"]),
        (4.0, 8.0, "pump", []),  # bursts that stand apart are a bearing's
        (4.0, 3.2, "motor", []),
        (2.5, 3.2, "pump", []),
    ],
)
def test_cavitation_is_even_noise_that_has_grown_in_a_pump(
    times: float, bursts: float, kind: str, expected: list[str]
) -> None:
    plain = healthy(1770.0, 3)
    noisy = plain._replace(noise_g=times * plain.noise_g, bursts=np.full(3, bursts))
    found = diagnose(noisy, plain, pump(1770.0, kind=kind), UNKNOWN_BEARING)
    assert [finding.name for finding in found] == expected


PATTERNS: list[tuple[dict[float, float], dict[float, float], list[str]]] = [
    # radial levels, axial levels (mm/s by order), what may be said
    ({1.0: 3.0}, {}, ["unbalance"]),
    ({1.0: 3.0, 3.0: 3.0}, {}, []),  # grown, but not dominant
    ({1.0: 3.0}, {1.0: 2.5}, ["misalignment"]),  # as much along the shaft: it is not unbalance
    ({1.0: 3.0}, {1.0: 1.5}, ["unbalance"]),
    ({1.0: 3.0, 2.0: 2.0}, {}, []),  # 2x below 3/4 of 1x, 1x below 70 % of the energy
    ({1.0: 1.0, 2.0: 1.3}, {}, ["misalignment"]),
    ({1.0: 1.0}, {1.0: 1.6}, ["misalignment"]),
    ({1.0: 1.0, 2.0: 3.0, 0.5: 1.2, 1.5: 1.2}, {}, ["misalignment"]),  # of two rivals the surer
    ({1.0: 1.0}, {2.0: 1.6}, ["misalignment"]),
    ({1.0: 2.0, 0.5: 1.2, 1.5: 1.2}, {}, ["looseness"]),
    ({1.0: 4.0, 0.5: 0.8, 1.5: 0.8}, {}, ["unbalance"]),  # what rattles is the smaller part
    ({1.0: 4.0, 2.0: 2.9, 0.5: 0.8, 1.5: 0.8}, {}, []),
    ({1.0: 2.0, 0.5: 1.9}, {}, []),  # one half order alone: a belt's, a rub's
    ({order: 1.0 for order in (1.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)}, {}, ["looseness"]),
    ({order: 1.0 for order in (1.0, 3.0, 4.0, 5.0, 6.0)}, {}, []),
    ({1.0: 0.6}, {}, []),  # grown threefold, but by less than is significant
]


@pytest.mark.parametrize(("radial", "axial", "expected"), PATTERNS)
def test_a_pattern_is_named_only_when_it_is_whole(
    radial: dict[float, float], axial: dict[float, float], expected: list[str]
) -> None:
    machine = pump(1770.0, axial=2)
    before = np.full((3, 20), 0.2 / np.sqrt(2))
    now = np.full((3, 20), 0.0)
    for order, mm_s in radial.items():
        now[:2, round(2 * order) - 1] = mm_s / np.sqrt(2)  # on both radial axes
    for order, mm_s in axial.items():
        now[2, round(2 * order) - 1] = mm_s
    plain = healthy(1770.0, 3)._replace(order_clear=np.full(20, True), order_mm_s=before)
    evidence = plain._replace(order_mm_s=now, order_above=np.where(now > 0, 1000.0, 1.0))
    found = diagnose(evidence, plain, machine, UNKNOWN_BEARING)
    assert [finding.name for finding in found] == expected
