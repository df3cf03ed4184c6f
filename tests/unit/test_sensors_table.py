"""`latido sensors watch`: a table that stands still on a terminal."""

import io

import pytest

from agent.core.block import GOOD
from agent.words.listen import Heard
from agent.words.sensors_table import Screen, heard_lines

LINES = [("de  adxl345  bien", "good"), ("t  max31855  falla", "failure")]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_table_is_written_over_the_one_before_in_one_write() -> None:
    terminal = Terminal()
    screen = Screen(terminal, {})
    screen.draw(LINES)
    first = terminal.getvalue()
    screen.draw(LINES[:1])
    second = terminal.getvalue()[len(first) :]
    assert "\x1b[2F" not in first and second.startswith("\x1b[2F")
    assert second.endswith("\x1b[J") and "\x1b[2J" not in first + second


@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_no_color_is_obeyed(environment: dict[str, str], coloured: bool) -> None:
    terminal = Terminal()
    Screen(terminal, environment).draw(LINES)
    assert ("\x1b[31m" in terminal.getvalue()) == coloured


def test_a_pipe_gets_plain_lines() -> None:
    pipe = io.StringIO()
    Screen(pipe, {}).add(LINES)
    assert pipe.getvalue().splitlines() == [line for line, _ in LINES]


def heard(name: str, channels: dict[str, tuple[float, float, str]]) -> Heard:
    reason = ("overrun", {"lost": 1})
    return Heard(name, "adxl345", GOOD, reason, 3200.0, 0.001, 1, channels, 1.0, (290.0,) * 3, None)


def test_nothing_is_cut_at_80_columns() -> None:
    axes = {axis: (-0.123, 1.2345, "g") for axis in "xyz"}
    lines = [line for line, _ in heard_lines([heard("bomba-de-agua", axes)], "es", 80)]
    assert max(map(len, lines)) < 80
    assert all(f"{axis} -0.123 g (rms 1.2345)" in " ".join(lines) for axis in "xyz")


def test_a_sensor_that_was_not_heard_shows_no_rate() -> None:
    line, _ = heard_lines([heard("de", {})], "es")[0]
    assert "Hz" not in line and "bien" in line


def test_a_thermocouples_junctions_have_spanish_names() -> None:
    both = {"hot": (44.0, 0.0, "degc"), "cold": (27.0, 0.0, "degc")}
    ((line, _), *more) = heard_lines([heard("t", both)], "es")
    assert "caliente 44.0 °C" in line and "fría 27.0 °C" in line
    assert "muestras perdidas: 1" in more[0][0]
