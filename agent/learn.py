"""A simulated machine's baseline, learned through its simulated chip faster than real time."""

from agent.analysis import anomaly
from agent.analysis.assess import assess, stack
from agent.analysis.features import shortest_window
from agent.analysis.spectra import iso_band_hz
from agent.limits import WINDOW_OVERLAP
from agent.play import through_chip

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

SETTLE_S = 2.0  # of frames before the clock fit stands


def learn_healthy(
    chip: "Any", source: "Any", rate_hz: int, simulation: "Any", watch: "Any"
) -> "anomaly.Baseline":
    """The calibration of `simulation.learn_ahead_s` of running; `watch`: (table, rpm, model)."""
    table, rpm, model = watch
    seconds = simulation.learn_ahead_s + SETTLE_S
    values, true_hz = through_chip(chip, source, rate_hz, seconds, simulation.clock_error)
    frames = shortest_window(rate_hz, iso_band_hz(rpm)[0])
    first = int(SETTLE_S * rate_hz)
    seen = [
        assess(values[at : at + frames], true_hz, table, rpm, None, None)
        for at in range(first, len(values) - frames + 1, frames // WINDOW_OVERLAP)
    ]
    return anomaly.calibrate(
        stack([one.vectors for one in seen]),
        stack([one.severity.velocity_rms_mm_s for one in seen]),
        true_hz,
        f"{model.name} {model.version}",
        model.score,
        len(seen) / WINDOW_OVERLAP,
    )
