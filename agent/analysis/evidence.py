"""What a stretch of vibration says about a machine, as numbers that rules can read. Pure.

Evidence never names a fault. It keeps what was measured, and which of it can be told apart.
"""

import numpy as np

from agent.analysis.bearings import bearing_for
from agent.analysis.lines import (
    STANDS_OUT,
    line_near,
    lines_of,
    mains_lines_hz,
    separation_hz,
)
from agent.analysis.orders import ORDERS, USABLE, Speed, find_speed, order_lines
from agent.analysis.spectra import ISO_BAND_HZ, STANDARD_GRAVITY_MM_S2, iso_band_hz

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any, NamedTuple

    from numpy.typing import NDArray

    from agent.analysis.lines import Lines

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

    class MachineFacts(NamedTuple):
        """What is known of a machine; None where it is not.

        `bearing`: agent.analysis.bearings.Bearing. `axial`: index of the axis along the shaft.
        """

        kind: str
        power_kw: float | None
        support: str
        rpm: float | None
        bearing: Any
        vanes: int | None
        mains_hz: float
        axial: int | None

    class Heat(NamedTuple):
        """The bearing housing's temperature, and how fast it rises; None where not known."""

        degc: float | None
        rate_degc_min: float | None

    class Evidence(NamedTuple):
        """All levels RMS, one row an axis.

        `order_mm_s`, `order_above`: (axes, 20) at orders.ORDERS, velocity and peak over noise in
        power; zeros without a speed. `order_clear`: (20,) seen and apart from all else.
        `mains_mm_s`, `mains_above`: (axes, 2) at once and twice the mains; `mains_clear`: (2,).
        `vane_mm_s`: (axes,), NaN where vanes or speed are not known. `velocity_mm_s`: (axes,) in
        the ISO band. `noise_g`: (axes, BANDS) between the lines, in log bands from NOISE_FROM_HZ to
        `top_hz`. `low_noise_g2_hz`: (axes,) density of the noise about 10 Hz. `bursts`: (axes,)
        kurtosis of the differences, 3 for even noise.
        """

        speed: Speed
        rate_hz: float
        seconds: float
        top_hz: float
        order_mm_s: Floats
        order_above: Floats
        order_clear: Flags
        mains_mm_s: Floats
        mains_above: Floats
        mains_clear: Flags
        vane_mm_s: Floats
        velocity_mm_s: Floats
        noise_g: Floats
        low_noise_g2_hz: Floats
        bursts: Floats
        heat: Heat
else:
    from collections import namedtuple

    MachineFacts = namedtuple(
        "MachineFacts",
        ("kind", "power_kw", "support", "rpm", "bearing", "vanes", "mains_hz", "axial"),
    )
    Heat = namedtuple("Heat", ("degc", "rate_degc_min"))
    Evidence = namedtuple(
        "Evidence",
        (
            "speed",
            "rate_hz",
            "seconds",
            "top_hz",
            "order_mm_s",
            "order_above",
            "order_clear",
            "mains_mm_s",
            "mains_above",
            "mains_clear",
            "vane_mm_s",
            "velocity_mm_s",
            "noise_g",
            "low_noise_g2_hz",
            "bursts",
            "heat",
        ),
    )

NO_HEAT = Heat(None, None)
AXES = ("x", "y", "z")
NOISE_BANDS = 6
NOISE_FROM_HZ = 200.0  # above most shaft orders
LOW_NOISE_HZ = (6.0, 14.0)


def gather(
    acceleration_g: "Floats",
    rate_hz: float,
    machine: "MachineFacts",
    bandwidth_hz: "float | None" = None,
    heat: "Heat" = NO_HEAT,
) -> "Evidence":
    """The evidence of a gapless stretch, shape (n, axes), in g. ValueError as `power_spectrum`."""
    lines = lines_of(acceleration_g, rate_hz, bandwidth_hz)
    given_hz = None if machine.rpm is None else machine.rpm / 60.0
    speed = find_speed(lines, given_hz, machine.mains_hz)
    axes = acceleration_g.shape[1]
    shaft_hz = speed.hz if speed.hz is not None and speed.confidence >= USABLE else None
    orders = _orders(lines, shaft_hz, machine.mains_hz, axes)
    mains = _mains(lines, shaft_hz, machine.mains_hz)
    return Evidence(
        speed,
        rate_hz,
        1.0 / lines.step_hz,
        lines.top_hz,
        *orders,
        *mains,
        _vane_mm_s(lines, shaft_hz, machine.vanes, axes),
        _velocity_mm_s(lines, machine.rpm),
        _noise_g(lines),
        _density_g2_hz(lines, *LOW_NOISE_HZ),
        _bursts(acceleration_g),
        heat,
    )


def machine_facts(settings: "Any") -> "MachineFacts":
    """Of a machine's settings: the bearing's text becomes a bearing, the axis's name an index."""
    return MachineFacts(
        settings.kind,
        settings.power_kw,
        settings.support,
        settings.rpm,
        None if settings.bearing is None else bearing_for(settings.bearing),
        settings.vanes,
        float(settings.mains_hz),
        None if settings.axial is None else AXES.index(settings.axial),
    )


def shaft_hz_of(evidence: "Evidence") -> "float | None":
    """The shaft's speed where it may be used."""
    speed = evidence.speed
    return speed.hz if speed.hz is not None and speed.confidence >= USABLE else None


def _orders(
    lines: "Lines", shaft_hz: "float | None", mains_hz: float, axes: int
) -> "tuple[Floats, Floats, Flags]":
    if shaft_hz is None:
        none = np.zeros((axes, len(ORDERS)))
        return none, none, np.zeros(len(ORDERS), dtype=bool)
    found = order_lines(lines, shaft_hz, mains_hz)
    return found.mm_s, found.above, found.clear


def _mains(
    lines: "Lines", shaft_hz: "float | None", mains_hz: float
) -> "tuple[Floats, Floats, Flags]":
    """Once and twice the mains; clear of every half order of the shaft, which must be known."""
    axes = len(lines.power_g2)
    mm_s, above = np.zeros((axes, 2)), np.zeros((axes, 2))
    clear = np.zeros(2, dtype=bool)
    for place, hz in enumerate(mains_lines_hz(mains_hz, lines.rate_hz)[:2]):
        line = line_near(lines, hz, lines.step_hz)
        if (
            line is None or hz < mains_hz
        ):  # folded: its amplitude is the filter's, not the machine's
            continue
        mm_s[:, place], above[:, place] = line.mm_s, line.above
        if shaft_hz is not None:
            order = 0.5 * round(2 * hz / shaft_hz)
            clear[place] = abs(order * shaft_hz - hz) >= separation_hz(lines)
    return mm_s, above, clear


def _vane_mm_s(
    lines: "Lines", shaft_hz: "float | None", vanes: "int | None", axes: int
) -> "Floats":
    unknown: Floats = np.full(axes, np.nan)
    if shaft_hz is None or vanes is None:
        return unknown
    line = line_near(lines, vanes * shaft_hz, lines.step_hz * (0.5 + 0.25 * vanes))
    return unknown if line is None else np.where(line.above >= STANDS_OUT, line.mm_s, 0.0)


def _velocity_mm_s(lines: "Lines", rpm: "float | None") -> "Floats":
    low_hz = max(iso_band_hz(rpm)[0], 3 * lines.step_hz)
    first = int(np.ceil(low_hz / lines.step_hz))
    last = int(ISO_BAND_HZ[1] / lines.step_hz) + 1
    power = lines.power_g2[:, first:last]
    omega = 2 * np.pi * lines.step_hz * np.arange(first, first + power.shape[1])
    level: Floats = np.sqrt((power / omega**2).sum(axis=1)) * STANDARD_GRAVITY_MM_S2
    return level


def _noise_g(lines: "Lines") -> "Floats":
    """RMS between the lines, in bands of equal ratio."""
    low_hz = min(NOISE_FROM_HZ, lines.top_hz / 4)
    edges = np.geomspace(low_hz, lines.top_hz, NOISE_BANDS + 1) / lines.step_hz
    places = edges.astype(np.int64)
    sums = [
        lines.floor_g2[:, places[band] : max(places[band] + 1, places[band + 1])].sum(axis=1)
        for band in range(NOISE_BANDS)
    ]
    level: Floats = np.sqrt(np.stack(sums, axis=1))
    return level


def _density_g2_hz(lines: "Lines", low_hz: float, high_hz: float) -> "Floats":
    first = int(low_hz / lines.step_hz)
    last = max(first + 1, int(high_hz / lines.step_hz))
    middle = np.median(lines.power_g2[:, first:last], axis=1) / np.log(2.0)
    density: Floats = middle / lines.step_hz
    return density


def _bursts(acceleration_g: "Floats") -> "Floats":
    """Differences stress the high frequencies, where bursts ring."""
    steps = np.diff(acceleration_g, axis=0)
    squares = steps**2
    mean_square = np.maximum(squares.mean(axis=0), 1e-18)
    found: Floats = (squares**2).mean(axis=0) / mean_square**2
    return found
