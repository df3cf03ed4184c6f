"""A simulated machine's normal, learned through its simulated chip faster than real time."""

from agent.analysis import anomaly
from agent.analysis.assess import assess, severity_of, stack
from agent.analysis.evidence import machine_facts
from agent.analysis.examine import examine
from agent.analysis.features import shortest_window
from agent.analysis.healthy import typical
from agent.analysis.known import KnownState
from agent.analysis.mounting import gravity_of, mean_direction
from agent.analysis.signature import signature
from agent.analysis.spectra import iso_band_hz
from agent.limits import EXAMINE_S, WINDOW_OVERLAP
from agent.simulated.play import through_chip

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

SETTLE_S = 2.0  # of frames before the clock fit stands


def learn_healthy(
    chip: "Any", source: "Any", rate_hz: int, simulation: "Any", watch: "Any"
) -> "KnownState":
    """What `simulation.learn_ahead_s` of running teach; `watch`: (table, machine, model)."""
    table, machine, model = watch
    seconds = simulation.learn_ahead_s + SETTLE_S
    values, true_hz = through_chip(chip, source, rate_hz, seconds, simulation.clock_error)
    values = values[int(SETTLE_S * rate_hz) :]
    frames = shortest_window(rate_hz, iso_band_hz(machine.rpm)[0])
    seen = [
        assess(one, true_hz, table, machine.rpm, None, None)
        for one in _cut(values, frames, frames // WINDOW_OVERLAP)
    ]
    stretches = _cut(values, int(EXAMINE_S * rate_hz), int(EXAMINE_S * rate_hz))
    severities = [severity_of([one], true_hz, table, machine.rpm) for one in stretches]
    baseline = anomaly.calibrate(
        stack([one.vectors for one in seen]),
        stack([one.velocity_rms_mm_s for one in severities]),
        true_hz,
        f"{model.name} {model.version}",
        model.score,
        len(seen) / WINDOW_OVERLAP,
    )
    facts = machine_facts(machine)
    bandwidth_hz = chip.bandwidth_hz(rate_hz)
    evidence = typical([examine(one, true_hz, facts, bandwidth_hz).evidence for one in stretches])
    gravity = mean_direction([g for g in map(gravity_of, stretches) if g is not None])
    pattern = signature(stretches[0], true_hz)
    return KnownState(baseline, gravity, pattern, evidence.speed.hz, evidence)


def _cut(values: "Any", frames: int, hop: int) -> "list[Any]":
    """Pieces of `frames` frames, one every `hop`."""
    return [values[at : at + frames] for at in range(0, len(values) - frames + 1, hop)]
