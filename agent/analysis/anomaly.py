"""Is this window like the machine's own normal? Standardisation, thresholds, contributions.

A machine's normal is a calibration: mean and spread of each feature, per axis, from windows that
were trusted. The threshold never comes from the windows that the mean and spread came from: it is
found by leaving out one block of time after another. A score means something only beside it.
"""

import json

import numpy as np

from agent.analysis.features import FEATURE_NAMES, FEATURE_VERSION

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NamedTuple

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    ScoreOne = Callable[[NDArray[Any]], tuple[float, tuple[float, ...]]]

    class Baseline(NamedTuple):
        """`mean`, `spread`: shape (axes, features); `threshold`: one score limit per axis."""

        mean: Floats
        spread: Floats
        threshold: Floats
        windows: int
        rate_hz: float
        feature_version: int
        model: str
        velocity_rms_mm_s: float

    class Anomaly(NamedTuple):
        """`ratio` = score / threshold of the axis that is worst; `contributions` sum to 1."""

        score: float
        threshold: float
        ratio: float
        axis: int
        contributions: tuple[tuple[str, float, float], ...]
else:
    from collections import namedtuple

    Baseline = namedtuple(
        "Baseline",
        (
            "mean",
            "spread",
            "threshold",
            "windows",
            "rate_hz",
            "feature_version",
            "model",
            "velocity_rms_mm_s",
        ),
    )
    Anomaly = namedtuple("Anomaly", ("score", "threshold", "ratio", "axis", "contributions"))

SPREAD_MIN = 0.03  # 3 % of a level: a steadier feature than that is steadier than any mounting
Z_LIMIT = 50.0  # beyond it a feature is simply "far off"; keeps float32 sums finite
FOLDS = 4
QUANTILE = 0.99  # of the held-out scores of healthy windows
MARGIN = 1.5  # on the held-out quantile: few windows know their own tail badly
WINDOWS_MIN = 12  # fewer do not even support four folds of three
TRIM = 0.05  # of the windows at either end of a feature do not teach: a knock, a door
TRIMMED_SPREAD = 1.267  # spread of a normal distribution over that of its middle nine tenths
DRIFT_MAX = 4.0  # mean squared deviation of one half from the other, in spreads: two of each
TOP = 5  # contributions named in a verdict
RATE_MATCH = 0.05  # a baseline learned at one rate says nothing at another; clocks are off by 4 %


class StatisticsModel:
    """The scorer that needs no file: mean squared standardised deviation.

    With features standardised per machine it is a Mahalanobis distance whose covariance is shrunk
    all the way to its diagonal, the limit that few windows support.
    """

    name = "diagonal-mahalanobis"
    version = "1"
    runtime = "statistics"

    def score(self, z: "NDArray[Any]") -> "tuple[float, tuple[float, ...]]":
        squares = np.square(z, dtype=np.float64)
        return float(squares.mean()), tuple(squares / len(squares))


def standardise(vectors: "Floats", mean: "Floats", spread: "Floats") -> "NDArray[np.float32]":
    """z of each feature, float32, held within ±50."""
    z = np.clip((vectors - mean) / spread, -Z_LIMIT, Z_LIMIT)
    return z.astype(np.float32)


def calibrate(
    vectors: "Floats",
    velocity_rms_mm_s: "Floats",
    rate_hz: float,
    model: str,
    score_one: "ScoreOne",
    independent: float,
) -> "Baseline":
    """The baseline of trusted windows in order of time; `vectors` has shape (n, axes, features).

    `independent`: how many of the windows do not overlap; the fewer, the wider the threshold.
    ValueError for fewer than 12 windows or a vector that is not finite.
    """
    if len(vectors) < WINDOWS_MIN:
        raise ValueError(
            f"{len(vectors)} windows are too few for a baseline (expected {WINDOWS_MIN})"
        )
    if not np.isfinite(vectors).all():
        raise ValueError("a feature is not finite")
    mean, spread = _centre(vectors)
    return Baseline(
        mean,
        spread,
        _caution(independent) * _held_out_threshold(vectors, score_one),
        len(vectors),
        rate_hz,
        FEATURE_VERSION,
        model,
        float(np.median(velocity_rms_mm_s)),
    )


def compare(vectors: "Floats", baseline: "Baseline", score_one: "ScoreOne") -> "Anomaly":
    """One window's vectors, shape (axes, features), against the machine's own normal."""
    z = standardise(vectors, baseline.mean, baseline.spread)
    scored = [score_one(axis) for axis in z]
    ratios = [score / limit for (score, _), limit in zip(scored, baseline.threshold)]
    worst = int(np.argmax(ratios))
    score, parts = scored[worst]
    return Anomaly(
        score,
        float(baseline.threshold[worst]),
        ratios[worst],
        worst,
        _top(np.asarray(parts), vectors[worst] - baseline.mean[worst]),
    )


def mismatch(baseline: "Baseline", rate_hz: float, axes: int, model: str) -> "str | None":
    """Why the baseline cannot be used for this sensor and model; None when it can."""
    if baseline.feature_version != FEATURE_VERSION:
        return f"feature version {baseline.feature_version}, expected {FEATURE_VERSION}"
    if baseline.model != model:
        return f"learned for model {baseline.model}, running {model}"
    if len(baseline.mean) != axes:
        return f"learned on {len(baseline.mean)} axes, the sensor has {axes}"
    if abs(baseline.rate_hz / rate_hz - 1) > RATE_MATCH:
        return f"learned at {baseline.rate_hz:.0f} Hz, the sensor runs at {rate_hz:.0f} Hz"
    return None


def to_json(baseline: "Baseline") -> str:
    """The calibration as text; `from_json` gives it back."""
    return json.dumps(
        {
            "schema": 1,
            "mean": baseline.mean.tolist(),
            "spread": baseline.spread.tolist(),
            "threshold": baseline.threshold.tolist(),
            "windows": baseline.windows,
            "rate_hz": baseline.rate_hz,
            "feature_version": baseline.feature_version,
            "model": baseline.model,
            "velocity_rms_mm_s": baseline.velocity_rms_mm_s,
        }
    )


def from_json(text: str) -> "Baseline":
    """ValueError when the text is not a calibration of these features."""
    try:
        held = json.loads(text)
        mean, spread, threshold = (
            np.asarray(held[key], dtype=np.float64) for key in ("mean", "spread", "threshold")
        )
        baseline = Baseline(
            mean,
            spread,
            threshold,
            int(held["windows"]),
            float(held["rate_hz"]),
            int(held["feature_version"]),
            str(held["model"]),
            float(held["velocity_rms_mm_s"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"baseline: not a calibration ({error!r})")
    shape = (len(threshold), len(FEATURE_NAMES))
    if mean.shape != shape or spread.shape != shape or not (spread > 0).all():
        raise ValueError(f"baseline: mean has shape {mean.shape}, expected {shape}")
    return baseline


def drifted(vectors: "Floats") -> bool:
    """Whether a machine became unlike itself while it taught; `vectors` in order of time.

    The later half as the earlier half saw it: a normal that moves away is no normal.
    """
    half = len(vectors) // 2
    mean, spread = _centre(vectors[:half])
    moved = (_centre(vectors[half:])[0] - mean) / spread
    return bool(np.square(np.clip(moved, -Z_LIMIT, Z_LIMIT)).mean(axis=1).max() > DRIFT_MAX)


def _centre(vectors: "Floats") -> "tuple[Floats, Floats]":
    """Trimmed mean and spread over windows: shape (axes, features) each."""
    n = len(vectors)
    cut = int(TRIM * n)
    middle = np.sort(vectors, axis=0)[cut : n - cut]
    scale = TRIMMED_SPREAD if cut else 1.0
    return middle.mean(axis=0), np.maximum(scale * middle.std(axis=0, ddof=1), SPREAD_MIN)


def _held_out_threshold(vectors: "Floats", score_one: "ScoreOne") -> "Floats":
    """Per axis: a margin above the 99 % quantile of scores of windows that did not teach."""
    axes = vectors.shape[1]
    scores: "list[list[float]]" = [[] for _ in range(axes)]
    for held_out in np.array_split(np.arange(len(vectors)), FOLDS):
        mean, spread = _centre(np.delete(vectors, held_out, axis=0))
        for z in standardise(vectors[held_out], mean, spread):
            for axis in range(axes):
                scores[axis].append(score_one(z[axis])[0])
    limit: Floats = MARGIN * np.quantile(np.asarray(scores), QUANTILE, axis=1)
    return limit


def _caution(independent: float) -> float:
    """How much further a new window lies when mean and spread come from few: (n + 1) / (n - 1)."""
    n = max(independent, 2.0)
    return (n + 1) / (n - 1)


def _top(parts: "Floats", change: "Floats") -> "tuple[tuple[str, float, float], ...]":
    """(feature, share of the score, times its baseline level) of the largest contributions."""
    total = max(float(parts.sum()), 1e-12)
    order = np.argsort(parts)[::-1][:TOP]
    return tuple(
        (FEATURE_NAMES[i], float(parts[i]) / total, float(np.exp(min(change[i], 50.0))))
        for i in order
    )
