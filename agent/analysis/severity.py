"""Zones A to D of broad-band velocity: tables are data, the edition goes with each verdict.

A value exactly on a boundary belongs to the zone below. Velocity alone is blind to early bearing
faults, so zone A never means "healthy" by itself. Informative: the machine lies outside the
edition's own scope and the table is the closest there is.
"""

import json

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import NamedTuple

    class SeverityTable(NamedTuple):
        """A/B, B/C and C/D limits in mm/s RMS, and where they come from."""

        edition: str
        group: str
        support: str
        clause: str
        limits_mm_s: tuple[float, float, float]
        informative: bool

    class Severity(NamedTuple):
        velocity_rms_mm_s: float
        zone: str
        edition: str
        group: str
        informative: bool
        limits_mm_s: tuple[float, float, float]
else:
    from collections import namedtuple

    SeverityTable = namedtuple(
        "SeverityTable", ("edition", "group", "support", "clause", "limits_mm_s", "informative")
    )
    Severity = namedtuple(
        "Severity",
        ("velocity_rms_mm_s", "zone", "edition", "group", "informative", "limits_mm_s"),
    )

ZONES = "ABCD"
SMALL_KW = 15.0  # ISO 10816-3 begins above 15 kW
LARGE_KW = 300.0  # group 1 above, group 2 up to and with it
SUPPORTS = ("rigid", "flexible")


def read_tables(text: str) -> "tuple[SeverityTable, ...]":
    """The tables of severity.json; ValueError when limits do not rise."""
    tables = []
    for row in json.loads(text)["tables"]:
        limits = tuple(row["limits_mm_s"])
        if len(limits) != 3 or not 0 < limits[0] < limits[1] < limits[2]:
            raise ValueError(f"{row['edition']} {row['group']}: limits {limits} do not rise")
        tables.append(
            SeverityTable(
                row["edition"],
                row["group"],
                row["support"],
                row["clause"],
                limits,
                row["informative"],
            )
        )
    return tuple(tables)


def table_for(
    tables: "tuple[SeverityTable, ...]", power_kw: "float | None", support: str
) -> "SeverityTable":
    """The table for a machine; without a known power the small machine's, which is informative."""
    if power_kw is None or power_kw <= SMALL_KW:
        group = "class I"
    else:
        group = "1" if power_kw > LARGE_KW else "2"
    for table in tables:
        if table.group == group and table.support in ("any", support):
            return table
    raise ValueError(f"support: {support!r} has no table in group {group} (choose {SUPPORTS})")


def zone_of(velocity_rms_mm_s: float, limits_mm_s: "tuple[float, float, float]") -> str:
    """Zone A, B, C or D; a value on a boundary belongs to the zone below."""
    return ZONES[sum(velocity_rms_mm_s > limit for limit in limits_mm_s)]


def judge_severity(velocity_rms_mm_s: float, table: "SeverityTable") -> "Severity":
    return Severity(
        velocity_rms_mm_s,
        zone_of(velocity_rms_mm_s, table.limits_mm_s),
        table.edition,
        table.group,
        table.informative,
        table.limits_mm_s,
    )
