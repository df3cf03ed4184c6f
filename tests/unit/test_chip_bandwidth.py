"""What a part's own filter lets through, as the analysis is told."""

import pytest

from agent.chips import known_chips


@pytest.mark.parametrize(
    ("chip", "rate_hz", "expected_hz"),
    [
        ("adxl345", 3200, 1600.0),
        ("adxl355", 4000, 1000.0),
        ("iis3dwb", 26_667, 6300.0),
        ("kx132", 6400, 3200.0),
        ("lis2dw12", 1600, 800.0),
        ("lis3dh", 1344, 149.3),
    ],
)
def test_the_bandwidth_is_that_of_the_datasheet(
    chip: str, rate_hz: int, expected_hz: float
) -> None:
    assert known_chips()[chip].bandwidth_hz(rate_hz) == pytest.approx(expected_hz, rel=1e-3)


def test_a_thermocouple_has_none() -> None:
    assert known_chips()["max31855"].bandwidth_hz(10) is None
