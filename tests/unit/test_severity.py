"""Severity: every zone boundary, which table a machine gets, limits from its own normal."""

import math

import numpy as np
import pytest

from agent.analysis.assess import worst_levels
from agent.analysis.severity import (
    SeverityTable,
    change_limits,
    judge_severity,
    of_site,
    read_tables,
    table_for,
    zone_of,
)
from agent.analysis.spectra import power_spectrum
from agent.resources import severity_tables_text

TABLES = read_tables(severity_tables_text())
# As they are cited in the literature, written down a second time: edition, group, support.
CITED = {
    ("ISO 10816-3:2009", "1", "rigid"): ((2.3, 4.5, 7.1), (29, 57, 90)),
    ("ISO 10816-3:2009", "1", "flexible"): ((3.5, 7.1, 11.0), (45, 90, 140)),
    ("ISO 10816-3:2009", "2", "rigid"): ((1.4, 2.8, 4.5), (22, 45, 71)),
    ("ISO 10816-3:2009", "2", "flexible"): ((2.3, 4.5, 7.1), (37, 71, 113)),
    ("ISO 10816-7:2009", "category I, up to 200 kW", "any"): ((2.5, 4.0, 6.5), None),
    ("ISO 10816-7:2009", "category I, above 200 kW", "any"): ((3.5, 5.0, 7.6), None),
    ("ISO 10816-7:2009", "category II, up to 200 kW", "any"): ((3.2, 5.1, 8.5), None),
    ("ISO 10816-7:2009", "category II, above 200 kW", "any"): ((4.2, 6.1, 9.5), None),
    ("ISO 10816-1", "class I", "any"): ((0.71, 1.8, 4.5), None),
    ("ISO 10816-1", "class II", "any"): ((1.12, 2.8, 7.1), None),
}
CELLS = [
    (table, unit, place)
    for table in TABLES
    for unit, limits in (("mm/s", table.limits_mm_s), ("um", table.limits_um))
    if limits
    for place in range(3)
]


def cell_name(cell: object) -> str:
    return f"{cell[0]} {cell[1]}" if isinstance(cell, SeverityTable) else str(cell)


def zone(table: SeverityTable, unit: str, value: float) -> str:
    if unit == "mm/s":
        return judge_severity(value, table).zone
    return judge_severity(0.0, table, value).zone


def test_the_tables_are_those_that_are_cited() -> None:
    held = {(t.edition, t.group, t.support): (t.limits_mm_s, t.limits_um) for t in TABLES}
    assert held == CITED
    assert all(table.source and table.clause for table in TABLES)
    assert len(CELLS) == 3 * (10 + 4)


@pytest.mark.parametrize(("table", "unit", "place"), CELLS, ids=cell_name)
def test_a_value_on_a_boundary_belongs_to_the_zone_below(
    table: SeverityTable, unit: str, place: int
) -> None:
    limits = table.limits_mm_s if unit == "mm/s" else table.limits_um
    assert limits is not None
    limit = float(limits[place])
    assert zone(table, unit, limit) == "ABC"[place]
    assert zone(table, unit, math.nextafter(limit, math.inf)) == "BCD"[place]
    assert zone(table, unit, math.nextafter(limit, 0.0)) == "ABC"[place]


@pytest.mark.parametrize(
    ("kind", "power_kw", "support", "group", "is_informative"),
    [
        ("other", None, "rigid", "class I", True),
        ("motor", 15.0, "flexible", "class I", True),
        ("motor", math.nextafter(15.0, 16.0), "rigid", "2", False),
        ("fan", 300.0, "flexible", "2", False),
        ("fan", math.nextafter(300.0, 400.0), "rigid", "1", False),
        ("pump", None, "rigid", "category II, up to 200 kW", True),
        ("pump", 1.0, "rigid", "class I", True),
        ("pump", 1.1, "rigid", "category II, up to 200 kW", True),
        ("pump", 15.0, "flexible", "category II, up to 200 kW", True),
        ("pump", 15.1, "flexible", "category II, up to 200 kW", False),
        ("pump", 200.0, "rigid", "category II, up to 200 kW", False),
        ("pump", 200.1, "rigid", "category II, above 200 kW", False),
    ],
)
def test_kind_power_and_support_choose_the_table(
    kind: str, power_kw: float | None, support: str, group: str, is_informative: bool
) -> None:
    table = table_for(TABLES, power_kw, support, kind)
    assert (table.group, table.informative) == (group, is_informative)
    assert table.support in ("any", support)


def test_a_critical_pump_has_category_one() -> None:
    table = table_for(TABLES, 90.0, "rigid", "pump", "I")
    assert table.limits_mm_s == (2.5, 4.0, 6.5) and "6.6" in table.source
    assert table_for(TABLES, 900.0, "rigid", "pump", "I").limits_mm_s == (3.5, 5.0, 7.6)


def test_what_no_table_has_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="floating"):
        table_for(TABLES, 20.0, "floating")
    with pytest.raises(ValueError, match="III"):
        table_for(TABLES, 20.0, "rigid", "pump", "III")


@pytest.mark.parametrize("limits", [(4.5, 2.3, 7.1), (1, 2), (0, 1, 2), (1, 1, 2), (-1, 2, 3)])
def test_limits_that_do_not_rise_are_refused(limits: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="do not rise"):
        of_site(TABLES[0], limits)
    text = severity_tables_text().replace("[2.3, 4.5, 7.1]", str(list(limits)))
    with pytest.raises(ValueError, match="do not rise"):
        read_tables(text)


def test_limits_of_the_site_are_called_the_sites_and_not_the_standards() -> None:
    table = of_site(table_for(TABLES, 20.0, "rigid"), (1.0, 2.0, 3.0))
    severity = judge_severity(2.5, table, 60.0)
    assert (severity.edition, severity.zone, severity.by) == ("site", "C", "velocity")
    assert severity.limits_um == (22, 45, 71)
    assert of_site(TABLES[0]) is TABLES[0]


def test_the_verdict_carries_edition_support_and_clause() -> None:
    severity = judge_severity(3.0, table_for(TABLES, 20.0, "rigid"))
    assert (severity.zone, severity.edition, severity.support) == ("C", "ISO 10816-3:2009", "rigid")
    assert severity.clause == "Annex A, table A.2"


def test_the_worse_of_velocity_and_displacement_counts() -> None:
    table = table_for(TABLES, 20.0, "rigid")
    assert judge_severity(0.1, table, 71.0).zone == "C"
    worse = judge_severity(2.0, table, 71.5)
    assert (worse.zone, worse.by) == ("D", "displacement")
    assert judge_severity(5.0, table, 1.0).by == "velocity"


@pytest.mark.parametrize("axis", range(3))
def test_a_sine_has_the_displacement_that_its_amplitude_says(axis: int) -> None:
    t_s = np.arange(4096) / 3200.0
    values = np.zeros((4096, 3))
    values[:, axis] = 0.1 * math.sqrt(2) * np.sin(2 * math.pi * 25.0 * t_s)
    spectra = [power_spectrum(column, 3200.0) for column in values.T]
    velocity, displacement = worst_levels(spectra, 1500.0)
    omega = 2 * math.pi * 25.0
    assert velocity == pytest.approx(0.1 * 9806.65 / omega, rel=1e-3)
    assert displacement == pytest.approx(0.1 * 9806.65e3 / omega**2, rel=3e-3)


def test_alarm_and_trip_follow_the_baseline_up_to_their_caps() -> None:
    limits = (1.4, 2.8, 4.5)
    quiet = change_limits(0.5, limits)
    assert quiet.change_mm_s == pytest.approx(0.7)
    assert quiet.alarm_mm_s == pytest.approx(1.2), "inside zone A and B: a change counts there too"
    assert quiet.trip_mm_s == 4.5
    assert change_limits(2.8, limits).alarm_mm_s == pytest.approx(3.5)
    assert change_limits(9.0, limits).alarm_mm_s == pytest.approx(1.25 * 2.8)
    narrow = change_limits(9.0, (1.0, 4.0, 4.1))
    assert narrow.trip_mm_s == pytest.approx(5.0) and narrow.trip_mm_s <= 1.25 * 4.1


def test_a_zone_needs_its_limit_to_be_passed() -> None:
    assert zone_of(0.0, (1.0, 2.0, 3.0)) == "A" and zone_of(3.0000001, (1.0, 2.0, 3.0)) == "D"
