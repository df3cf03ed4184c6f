"""`latido sensors watch`: a table that stands still on a terminal."""

import io

import pytest

from agent.sensors_table import Screen

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
