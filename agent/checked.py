"""Reading a JSON object key by key, with a complaint for everything that does not fit.

A complaint is one line: the path in the file, the value, what was expected. Nothing is guessed,
nothing unknown is passed over.
"""

import json

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any


class ConfigFault(Exception):
    """The configuration is refused; `complaints` are lines of path, value and what was expected."""

    def __init__(self, complaints: "list[str]") -> None:
        super().__init__("\n".join(complaints))
        self.complaints = complaints


_REQUIRED = object()


class Part:
    """One object of the file being read: takes keys one by one, then refuses what is left."""

    def __init__(self, path: str, held: "Any", complaints: "list[str]") -> None:
        self._path = path
        self._complaints = complaints
        self._held: "dict[str, Any]" = {}
        if isinstance(held, dict):
            self._held = dict(held)
        else:
            self.refuse("", held, "an object")

    def path(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path and key else self._path or key

    def refuse(self, key: str, value: "Any", expected: str) -> None:
        self._complaints.append(
            f"{self.path(key) or 'file'}: {json.dumps(value)[:80]} is not {expected}"
        )

    def take(
        self,
        key: str,
        expected: str,
        fits: "Callable[[Any], bool]",
        default: "Any" = _REQUIRED,
    ) -> "Any":
        """The value of `key` if it fits, else the default and a complaint."""
        if key not in self._held:
            if default is _REQUIRED:
                self._complaints.append(f"{self.path(key)}: missing (expected {expected})")
                return None
            return default
        value = self._held.pop(key)
        if value is None and default is None:
            return None
        if not fits(value):
            self.refuse(key, value, expected)
            return None if default is _REQUIRED else default
        return value

    def part(self, key: str, default: "Any" = _REQUIRED) -> "Part":
        held = self.take(key, "an object", lambda v: isinstance(v, dict), default)
        return Part(self.path(key), {} if held is None else held, self._complaints)

    def parts(self, key: str) -> "list[Part]":
        held = self.take(key, "a list with at least one object", is_list)
        return [
            Part(f"{self.path(key)}[{place}]", one, self._complaints)
            for place, one in enumerate(held or ())
        ]

    def has(self, key: str) -> bool:
        return key in self._held

    def done(self) -> None:
        for key, value in self._held.items():
            self._complaints.append(
                f"{self.path(key)}: unknown key (value {json.dumps(value)[:60]})"
            )


def whole(low: int, high: int) -> "Callable[[Any], bool]":
    return lambda v: isinstance(v, int) and not isinstance(v, bool) and low <= v <= high


def number(above: float, up_to: float) -> "Callable[[Any], bool]":
    return lambda v: isinstance(v, (int, float)) and not isinstance(v, bool) and above < v <= up_to


def is_text(value: "Any") -> bool:
    """1 to 1024 characters that any file and message can hold: no NUL, no half of a surrogate."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= 1024
        and "\0" not in value
        and not any("\ud800" <= letter <= "\udfff" for letter in value)
    )


def one_of_these(choices: "Collection[Any]") -> "Callable[[Any], bool]":
    return lambda v: isinstance(v, str) and v in choices


def is_list(value: "Any") -> bool:
    return isinstance(value, list) and len(value) > 0


def one_of(choices: "tuple[Any, ...]") -> str:
    return f"(choose {' '.join(str(choice) for choice in choices) or 'none: there is none'})"


def read_object(text: str, complaints: "list[str]") -> "Part":
    """The root of a JSON text; ConfigFault when it is not JSON, or says a thing twice."""
    try:
        held = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_twins)
    except (ValueError, RecursionError) as error:
        raise ConfigFault([f"file: not JSON ({error})"])
    if not isinstance(held, dict):
        raise ConfigFault([f"file: {json.dumps(held)[:80]} is not an object"])
    return Part("", held, complaints)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def _no_twins(pairs: "list[tuple[str, Any]]") -> "dict[str, Any]":
    held: "dict[str, Any]" = {}
    for key, value in pairs:
        if key in held:
            raise ValueError(f"key {key!r} stands twice")
        held[key] = value
    return held
