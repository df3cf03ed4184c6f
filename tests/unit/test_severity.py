"""Severity tables: limits, boundaries, which table a machine gets."""

import pytest

from agent.analysis.severity import SeverityTable, judge_severity, read_tables, table_for, zone_of
from agent.resources import severity_tables_text

TABLES = read_tables(severity_tables_text())


@pytest.mark.parametrize("table", TABLES, ids=lambda t: f"{t.edition} {t.group} {t.support}")
def test_a_value_on_a_boundary_belongs_to_the_zone_below(table: SeverityTable) -> None:
    for place, limit in enumerate(table.limits_mm_s):
        assert zone_of(limit, table.limits_mm_s) == "ABC"[place]
        assert zone_of(limit * 1.0001, table.limits_mm_s) == "BCD"[place]


@pytest.mark.parametrize(
    ("power_kw", "support", "group", "informative"),
    [
        (None, "rigid", "class I", True),
        (15.0, "flexible", "class I", True),
        (15.1, "rigid", "2", False),
        (300.0, "flexible", "2", False),
        (300.1, "rigid", "1", False),
    ],
)
def test_power_and_support_choose_the_table(
    power_kw: float | None, support: str, group: str, informative: bool
) -> None:
    table = table_for(TABLES, power_kw, support)
    assert (table.group, table.informative) == (group, informative)
    assert table.support in ("any", support)


def test_a_support_that_no_table_has_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="floating"):
        table_for(TABLES, 20.0, "floating")


def test_limits_that_do_not_rise_are_refused() -> None:
    text = severity_tables_text().replace("2.3, 4.5, 7.1", "4.5, 2.3, 7.1")
    with pytest.raises(ValueError, match="do not rise"):
        read_tables(text)


def test_the_verdict_carries_its_edition() -> None:
    severity = judge_severity(3.0, table_for(TABLES, 20.0, "rigid"))
    assert (severity.zone, severity.edition) == ("C", "ISO 10816-3:2009")
