"""What `latido sensors` prints: objects, lines, and a table that stands still on a terminal."""

import shutil

from agent.boards import pin_words
from agent.page.words import has_text, sensor_detail, text

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

COLOURS = {"good": "32", "maintenance": "34", "out_of_spec": "33", "check": "33", "failure": "31"}
NAME_COLUMNS, CHIP_COLUMNS, STATUS_COLUMNS = 12, 9, 26


def place_facts(place: "Any", language: str) -> "dict[str, Any]":
    """One place of a bus, for a program. `fault` is for people, `reason` is code and facts."""
    return {
        "bus": place.bus,
        "place": _where(place, "en"),
        "chip": place.chip,
        "sensor": place.sensor,
        "expected": place.expected,
        "fault": sensor_detail(place.reason, language),
        "hint": _hint(place.hint, language),
        "reason": list(place.reason),
        "unasked": list(place.unasked),
        "stretches_clock": place.stretches,
    }


def place_line(place: "Any", language: str) -> str:
    """One place of a bus, for a person."""
    head = f"{place.bus:10} {_where(place, language):18} {place.chip or '-':10}"
    line = f"{head} {place.sensor:{NAME_COLUMNS}} {_found(place, language)}".rstrip()
    return f"{line}\n  {text('sensors.stretches', language)}" if place.stretches else line


def complaint(place: "Any", language: str) -> str:
    """What is wrong with a place of which the configuration says something else; "" if nothing."""
    wrong = place.sensor and place.expected != place.chip
    return f"{place.sensor}: {_found(place, language)}" if wrong else ""


def _found(place: "Any", language: str) -> str:
    words = []
    code, facts = place.reason
    if place.sensor and place.expected != place.chip:
        if code != "chip" or facts["chip"] != place.expected:  # which says itself what it expected
            words.append(text("sensors.expected", language, chip=place.expected))
        if place.chip:
            words.append(text("sensors.answers", language, chip=place.chip))
    why = pin_words(place.wired_to, sensor_detail(place.reason, language))
    found = ": ".join([*words, *([why] if why else [])])
    more = [_hint(place.hint, language)]
    if place.unasked:
        more.append(text("sensors.unasked", language, chips=", ".join(place.unasked)))
    return "; ".join([found, *(one for one in more if one)])


def _hint(hint: "Any", language: str) -> str:
    code, facts = hint
    if code != "elsewhere":
        return text(f"sensors.{code}", language, **facts) if code else ""
    other = facts["place"]
    where = f"{other.bus}, {_where(other, language)}"
    return text("sensors.elsewhere", language, chip=facts["chip"], where=where)


def _where(place: "Any", language: str) -> str:
    at = f"0x{place.at:02x}" if place.i2c else str(place.at)
    key = "sensors.address" if place.i2c else "sensors.chip_select"
    return text(key, language, at=at)


def heard_facts(heard: "Any") -> "dict[str, Any]":
    """What one sensor gave, for a program."""
    noise, tests = heard.noise_ug, heard.self_test
    return {
        "name": heard.name,
        "chip": heard.chip,
        "status": heard.status,
        "reason": list(heard.reason),
        "rate_hz": round(heard.rate_hz, 2),
        "rate_error": round(heard.rate_error, 6),
        "lost": heard.lost,
        "gravity_g": None if heard.gravity_g is None else round(heard.gravity_g, 3),
        "noise_ug_rthz": None if noise is None else [round(one, 1) for one in noise],
        "self_test_g": None if tests is None else [round(one[0], 3) for one in tests],
        "channels": {
            name: {"mean": round(mean, 5), "rms": round(rms, 5), "unit": unit}
            for name, (mean, rms, unit) in heard.channels.items()
        },
    }


def heard_lines(heard: "list[Any]", language: str, columns: int = 1000) -> "list[tuple[str, str]]":
    """(line, status) for a person: each sensor, and under it what else was found.

    What is wider than `columns` goes on in the next line.
    """
    lines = []
    for one in heard:
        status = text(f"status.{one.status}", language)
        values = ", ".join(_value(name, language, *three) for name, three in one.channels.items())
        head = f"{one.name:{NAME_COLUMNS}} {one.chip:{CHIP_COLUMNS}} {status:{STATUS_COLUMNS}}"
        rate = f"{one.rate_hz:8.1f} Hz" if one.channels else ""  # nothing heard has no rate
        if one.channels and one.rate_error:
            rate += f" ±{100 * one.rate_error:.2f} %"
        first = f"{head} {rate}  {values}".rstrip()
        parts = [first] if len(first) < columns else [f"{head} {rate}", f"  {values}"]
        lines += [(part, one.status) for part in parts]
        why = sensor_detail(one.reason, language)
        lines += [(f"  {words}", one.status) for words in ([why] if why else [])]
        lines += [(f"  {words}", "") for words in [_proof(one, language)] if words]
    return [(part, status) for line, status in lines for part in _folded(line, columns)]


def _folded(line: str, columns: int) -> "list[str]":
    """A line in parts shorter than `columns`, broken at spaces where there are any."""
    parts = []
    while len(line) >= columns:
        cut = line.rfind(" ", 4, columns - 1)
        cut = columns - 1 if cut < 0 else cut
        parts.append(line[:cut].rstrip())
        line = "    " + line[cut:].lstrip()
    return [*parts, line]


def _value(name: str, language: str, mean: float, rms: float, unit: str) -> str:
    key = f"channel.{name}"
    name = text(key, language) if has_text(key) else name
    if unit == "degc":
        return f"{name} {mean:.1f} °C"
    return f"{name} {mean:+.3f} {unit} (rms {rms:.4f})"


def _proof(one: "Any", language: str) -> str:
    """Self-test, gravity and noise, as far as they were measured."""
    parts = []
    if one.self_test is not None:
        changes = " ".join(f"{change:+.2f}" for change, _, _ in one.self_test)
        parts.append(text("sensors.self_test", language, changes=changes))
    if one.gravity_g is not None:
        parts.append(text("sensors.gravity", language, felt=f"{one.gravity_g:.3f}"))
    if one.noise_ug is not None:
        noise = " ".join(f"{density:.0f}" for density in one.noise_ug)
        parts.append(text("sensors.noise", language, noise=noise))
    return ", ".join(parts)


class Screen:
    """Lines on a stream; `draw` writes them over those before, in one write: nothing flickers."""

    def __init__(self, stream: "Any", environment: "Any") -> None:
        self._stream = stream
        self._coloured = stream.isatty() and not environment.get("NO_COLOR")
        self._drawn = 0

    def add(self, lines: "list[tuple[str, str]]") -> None:
        self._stream.write("".join(f"{self._painted(*line)}\n" for line in lines))
        self._stream.flush()

    def columns(self) -> int:
        """How wide it is now."""
        return shutil.get_terminal_size().columns

    def draw(self, lines: "list[tuple[str, str]]") -> None:
        columns, rows = shutil.get_terminal_size()
        shown = [(line[: columns - 1], status) for line, status in lines[: rows - 1]]
        up = f"\x1b[{self._drawn}F" if self._drawn else ""
        body = "".join(f"{self._painted(*line)}\x1b[K\n" for line in shown)
        self._stream.write(f"{up}{body}\x1b[J")
        self._stream.flush()
        self._drawn = len(shown)

    def _painted(self, line: str, status: str) -> str:
        if not self._coloured or status not in COLOURS:
            return line
        return f"\x1b[{COLOURS[status]}m{line}\x1b[0m"
