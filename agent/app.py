"""Composition root: settings to adapters to stages to supervised tasks. Alone imports adapters."""

from agent.analysis.anomaly import StatisticsModel

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any


def open_model(directory: "str | None") -> "tuple[Any, list[str]]":
    """(the model to run, notes on what is degraded); statistics alone when no model file loads."""
    return StatisticsModel(), []


def player(through: str) -> "Any":
    """`play(acceleration_g, rate_hz)` for a `--through SENSOR[@RATE]`."""
    raise ValueError(f"--through: {through!r} is not available yet")


def run_file(path: str) -> int:
    raise NotImplementedError(path)
