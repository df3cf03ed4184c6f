"""Orders of bearings: identities over every row of the table, and what is refused."""

import copy
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.analysis.bearings import (
    TABLE,
    Bearing,
    BearingFault,
    bearing_for,
    near_names,
    orders_from_geometry,
    read_table,
)

with open(TABLE) as file:
    TEXT = file.read()
ROWS = json.loads(TEXT)["rows"]
GOOD = {
    "names": ["X"],
    "n": 9,
    "ftf": "0.398",
    "bsf": "2.348",
    "bpfo": "3.585",
    "bpfi": "5.415",
    "source": "s",
}


def table_of(row: "dict[str, Any]", **changed: object) -> str:
    return json.dumps(
        {"sources": {"s": "a catalogue"}, "rows": [{**row, **changed}], "inconsistent": []}
    )


def test_the_table_has_every_row_that_was_checked() -> None:
    assert len(ROWS) == 35 and len(read_table(TEXT)[1]) == 1


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["names"][0])
def test_the_identities_hold_and_a_source_is_cited(row: "dict[str, Any]") -> None:
    bearing = bearing_for(row["names"][0])
    bpfo, bpfi, bsf, ftf = bearing.orders
    assert bpfo + bpfi == pytest.approx(row["n"], abs=0.002)
    assert bpfo == pytest.approx(row["n"] * ftf, abs=0.0006 * row["n"])
    share = 1 - 2 * ftf
    assert bsf == pytest.approx((1 - share**2) / (2 * share), rel=0.007)  # ftf has three digits
    assert len(bearing.source) > 15


@pytest.mark.parametrize(
    ("name", "bpfo", "bpfi", "twice_bsf", "ftf"),
    [
        ("6205-2RS", 3.5848, 5.4152, 4.7135, 0.39828),
        ("6203-2rs jem skf", 3.0530, 4.9469, 3.9874, 0.3817),
    ],
)
def test_a_document_that_prints_twice_the_spin_is_halved(
    name: str, bpfo: float, bpfi: float, twice_bsf: float, ftf: float
) -> None:
    assert bearing_for(name).orders == (bpfo, bpfi, twice_bsf / 2, ftf)


def test_geometry_gives_the_orders_of_the_6205() -> None:
    found = bearing_for("9,7.94,39.04,0")
    assert found.orders == pytest.approx((3.5848, 5.4152, 4.7135 / 2, 0.3983), rel=2e-4)
    assert found.source == "n,d,D,phi"


def test_four_orders_are_taken_as_they_are() -> None:
    found = bearing_for("ftf=0.381, bpfo=3.048,bpfi=4.952,BSF=1.988")
    assert found.orders == (3.048, 4.952, 1.988, 0.381) and found.source == "orders"


def test_the_row_that_contradicts_itself_is_refused_with_the_contradiction() -> None:
    with pytest.raises(BearingFault, match=r"305K must not be used.*Timken.*n x ftf = 3\.303"):
        bearing_for("305K")


def test_the_contradicting_row_among_the_others_stops_the_reading() -> None:
    held = json.loads(TEXT)
    held["rows"].append(held["inconsistent"][0])
    with pytest.raises(ValueError, match=r"305K: bpfo is 3\.574"):
        read_table(json.dumps(held))


def test_a_consistent_row_set_aside_stops_the_reading() -> None:
    held = json.loads(TEXT)
    held["inconsistent"].append(held["rows"].pop(0))
    with pytest.raises(ValueError, match="9104: set aside as inconsistent"):
        read_table(json.dumps(held))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"source": "t"}, "cites no source"),
        ({"bpfi": "5.415", "bpfo": "3.615"}, "expected 9 balls"),
        ({"n": 8}, "expected 8 balls"),
        ({"ftf": "0.391"}, "n x ftf"),
        ({"bsf": "4.696"}, "not twice it"),
        ({"bsf": "nan"}, "not a number"),
        ({"bore_mm": 40.0, "pitch_mm": 39.04}, "bore < pitch"),
        ({"outside_mm": 39.04, "pitch_mm": 39.04}, "pitch < outside"),
        ({"ball_mm": 9.0, "pitch_mm": 39.04}, "from the geometry"),
    ],
)
def test_a_row_that_cannot_be_is_refused(changed: "dict[str, Any]", message: str) -> None:
    assert read_table(table_of(GOOD, bore_mm=25.0, pitch_mm=39.04, outside_mm=52.0))
    with pytest.raises(ValueError, match=message):
        read_table(table_of(GOOD, **changed))


def test_a_name_that_stands_twice_is_refused() -> None:
    held = json.loads(TEXT)
    held["rows"].append(copy.deepcopy(held["rows"][0]))
    with pytest.raises(ValueError, match="stands twice"):
        read_table(json.dumps(held))


@pytest.mark.parametrize(
    ("text", "near"),
    [("6205-2", "6205-2RS JEM SKF"), ("205", "205K"), ("318", "318W"), ("ER16", "MB ER-16K")],
)
def test_a_near_miss_is_refused_and_the_near_name_offered(text: str, near: str) -> None:
    assert near in near_names(text)
    with pytest.raises(BearingFault, match=f"{text}.*near: .*{near}"):
        bearing_for(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "NU 2317 ECP",
        "9,7.94,39.04",
        "9,a,39.04,0",
        "2,7.94,39.04,0",
        "9.5,7.94,39.04,0",
        "inf,7.94,39.04,0",
        "9,nan,39.04,0",
        "9,39.04,7.94,0",
        "9,7.94,39.04,90",
        "20,7.94,39.04,0",
        "bpfo=3.585",
        "bpfo=3.585,bpfi=5.415,bsf=2.348",
        "bpfo=3.585,bpfi=5.415,bsf=2.348,ftf=x",
        "bpfo=3.585,bpfi=5.415,bsf=2.348,ftf=0.398,ftf=0.398",
        "bpfo=3.585,bpfi=5.415,bsf=4.696,ftf=0.398",
        "bpfo=5.415,bpfi=3.585,bsf=2.348,ftf=0.398",
        "bpfo=107,bpfi=162,bsf=70,ftf=11.9",
    ],
)
def test_what_is_not_a_bearing_is_refused(text: str) -> None:
    with pytest.raises(BearingFault, match="expected"):
        bearing_for(text)


@given(st.text(max_size=40))
def test_no_text_does_anything_but_give_a_bearing_or_refuse(text: str) -> None:
    try:
        assert isinstance(bearing_for(text), Bearing)
    except BearingFault as fault:
        assert "expected" in str(fault)


@given(
    balls=st.integers(5, 30),
    fill=st.floats(0.3, 0.95),
    pitch_mm=st.floats(10, 400),
    contact_deg=st.floats(0, 40),
)
def test_orders_of_any_geometry_keep_the_identities(
    balls: int, fill: float, pitch_mm: float, contact_deg: float
) -> None:
    ball_mm = fill * pitch_mm * math.sin(math.pi / balls)
    bpfo, bpfi, bsf, ftf = orders_from_geometry(balls, ball_mm, pitch_mm, contact_deg)
    assert bpfo + bpfi == pytest.approx(balls) and bpfo == pytest.approx(balls * ftf)
    share = 1 - 2 * ftf
    assert bsf == pytest.approx((1 - share**2) / (2 * share))
    assert bearing_for(f"{balls},{ball_mm},{pitch_mm},{contact_deg}").orders.bpfo == bpfo


@pytest.mark.parametrize("size", ["6205", " 6203 "])
def test_a_bare_size_is_its_only_row(size: str) -> None:
    assert bearing_for(size) == bearing_for(f"{size.strip()}-2RS")


@pytest.mark.parametrize("size", ["620", "62", "305", "6204", "16"])
def test_a_bare_size_that_no_row_has_is_refused(size: str) -> None:
    with pytest.raises(BearingFault):
        bearing_for(size)
