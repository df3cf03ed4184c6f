"""Envelope and pre-whitening against openconmo, whose values were made in its own environment."""

import json
from pathlib import Path

import numpy as np
import pytest

from agent.analysis.whitening import envelope_power, smooth_at_least, spectrum_lines, whitened
from tests.golden.signals import modulated, rough

GOLDEN = json.loads((Path(__file__).parent.parent / "golden" / "openconmo.json").read_text())


def test_the_envelopes_lines_are_those_of_openconmo() -> None:
    """Theirs are amplitudes without a window; Hann leaves half of a line that is alone."""
    expected = np.array(GOLDEN["envelope_amplitude"])
    top = len(expected) - 1
    band = spectrum_lines(modulated())[1:]
    length = smooth_at_least(len(band) + top + 1)
    found = np.sqrt(envelope_power(band, top)) / 0.5 / length * 2
    found *= 4 * (length / len(modulated())) ** 2
    alone = [25, 40, 50, 80]
    assert expected[alone].min() > 1e-3
    assert found[alone] == pytest.approx(expected[alone], rel=1e-6)
    empty = [5, 33, 70, 95]
    assert found[empty].max() < 1e-9 and expected[empty].max() < 1e-9


def test_prewhitening_is_that_of_openconmo_up_to_its_level() -> None:
    """Theirs keeps the geometric mean of the magnitudes, ours has magnitude 1."""
    expected = np.array(GOLDEN["prewhitened"])
    signal = rough()
    found = np.fft.irfft(whitened(spectrum_lines(signal)), len(signal))
    theirs = np.fft.rfft(expected)
    theirs[0] = 0.0  # ours takes the mean away first
    expected = np.fft.irfft(theirs, len(signal))
    assert found * (expected.std() / found.std()) == pytest.approx(
        expected, abs=1e-6 * expected.std()
    )
