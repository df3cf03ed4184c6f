"""Simulated machines: the same time gives the same value, and each fault shows where it should."""

import numpy as np
import pytest

from agent.analysis.spectra import band_powers_g2, power_spectrum, velocity_rms_mm_s
from hw.machines.condition import HEALTHY, Condition
from hw.machines.part import PARTS, felt_by
from hw.machines.pump import Pump
from hw.machines.replay import EndOfRecording, Recording

RATE_HZ = 3200.0


def grows(t_s: float) -> Condition:
    return Condition(min(1.0, t_s / 10), 0.0, 0.0, 0.0, 0.0)


def test_values_do_not_depend_on_how_they_are_asked_for() -> None:
    t_s = 3.0 + np.arange(4000) / RATE_HZ
    whole = Pump(7, 1770, grows).acceleration_g(t_s)
    parts = [Pump(7, 1770, grows).acceleration_g(t_s[n : n + 37]) for n in range(0, 4000, 37)]
    assert np.array_equal(whole, np.concatenate(parts))
    few = felt_by(PARTS["adxl345"], Pump(7, 1770), 1)
    many = felt_by(PARTS["adxl345"], Pump(7, 1770), 1)
    begin = [few(5.0 + n * 13 / RATE_HZ, 1 / RATE_HZ, 13) for n in range(100)]
    assert np.allclose(np.concatenate(begin), many(5.0, 1 / RATE_HZ, 1300), atol=1e-9)


@pytest.mark.parametrize("rpm", [885.0, 1770.0, 3550.0])
def test_a_healthy_pump_is_in_zone_a_and_gravity_is_on_z(rpm: float) -> None:
    g = Pump(3, rpm).acceleration_g(np.arange(8192) / RATE_HZ)
    assert g.mean(axis=0) == pytest.approx([0, 0, 1], abs=5e-3)
    for axis in g.T:
        velocity = velocity_rms_mm_s(power_spectrum(axis, RATE_HZ), (10.0, 1000.0))
        assert 0.1 < velocity < 0.71


def test_each_fault_grows_where_it_should() -> None:
    t_s = 2.0 + np.arange(16384) / 12800.0
    shaft_hz = 1770 / 60

    def power(condition: Condition, low_hz: float, high_hz: float) -> float:
        x = Pump(5, 1770, condition).acceleration_g(t_s)[:, 0]
        return float(band_powers_g2(power_spectrum(x, 12800.0), np.array((low_hz, high_hz)))[0])

    places = {
        "unbalance": (0.8 * shaft_hz, 1.2 * shaft_hz),
        "misalignment": (1.8 * shaft_hz, 2.2 * shaft_hz),
        "bearing_defect": (1000.0, 1300.0),
        "cavitation": (1500.0, 3000.0),
    }
    for fault, (low_hz, high_hz) in places.items():
        worn = Condition(*(0.5 if name == fault else 0.0 for name in HEALTHY._fields))
        assert power(worn, low_hz, high_hz) > 20 * power(HEALTHY, low_hz, high_hz), fault


def test_a_recording_is_felt_below_the_sensors_cut_off_and_then_ends() -> None:
    t_s = np.arange(48_000) / 48_000
    x = np.sin(2 * np.pi * 200 * t_s) + np.sin(2 * np.pi * 5000 * t_s)
    quiet = PARTS["adxl345"]._replace(noise_g=(0.0, 0.0, 0.0))
    feel = felt_by(quiet, Recording(x[:, None], 48_000.0), 1)
    g = np.asarray(feel(0.1, 1 / RATE_HZ, 2000)).reshape(-1, 3)
    expected = np.sin(2 * np.pi * 200 * (0.1 + np.arange(2000) / RATE_HZ))
    assert np.abs(g[:, 0] - expected).max() < 0.01 and not g[:, 1:].any()
    with pytest.raises(EndOfRecording):
        feel(0.9, 1 / RATE_HZ, 400)


def test_a_worn_bearing_is_warm() -> None:
    cold, warm = (Pump(1, 1770, Condition(d, 0.0, 0.0, 0.0, 0.0)) for d in (0.0, 1.0))
    assert 40 < cold.temperature_degc(10.0) < 50 < warm.temperature_degc(10.0) < 90
