"""Zones A to D of broad-band velocity and displacement: tables are data, the edition goes along.

A value exactly on a boundary belongs to the zone below; the worse of velocity and displacement
counts. Both are blind to early bearing faults, so zone A never means "healthy" by itself, and no
verdict is a statement of conformity. Informative: the machine lies outside the edition's own scope,
or its power is not known, and the table is the closest there is.
"""

import json

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any, NamedTuple

    Limits = tuple[float, float, float]

    class SeverityTable(NamedTuple):
        """A/B, B/C and C/D limits in mm/s and um RMS, and where they come from.

        `machine`: "machine", "pump", "reference" (no rule chooses it) or "site". `limits_um`: None
        where the edition gives none. Valid above `above_kw`, up to and with `up_to_kw` (or None).
        """

        edition: str
        group: str
        support: str
        clause: str
        limits_mm_s: Limits
        informative: bool
        limits_um: Limits | None
        machine: str
        above_kw: float
        up_to_kw: float | None
        source: str

    class Severity(NamedTuple):
        """`by`: which of velocity and displacement put it in its zone."""

        velocity_rms_mm_s: float
        zone: str
        edition: str
        group: str
        informative: bool
        limits_mm_s: Limits
        displacement_rms_um: float | None
        limits_um: Limits | None
        by: str
        support: str
        clause: str

    class ChangeLimits(NamedTuple):
        """From a machine's own normal, in mm/s RMS: see `change_limits`."""

        change_mm_s: float
        alarm_mm_s: float
        trip_mm_s: float
else:
    from collections import namedtuple

    SeverityTable = namedtuple(
        "SeverityTable",
        (
            "edition",
            "group",
            "support",
            "clause",
            "limits_mm_s",
            "informative",
            "limits_um",
            "machine",
            "above_kw",
            "up_to_kw",
            "source",
        ),
    )
    Severity = namedtuple(
        "Severity",
        (
            "velocity_rms_mm_s",
            "zone",
            "edition",
            "group",
            "informative",
            "limits_mm_s",
            "displacement_rms_um",
            "limits_um",
            "by",
            "support",
            "clause",
        ),
    )
    ChangeLimits = namedtuple("ChangeLimits", ("change_mm_s", "alarm_mm_s", "trip_mm_s"))

ZONES = "ABCD"
SMALL_KW = 15.0  # ISO 10816-3 begins above 15 kW
PUMP_KW_MIN = 1.0  # ISO 10816-7 begins above 1 kW
SUPPORTS = ("rigid", "flexible")
CATEGORIES = ("I", "II")  # ISO 10816-7: critical, or general use
PUMP = "pump"
SITE = "site"  # edition of limits that the site set itself
VELOCITY, DISPLACEMENT = "velocity", "displacement"
CHANGE_OF_BC = 0.25  # ISO 20816-1, 6.4.2: a change of more than this share of B/C is significant
CAP = 1.25  # ISO 20816-1, 6.5: neither ALARM nor TRIP above 1.25 of its boundary


def read_tables(text: str) -> "tuple[SeverityTable, ...]":
    """The tables of severity.json; ValueError when limits do not rise."""
    return tuple(_table(row) for row in json.loads(text)["tables"])


def _table(row: "Any") -> "SeverityTable":
    place = f"{row['edition']} {row['group']}"
    limits_um = row["limits_um"]
    return SeverityTable(
        row["edition"],
        row["group"],
        row["support"],
        row["clause"],
        rising(place, row["limits_mm_s"]),
        row["informative"],
        None if limits_um is None else rising(place, limits_um),
        row["for"],
        row["above_kw"],
        row["up_to_kw"],
        row["source"],
    )


def rising(place: str, limits: "Any") -> "Limits":
    """A/B, B/C, C/D as a tuple; ValueError naming `place` when they are not three that rise."""
    held = tuple(limits)
    if len(held) != 3 or not 0 < held[0] < held[1] < held[2]:
        raise ValueError(f"{place}: limits {list(held)} do not rise (expected three above 0)")
    return held


def table_for(
    tables: "tuple[SeverityTable, ...]",
    power_kw: "float | None",
    support: str,
    kind: str = "other",
    category: str = "II",
) -> "SeverityTable":
    """The table for a machine. Up to 15 kW, or of unknown power, it is informative.

    Pumps above 1 kW have their own (ISO 10816-7, by `category`). Of unknown power: the small one's.
    """
    if support not in SUPPORTS:
        raise ValueError(f"support: {support!r} is not {' or '.join(SUPPORTS)}")
    if category not in CATEGORIES:
        raise ValueError(f"category: {category!r} is not {' or '.join(CATEGORIES)}")
    as_pump = kind == PUMP and (power_kw is None or power_kw > PUMP_KW_MIN)
    assumed_kw = (SMALL_KW if power_kw is None else power_kw) if not as_pump else power_kw or 2.0
    small = power_kw is None or power_kw <= SMALL_KW
    for table in tables:
        if table.machine != (PUMP if as_pump else "machine"):
            continue
        if as_pump and not table.group.startswith(f"category {category},"):
            continue
        if table.support in ("any", support) and _within(assumed_kw, table):
            return informative(table) if small else table
    raise ValueError(f"power_kw: {power_kw} has no table for {kind} on {support} support")


def _within(power_kw: float, table: "SeverityTable") -> bool:
    return power_kw > table.above_kw and (table.up_to_kw is None or power_kw <= table.up_to_kw)


def informative(table: "SeverityTable") -> "SeverityTable":
    """The same table, labelled: it does not bind this machine."""
    return SeverityTable(*table[:5], True, *table[6:])


def of_site(
    table: "SeverityTable", limits_mm_s: "Any" = None, limits_um: "Any" = None
) -> "SeverityTable":
    """`table` with limits of the site's own; the edition is then the site, not the standard."""
    if limits_mm_s is None and limits_um is None:
        return table
    return SeverityTable(
        SITE,
        f"{table.edition} {table.group}",
        table.support,
        "",
        table.limits_mm_s if limits_mm_s is None else rising("limits_mm_s", limits_mm_s),
        table.informative,
        table.limits_um if limits_um is None else rising("limits_um", limits_um),
        SITE,
        table.above_kw,
        table.up_to_kw,
        f"set by the site instead of {table.edition}",
    )


def zone_of(value: float, limits: "Limits") -> str:
    """Zone A, B, C or D; a value on a boundary belongs to the zone below."""
    return ZONES[sum(value > limit for limit in limits)]


def judge_severity(
    velocity_rms_mm_s: float, table: "SeverityTable", displacement_rms_um: "float | None" = None
) -> "Severity":
    """The worse of velocity and, where the table has limits for it, displacement."""
    zone, by = zone_of(velocity_rms_mm_s, table.limits_mm_s), VELOCITY
    if displacement_rms_um is not None and table.limits_um is not None:
        moved = zone_of(displacement_rms_um, table.limits_um)
        if moved > zone:
            zone, by = moved, DISPLACEMENT
    return Severity(
        velocity_rms_mm_s,
        zone,
        table.edition,
        table.group,
        table.informative,
        table.limits_mm_s,
        displacement_rms_um,
        table.limits_um,
        by,
        table.support,
        table.clause,
    )


def change_limits(baseline_mm_s: float, limits_mm_s: "Limits") -> "ChangeLimits":
    """What a machine that normally shows `baseline_mm_s` may show.

    A change by more than 25 % of B/C is significant even inside zone B. ALARM is the baseline and
    25 % of B/C, at most 1.25 of B/C; TRIP lies at C/D, not below ALARM and at most 1.25 of C/D.
    """
    change = CHANGE_OF_BC * limits_mm_s[1]
    alarm = min(baseline_mm_s + change, CAP * limits_mm_s[1])
    trip = min(max(limits_mm_s[2], alarm), CAP * limits_mm_s[2])
    return ChangeLimits(change, alarm, trip)
