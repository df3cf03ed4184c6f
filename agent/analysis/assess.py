"""One trusted window, assessed: features, severity, likeness to the machine's own normal. Pure."""

import numpy as np

from agent.analysis.anomaly import Baseline, compare
from agent.analysis.features import band_of, features
from agent.analysis.lines import fast_length
from agent.analysis.severity import judge_severity
from agent.analysis.spectra import (
    MIN_PERIODS,
    Spectrum,
    iso_band_hz,
    power_spectrum,
    velocity_rms_mm_s,
    whole_line_levels,
)

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any, NamedTuple

    from numpy.typing import NDArray

    from agent.analysis.anomaly import Anomaly, ScoreOne
    from agent.analysis.severity import Severity, SeverityTable

    Floats = NDArray[np.float64]

    class Assessment(NamedTuple):
        """`vectors`: shape (axes, features). `anomaly`: None without a baseline.

        `felt_mm_s`: what of its velocity says that the machine moves, 0 when all that is felt may
        be the sensor's own noise. `severity`: the window's own.
        """

        vectors: Floats
        severity: Severity
        anomaly: Anomaly | None
        felt_mm_s: float
else:
    from collections import namedtuple

    Assessment = namedtuple("Assessment", ("vectors", "severity", "anomaly", "felt_mm_s"))

PART_S = 4.0  # eight periods of 2 Hz, the lowest edge there is; a stretch of the running agent
STILL_MM_S = 0.7  # of an ADXL345's own noise on its z axis 0.3 mm/s come out (10 to 1000 Hz)
STANDS_OUT = 16.0  # 12 dB: even noise reaches it in one bin of 10 million
MEDIAN_OF_MEAN = float(np.log(2.0))  # of the power in a bin of noise, which is exponential


def assess(
    values: "Floats",
    rate_hz: float,
    table: "SeverityTable",
    rpm: "float | None",
    baseline: "Baseline | None",
    score_one: "ScoreOne | None",
) -> "Assessment":
    """Acceleration in g, shape (n, axes), n a power of two for speed. The worst axis counts."""
    spectra = [power_spectrum(axis, rate_hz) for axis in values.T]
    vectors = np.stack([features(x, rate_hz, one) for x, one in zip(values.T, spectra)])
    velocity, displacement = worst_levels(spectra, rpm)
    anomaly = None
    if baseline is not None and score_one is not None:
        anomaly = compare(vectors, baseline, score_one)
    severity = judge_severity(velocity, table, displacement)
    return Assessment(vectors, severity, anomaly, _felt_mm_s(spectra, rpm))


def _felt_mm_s(spectra: "list[Spectrum]", rpm: "float | None") -> float:
    """Without what a window spreads over the lower edge: there a sensor's own noise is largest."""
    band_hz = _resolved_band_hz(spectra[0], rpm)
    velocity = max(velocity_rms_mm_s(one, band_hz) for one in spectra)
    return velocity if velocity > STILL_MM_S or stands_out(spectra, rpm) else 0.0


def worst_levels(spectra: "list[Spectrum]", rpm: "float | None") -> "tuple[float, float]":
    """The largest velocity (mm/s) and displacement (um) RMS of the axes, over the ISO band.

    Its lower edge rises to what the window resolves. Each line counts whole; the shorter the
    window, the more of what lies below the edge counts with them.
    """
    band_hz = _resolved_band_hz(spectra[0], rpm)
    velocity, displacement = np.max([whole_line_levels(one, band_hz) for one in spectra], axis=0)
    return float(velocity), float(displacement)


def severity_of(
    stretches: "list[Floats]", rate_hz: float, table: "SeverityTable", rpm: "float | None"
) -> "Severity":
    """Of gapless stretches of acceleration in g, each of shape (n, axes): the median over parts.

    A part lasts PART_S or up to twice that; a shorter stretch is one part.
    """
    levels = [
        _part_levels(part, rate_hz, rpm)
        for stretch in stretches
        for part in np.array_split(stretch, max(1, int(len(stretch) / (PART_S * rate_hz))))
    ]
    velocity, displacement = np.median(levels, axis=0)
    return judge_severity(float(velocity), table, float(displacement))


def _part_levels(values: "Floats", rate_hz: float, rpm: "float | None") -> "tuple[float, float]":
    quick = values[: fast_length(len(values))]
    return worst_levels([power_spectrum(axis, rate_hz) for axis in quick.T], rpm)


def stands_out(spectra: "list[Spectrum]", rpm: "float | None") -> bool:
    """Whether some line stands above even noise of the density that most bins have.

    A still machine shows a sensor's own noise, which is even, and coarse parts make a velocity of
    it that a fine one only sees of a machine.
    """
    band_hz = _resolved_band_hz(spectra[0], rpm)
    first, last = np.searchsorted(spectra[0].hz, band_hz)
    for one in spectra:
        noise = float(np.median(one.power_g2)) / MEDIAN_OF_MEAN
        if float(one.power_g2[first:last].max()) > STANDS_OUT * noise:
            return True
    return False


def _resolved_band_hz(spectrum: "Spectrum", rpm: "float | None") -> "tuple[float, float]":
    low_hz, high_hz = iso_band_hz(rpm)
    return max(low_hz, MIN_PERIODS * float(spectrum.hz[1])), high_hz


def anomaly_reason(anomaly: "Anomaly", rate_hz: float) -> "dict[str, Any]":
    """The verdict's reason in facts: the feature that moved most, by how much, and where it lies.

    A band of frequencies says more to a technician than a statistic, so one that carries at least
    half of the largest share comes first.
    """
    largest = anomaly.contributions[0]
    chosen = largest
    for part in anomaly.contributions:
        if band_of(part[0], rate_hz) and part[1] >= 0.5 * largest[1]:
            chosen = part
            break
    reason: "dict[str, Any]" = {
        "feature": chosen[0],
        "times": round(chosen[2], 2),
        "score": round(anomaly.score, 3),
        "threshold": round(anomaly.threshold, 3),
    }
    band = band_of(chosen[0], rate_hz)
    if band:
        reason["low_hz"], reason["high_hz"] = round(band[0], 1), round(band[1], 1)
    return reason


def stack(parts: "Any") -> "Floats":
    """Equal shapes, one behind the other: shape (n, ...)."""
    return np.stack([np.asarray(part, dtype=np.float64) for part in parts])


def median_of(parts: "Any", levels: bool = False) -> "Any":
    """Median over the parts; with `levels` of their exponentials (features are logarithms)."""
    middle = np.median(stack(parts), axis=0)
    middle = np.exp(middle) if levels else middle
    return float(middle) if middle.ndim == 0 else middle


def joined(parts: "Any") -> "Any":
    """Flat sequences of numbers, one behind the other; shape (n,)."""
    if not len(parts):
        return np.zeros(0)
    return np.concatenate([np.asarray(part, dtype=np.float64).reshape(-1) for part in parts])
