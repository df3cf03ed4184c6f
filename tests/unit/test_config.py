"""Configuration: everything wrong is refused by path, value and expectation."""

import copy
import json
from typing import Any

import pytest

from agent.analysis.evidence import machine_facts
from agent.checked import ConfigFault
from agent.chips import known_chips
from agent.config import read_settings

GOOD: dict[str, Any] = {
    "schema": 1,
    "device": {"site": "planta-1", "name": "pi-7"},
    "state_dir": "/var/lib/latido",
    "buses": [
        {"name": "spi0", "kind": "spidev"},
        {"name": "i2c1", "kind": "smbus2", "number": 1, "speed_hz": 400000},
    ],
    "sensors": [
        {"name": "de", "chip": "adxl345", "bus": "spi0", "rate_hz": 3200},
        {"name": "tc", "chip": "max31855", "bus": "spi0", "chip_select": 1},
        {"name": "nde", "chip": "adxl345", "bus": "i2c1", "rate_hz": 800, "address": 29},
    ],
    "machines": [{"name": "Bomba 1", "vibration": "de", "temperature": "tc", "rpm": 1770}],
}


def complaints(**changes: Any) -> list[str]:
    """What is said of the good configuration with `path=value` changed (`__` is a dot)."""
    held = copy.deepcopy(GOOD)
    for path, value in changes.items():
        place: Any = held
        *way, last = [int(step) if step.isdigit() else step for step in path.split("__")]
        for step in way:
            place = place[step]
        place[last] = value
    with pytest.raises(ConfigFault) as caught:
        read_settings(json.dumps(held))
    return caught.value.complaints


def test_a_good_configuration_is_read_whole() -> None:
    settings = read_settings(json.dumps(GOOD))
    assert settings.sensors[2].address == 29
    assert settings.machines[0].rpm == 1770
    assert settings.page.port == 8080


def test_what_is_said_of_a_machine_becomes_facts_for_its_diagnosis() -> None:
    held = copy.deepcopy(GOOD)
    held["machines"][0].update(bearing="9,7.94,39.04,0", vanes=5, mains_hz=50, axial="y")
    facts = machine_facts(read_settings(json.dumps(held)).machines[0])
    assert facts.bearing.orders.bpfo == pytest.approx(3.585, abs=1e-3)
    assert (facts.vanes, facts.mains_hz, facts.axial, facts.rpm) == (5, 50.0, 1, 1770)
    plain = machine_facts(read_settings(json.dumps(GOOD)).machines[0])
    assert (plain.bearing, plain.vanes, plain.mains_hz, plain.axial) == (None, None, 60.0, None)


@pytest.mark.parametrize(
    ("changes", "path", "value", "expected"),
    [
        ({"sensors__0__rate_hz": 3000}, "sensors[0].rate_hz", "3000", "choose 100 200 400"),
        ({"sensors__0__rate_hz": True}, "sensors[0].rate_hz", "true", "choose 100 200 400"),
        ({"sensors__0__chip": "adxl999"}, "sensors[0].chip", "adxl999", "choose adxl345"),
        ({"sensors__2__rate_hz": 3200}, "sensors[2].rate_hz", "3200", "or SPI"),
        ({"sensors__2__address": 0x42}, "sensors[2].address", "66", "choose 83 29"),
        ({"sensors__1__bus": "i2c1"}, "sensors[1].bus", "max31855", "SPI"),
        ({"sensors__0__bus": "spi9"}, "sensors[0].bus", "spi9", "choose spi0 i2c1"),
        ({"sensors__0__colour": 1}, "sensors[0].colour", "1", "unknown key"),
        ({"sensors__0__chip": ["x"]}, "sensors[0].chip", '["x"]', "choose adxl345"),
        ({"buses__0__kind": {}}, "buses[0].kind", "{}", "choose smbus2"),
        ({"machines__0__name": "\ud800"}, "machines[0].name", "ud800", "1 to 64 characters"),
        ({"sensors__0__rate_hz": [1]}, "sensors[0].rate_hz", "[1]", "choose 100 200 400"),
        (
            {"buses__1__speed_hz": 100000},
            "sensors[2].rate_hz",
            "runs at 100000 Hz",
            "expected 200 Hz or less",
        ),
        ({"colour": "red"}, "colour", "red", "unknown key"),
        ({"page": {"port": 70000}}, "page.port", "70000", "0 to 65535"),
        ({"page": {"port": "80"}}, "page.port", '"80"', "0 to 65535"),
        ({"page": 4}, "page", "4", "an object"),
        ({"machines": []}, "machines", "[]", "at least one"),
        ({"machines__0__rpm": -3}, "machines[0].rpm", "-3", "30 to 60000"),
        (
            {"machines__0__limits_mm_s": [1, 3, 2]},
            "machines[0].limits_mm_s",
            "[1, 3, 2]",
            "that rise",
        ),
        ({"machines__0__limits_um": [1, 2]}, "machines[0].limits_um", "[1, 2]", "three limits"),
        ({"machines__0__limits_um": [0, 2, 3]}, "machines[0].limits_um", "[0, 2", "above 0"),
        ({"machines__0__limits_mm_s": "1,2,3"}, "machines[0].limits_mm_s", "1,2,3", "three"),
        ({"machines__0__pump_category": "III"}, "machines[0].pump_category", "III", "I or II"),
        ({"machines__0__learn_minutes": 0}, "machines[0].learn_minutes", "0", "1 to 10080"),
        ({"machines__0__mounting": 0}, "machines[0].mounting", "0", "1 or more"),
        ({"machines__0__vibration": "tc"}, "machines[0].vibration", "tc", "choose de nde"),
        ({"machines__0__bearing": "6205-XYZ"}, "machines[0].bearing", "6205-XYZ", "table"),
        ({"machines__0__bearing": 6205}, "machines[0].bearing", "6205", "a text"),
        ({"machines__0__bearing": "9,50,39,0"}, "machines[0].bearing", "9,50,39,0", "0 < d < D"),
        ({"machines__0__vanes": 1}, "machines[0].vanes", "1", "2 to 50"),
        ({"machines__0__mains_hz": 55}, "machines[0].mains_hz", "55", "50 or 60"),
        ({"machines__0__axial": "w"}, "machines[0].axial", '"w"', "choose x y z"),
        ({"machines__0__axial": 0}, "machines[0].axial", "0", "choose x y z"),
        ({"device__name": "a/b"}, "device.name", "a/b", "letters"),
        ({"schema": 9}, "schema", "9", "1"),
        ({"broker": {"port": 1883}}, "broker.host", "missing", "host name"),
    ],
)
def test_a_wrong_value_is_named(
    changes: dict[str, Any], path: str, value: str, expected: str
) -> None:
    (line,) = complaints(**changes)
    assert line.startswith(path + ":")
    assert value in line and expected in line


def test_two_sensors_at_one_place_name_each_other() -> None:
    (line,) = complaints(sensors__1__chip_select=0)
    assert line.startswith("sensors[1]:") and '"tc"' in line and '"de"' in line


def test_a_name_taken_twice_is_refused() -> None:
    assert complaints(sensors__1__name="de")[0].startswith("sensors[1].name:")


def test_all_complaints_come_at_once() -> None:
    lines = complaints(sensors__0__rate_hz=1, machines__0__rpm="fast", colour=1)
    assert len(lines) == 3


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"a": NaN}', '{"a": 1, "a": 2}', "null"])
def test_what_is_not_a_configuration_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ConfigFault) as caught:
        read_settings(text)
    assert caught.value.complaints[0].startswith(("file:", "schema:"))


def test_a_bus_that_all_its_sensors_would_fill_is_refused_with_the_arithmetic() -> None:
    sensors = [
        {"name": name, "chip": "lis3dh", "bus": "i2c1", "rate_hz": 1344, "address": address}
        for name, address in (("a", 0x18), ("b", 0x19))
    ]
    sensors += [
        {"name": name, "chip": "adxl345", "bus": "i2c1", "rate_hz": 800, "address": address}
        for name, address in (("c", 0x53), ("d", 0x1D))
    ]
    machines = [{"name": "M", "vibration": "a"}]
    (complaint,) = complaints(sensors=sensors, machines=machines)
    assert 'buses[1]: "i2c1" is filled to 74 %' in complaint
    assert "c 800 frames/s x 88 bit = 70 kbit/s of 400" in complaint


@pytest.mark.parametrize(
    ("speed_hz", "fits", "too_fast"), [(400_000, 800, 1600), (100_000, 200, 400)]
)
def test_an_adxl345_on_i2c_is_as_fast_as_its_datasheet_lets_that_clock(
    speed_hz: int, fits: int, too_fast: int
) -> None:
    bus = {"name": "i", "kind": "smbus2", "number": 1, "speed_hz": speed_hz}
    machines = [{"name": "M", "vibration": "a"}]
    sensors = [{"name": "a", "chip": "adxl345", "bus": "i", "rate_hz": fits}]
    held = {**GOOD, "buses": [bus], "sensors": sensors, "machines": machines}
    assert read_settings(json.dumps(held)).sensors[0].rate_hz == fits
    sensors[0]["rate_hz"] = too_fast
    (line,) = complaints(buses=[bus], sensors=sensors, machines=machines)
    assert line.startswith("sensors[0].rate_hz") and f"clock of {500 * too_fast} Hz" in line
    assert f"expected {fits} Hz or less, or SPI" in line


def test_a_chip_is_refused_on_a_bus_that_it_has_not() -> None:
    sensors = [{"name": "de", "chip": "mcp9600", "bus": "spi0"}]
    (complaint,) = complaints(sensors=sensors, machines=[{"name": "M", "vibration": "de"}])[:1]
    assert "mcp9600 is not a chip for SPI" in complaint


def test_the_options_of_a_chip_are_read_and_have_defaults() -> None:
    held = copy.deepcopy(GOOD)
    held["sensors"][1] = {"name": "tc", "chip": "max31856", "bus": "spi0", "chip_select": 1}
    assert read_settings(json.dumps(held)).sensors[1].options == (
        ("thermocouple", "K"),
        ("mains_hz", 60),
    )
    held["sensors"][1].update(thermocouple="T", mains_hz=50)
    options = dict(read_settings(json.dumps(held)).sensors[1].options)
    assert options == {"thermocouple": "T", "mains_hz": 50}
    assert read_settings(json.dumps(held)).sensors[0].options == ()


@pytest.mark.parametrize(
    ("chip", "key", "value", "expected"),
    [
        ("max31856", "thermocouple", "Q", "a thermocouple of max31856 (choose K B E J N R S T)"),
        ("max31856", "mains_hz", 60.0, "a mains_hz of max31856 (choose 60 50)"),
        ("max31855", "mains_hz", 60, "an option of max31855; of max31856 it is"),
        ("max31855", "linearisation", "K", "a linearisation of max31855 (choose nist chip)"),
        ("max31855", "thermocouple", "K", "of mcp9600 max31856 mcp9601 it is"),
    ],
)
def test_an_option_that_a_chip_has_not_is_refused_with_the_choices(
    chip: str, key: str, value: Any, expected: str
) -> None:
    sensor = {"name": "tc", "chip": chip, "bus": "spi0", "chip_select": 1, key: value}
    (line,) = complaints(sensors__1=sensor)
    assert line.startswith(f"sensors[1].{key}: {json.dumps(value)} is not")
    assert all(word in line for word in expected.split()), line


def test_variants_are_names_that_the_configuration_accepts() -> None:
    held = copy.deepcopy(GOOD)
    held["sensors"][0]["chip"] = "adxl343"
    assert read_settings(json.dumps(held)).sensors[0].chip == "adxl343"
    chips = known_chips()
    assert chips["adxl343"].answers_as == "adxl345" and chips["mcp9601"].answers_as == "mcp9601"


def two_buses(kinds: tuple[str, str], chip: str, rate_hz: int, **bus: Any) -> list[str]:
    """Complaints about two sensors, each on a bus entry of its own, both of one node."""
    places = {"chip_select": 1} if kinds[0] == "spidev" else {"address": CHIPS[chip].addresses[1]}
    apart = bus.pop("apart", True)
    buses = [{"name": name, "kind": kind, **bus} for name, kind in zip("ab", kinds)]
    sensors = [{"name": n, "chip": chip, "bus": n, "rate_hz": rate_hz} for n in "ab"]
    sensors[1].update(places if apart else {})
    return complaints(buses=buses, sensors=sensors, machines=[{"name": "M", "vibration": "a"}])


CHIPS = known_chips()


def test_one_wire_under_two_names_is_summed_together() -> None:
    (line,) = two_buses(("spidev", "spidev"), "iis3dwb", 26667, speed_hz=3_000_000)
    assert '"a" and "b", which are one bus, are filled to 101 %' in line


@pytest.mark.parametrize("kinds", [("smbus2", "blinka_i2c"), ("spidev", "blinka_spi")])
def test_one_seat_is_taken_once_whoever_drives_its_bus(kinds: tuple[str, str]) -> None:
    number, speed_hz = (1, 400_000) if kinds[0] == "smbus2" else (0, 5_000_000)
    (line,) = two_buses(kinds, "lis3dh", 400, number=number, speed_hz=speed_hz, apart=False)
    assert line.startswith("sensors[1]:") and "already is" in line


@pytest.mark.parametrize("chip", ["adxl345", "lis3dh"])
def test_a_chip_with_both_buses_has_its_limit_on_i2c(chip: str) -> None:
    bus = {"name": "i", "kind": "smbus2", "number": 1, "speed_hz": 1_000_000}
    sensors = [{"name": "a", "chip": chip, "bus": "i", "rate_hz": 400}]
    machines = [{"name": "M", "vibration": "a"}]
    (line,) = complaints(buses=[bus], sensors=sensors, machines=machines)
    assert "at most 400000 Hz" in line and "config.txt" in line


def test_no_cure_is_named_that_only_silences() -> None:
    fast = {"name": "nde", "chip": "lis2dw12", "bus": "i2c1", "rate_hz": 1600}
    (line,) = complaints(sensors__2=fast, buses__1__speed_hz=100_000)
    assert "93 kbit/s of 100" in line and "92.8 % of its time" in line
    assert "raise speed_hz" not in line and "config.txt" in line


@pytest.mark.parametrize(("rate_hz", "speed_hz"), [(1600, 1_999_999), (800, 399_999)])
def test_an_adxl345_is_refused_on_a_clock_that_loses_its_samples(
    rate_hz: int, speed_hz: int
) -> None:
    changes = {"sensors__0__rate_hz": rate_hz, "buses__0__speed_hz": speed_hz}
    (line,) = complaints(**changes)
    assert line.startswith("sensors[0].rate_hz:") and "loses samples" in line
    held = copy.deepcopy(GOOD)
    held["sensors"][0]["rate_hz"], held["buses"][0]["speed_hz"] = rate_hz, speed_hz + 1
    assert read_settings(json.dumps(held)).sensors[0].rate_hz == rate_hz
