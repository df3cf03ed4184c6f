"""What thermocouple chips say of their thermocouple, and type K by ITS-90."""

from drivers.device import broken_check, decode_frame
from drivers.type_k import CHIP_MV_PER_DEGC, corrected, degc_of, emf_mv
from tests.contract.rig import Rig, rigs
from tests.contract.tools import near

# degC and mV of type K, NIST ITS-90 table (Monograph 175), cold junction at 0 degC.
NIST = (
    (-200, -5.891),
    (-100, -3.554),
    (-50, -1.889),
    (0, 0.0),
    (25, 1.0),
    (100, 4.096),
    (200, 8.138),
    (300, 12.209),
    (500, 20.644),
    (800, 33.275),
    (1000, 41.276),
    (1200, 48.838),
    (1372, 54.886),
)


def test_type_k_is_that_of_nist() -> None:
    for degc, mv in NIST:
        assert near(emf_mv(degc), mv, 0.0006), degc
        assert near(degc_of(mv), degc, 0.08), degc


def test_a_linear_chips_reading_is_corrected_with_its_cold_junction() -> None:
    for cold in (-20.0, 0.0, 25.0, 60.0):
        for degc, mv in NIST:
            linear = cold + (mv - emf_mv(cold)) / CHIP_MV_PER_DEGC
            hot, same = corrected([linear, cold])
            assert near(hot, degc, 0.1) and same == cold, (degc, cold, hot)


def test_what_no_type_k_gives_is_left_as_it_is() -> None:
    for hot in (-2048.0, -250.0, 1600.0, 2047.75):
        assert corrected([hot, 25.0]) == [hot, 25.0]


def test_junctions_of_one_temperature_are_left_as_they_are() -> None:
    for degc in (-40.0, 0.0, 25.0):
        assert corrected([degc, degc]) == [degc, degc]


def test_the_chips_own_straight_line_can_be_had() -> None:
    rig = Rig("max31855", linearisation="chip")
    rig.feel((300.0, 25.0))
    rig.start()
    rig.drain()
    hot, cold = decode_frame(rig.frame(0), rig.driver.layout)
    assert near(hot, 25.0 + (12.209 - 1.0) / 0.041276, 0.2) and hot < 297.0 and cold == 25.0


def test_each_fault_of_a_thermocouple_is_named() -> None:
    cases = (
        ("max31855", "open", "open"),
        ("max31855", "short_gnd", "ground"),
        ("max31855", "short_vcc", "supply"),
        ("max31856", "open", "open"),
        ("max31856", "voltage", "voltage"),
        ("mcp9600", "open", "open"),
        ("mcp9601", "short", "shorted"),
    )
    for name, fault, named in cases:
        (rig,) = rigs((name,))
        rig.start()
        rig.feel((20.0, 20.0), fault)
        rig.time.pass_ms(400)
        rig.drain()
        check = broken_check(rig.frame(0), rig.driver.layout)
        assert check is not None and named in check.reason and check.status == "failure", name


def test_a_hot_junction_beyond_its_type_is_out_of_spec() -> None:
    (rig,) = rigs(("max31856",))
    rig.feel((1500.0, 30.0))
    rig.start()
    rig.drain()
    check = broken_check(rig.frame(0), rig.driver.layout)
    assert check is not None and check.status == "out_of_spec"
