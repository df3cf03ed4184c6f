"""One judgement as a picture: velocity spectrum and envelope spectrum with their markers, in SVG.

Nothing in it comes from elsewhere: no font, no style sheet, no script. Labels stand in Spanish and
English, so one picture serves both.
"""

from html import escape
from math import log10
from pathlib import Path

from agent.analysis.evidence import shaft_hz_of
from agent.analysis.plots import envelope_trace, velocity_trace
from agent.analysis.spectra import ISO_BAND_HZ

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

WIDTH, HEIGHT = 960, 640
LEFT, RIGHT = 76, 20
PANELS = ((64, 250), (390, 200))  # top and height of each
COLOURS = ("#0b5fa5", "#b3500b", "#2f7d32")  # of the axes; told apart by dash as well
DASHES = ("", "5 2", "2 2")
DECADES = 4  # below the largest level that are shown
ORDERS_SHOWN = 11.0
SHOWN_HZ = 500.0  # without a speed
ENVELOPE_ORDERS_SHOWN = 18.0
ENVELOPE_SHOWN_HZ = 400.0


def plot_svg(judgement: "Any", machine: "Any") -> str:
    """The SVG document. `judgement`: agent.judge.Judgement; `machine`: MachineFacts."""
    answer = judgement.answer
    name = Path(answer["file"]).name
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}"'
        f' viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f"<title>Latido: {_plain(name)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(LEFT, 20, f"Latido · {name} · {answer['rate_hz']:g} Hz", size=16),
    ]
    if judgement.stretch is None:
        words = "Señal no confiable: nada que mostrar / Signal not trusted: nothing to show"
        parts.append(_text(LEFT, 60, words))
    else:
        parts += _panels(judgement, machine)
    return "\n".join([*parts, "</svg>", ""])


def _panels(judgement: "Any", machine: "Any") -> "list[str]":
    shaft_hz = shaft_hz_of(judgement.examination.evidence)
    stretch, rate_hz = judgement.stretch, judgement.rate_hz
    top_hz = ORDERS_SHOWN * shaft_hz if shaft_hz else SHOWN_HZ
    top_hz = min(top_hz, ISO_BAND_HZ[1], 0.475 * rate_hz)
    envelope_hz = ENVELOPE_ORDERS_SHOWN * shaft_hz if shaft_hz else ENVELOPE_SHOWN_HZ
    envelope_hz = min(envelope_hz, 0.2 * rate_hz)
    first = _panel(
        PANELS[0],
        "Espectro de velocidad / Velocity spectrum (mm/s RMS)",
        velocity_trace(stretch, rate_hz, top_hz, WIDTH),
        top_hz,
        _spectrum_marks(shaft_hz, machine),
    )
    second = _panel(
        PANELS[1],
        "Espectro de la envolvente / Envelope spectrum (g RMS)",
        envelope_trace(stretch, rate_hz, envelope_hz, WIDTH),
        envelope_hz,
        _envelope_marks(shaft_hz, machine, judgement.answer["bearing"]),
    )
    return first + second + _legend(stretch.shape[1])


def _spectrum_marks(shaft_hz: "float | None", machine: "Any") -> "list[tuple[float, str]]":
    mains_hz = machine.mains_hz
    marks = [
        (mains_hz, f"línea/line {mains_hz:g}"),
        (2 * mains_hz, f"2×línea/line {2 * mains_hz:g}"),
    ]
    if shaft_hz:
        marks += [(order * shaft_hz, f"{order}×") for order in (1, 2, 3)]
        if machine.vanes:
            marks.append((machine.vanes * shaft_hz, f"álabes/vanes {machine.vanes}×"))
    return marks


def _envelope_marks(
    shaft_hz: "float | None", machine: "Any", bearing: "dict[str, Any]"
) -> "list[tuple[float, str]]":
    if not shaft_hz:
        return []
    marks = [(shaft_hz, "1×")]
    if machine.bearing is not None:
        orders = machine.bearing.orders
        named = (
            ("BPFO", orders.bpfo),
            ("BPFI", orders.bpfi),
            ("2×BSF", 2 * orders.bsf),
            ("FTF", orders.ftf),
        )
        marks += [(order * shaft_hz, name) for name, order in named]
        marks += [(2 * order * shaft_hz, f"2×{name}") for name, order in named[:2]]
    if bearing["measured_hz"] is not None:
        marks.append((bearing["measured_hz"], f"▼ {bearing['measured_hz']:.1f}"))
    return marks


def _panel(
    place: "tuple[int, int]",
    title: str,
    traces: "tuple[list[float], list[list[float]]]",
    top_hz: float,
    marks: "list[tuple[float, str]]",
) -> "list[str]":
    top, height = place
    hz, rows = traces
    largest = max((max(row) for row in rows if row), default=0.0) or 1.0
    high = _ceiling(largest)
    parts = [_text(LEFT, top - 24, title, size=13)]
    parts += _grid(top, height, high, top_hz)
    parts += _markers(top, height, top_hz, marks)
    for number, row in enumerate(rows):
        points = " ".join(
            f"{_x(f, top_hz):.1f},{_y(level, high, top, height):.1f}" for f, level in zip(hz, row)
        )
        dash = f' stroke-dasharray="{DASHES[number % 3]}"' if number % 3 else ""
        parts.append(
            f'<polyline fill="none" stroke="{COLOURS[number % 3]}" stroke-width="1.1"{dash}'
            f' points="{points}"/>'
        )
    return parts


def _grid(top: int, height: int, high: int, top_hz: float) -> "list[str]":
    parts = [
        f'<rect x="{LEFT}" y="{top}" width="{WIDTH - LEFT - RIGHT}" height="{height}"'
        ' fill="none" stroke="#444444"/>'
    ]
    for power in range(high - DECADES, high + 1):
        y = _y(10.0**power, high, top, height)
        parts.append(_line(LEFT, y, WIDTH - RIGHT, y, "#dddddd"))
        parts.append(_text(LEFT - 6, y + 4, f"{10.0**power:g}", anchor="end"))
    step = _step(top_hz)
    for number in range(int(top_hz / step) + 1):
        x = _x(number * step, top_hz)
        parts.append(_line(x, top + height, x, top + height + 4, "#444444"))
        parts.append(_text(x, top + height + 17, f"{number * step:g}", anchor="middle"))
    parts.append(_text(WIDTH - RIGHT, top + height + 31, "Hz", anchor="end"))
    return parts


def _markers(top: int, height: int, top_hz: float, marks: "list[tuple[float, str]]") -> "list[str]":
    """Labels of neighbours stand in two rows, so that they do not cover one another."""
    parts = []
    seen = sorted((hz, label) for hz, label in marks if 0 < hz < top_hz)
    for number, (hz, label) in enumerate(seen):
        x = _x(hz, top_hz)
        y = top + 12 + 13 * (number % 3)
        parts.append(_line(x, top, x, top + height, "#7a1fa2", "3 3"))
        end = x > WIDTH - RIGHT - 90
        parts.append(
            _text(x - 3 if end else x + 3, y, label, "end" if end else "start", "#7a1fa2", 11)
        )
    return parts


def _legend(axes: int) -> "list[str]":
    if axes == 1:
        return []
    parts = []
    for number in range(axes):
        x = WIDTH - RIGHT - 60 * (axes - number)
        parts.append(_line(x, 20, x + 24, 20, COLOURS[number % 3], DASHES[number % 3]))
        parts.append(_text(x + 29, 24, "xyz"[number] if axes <= 3 else str(number)))
    return parts


def _x(hz: float, top_hz: float) -> float:
    return LEFT + hz / top_hz * (WIDTH - LEFT - RIGHT)


def _y(level: float, high: int, top: int, height: int) -> float:
    """Logarithmic: `high` decades at the top, DECADES shown."""
    above = log10(max(level, 1e-30)) - (high - DECADES)
    return top + height * (1 - min(1.0, max(0.0, above / DECADES)))


def _ceiling(largest: float) -> int:
    """The power of ten at or above the largest level."""
    power = -12
    while 10.0**power < largest:
        power += 1
    return power


def _step(top_hz: float) -> float:
    """1, 2 or 5 times a power of ten that gives about ten marks."""
    power = 0.001
    while True:
        for factor in (1, 2, 5):
            if top_hz / (factor * power) <= 12:
                return factor * power
        power *= 10


def _line(x0: float, y0: float, x1: float, y1: float, colour: str, dash: str = "") -> str:
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" stroke="{colour}"{dashed}/>'
    )


def _text(
    x: float, y: float, words: str, anchor: str = "start", colour: str = "#222222", size: int = 12
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"'
        f' font-size="{size}">{_plain(words)}</text>'
    )


def _plain(words: str) -> str:
    """Escaped, without what XML cannot hold (a file's name may)."""
    return escape("".join(letter if letter.isprintable() else "?" for letter in words))
