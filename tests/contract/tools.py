"""What both interpreters need of a test framework."""

import sys

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def raised(kind: "Any", call: "Callable[..., object]", *arguments: object) -> str:
    """The text of the `kind` that `call` must raise."""
    try:
        call(*arguments)
    except kind as error:
        return str(error)
    raise AssertionError(f"{kind} was not raised")


def near(found: float, expected: float, tolerance: float) -> bool:
    return abs(found - expected) <= tolerance


class Chance:
    """The same numbers on both interpreters: a linear congruential generator, [0, 1)."""

    def __init__(self, seed: int) -> None:
        self._state = seed * 2 + 1

    def number(self) -> float:
        self._state = (self._state * 1103515245 + 12345) & 0x7FFFFFFF
        return (self._state >> 8) / 8388608.0


class Time:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns

    def pass_ms(self, milliseconds: float) -> None:
        self.now_ns += int(milliseconds * 1_000_000)


def unloaded(name: str) -> None:
    """Takes a module out of `sys.modules` and of its package, where MicroPython keeps it too."""
    del sys.modules[name]
    package, _, last = name.rpartition(".")
    if package in sys.modules and hasattr(sys.modules[package], last):
        delattr(sys.modules[package], last)
