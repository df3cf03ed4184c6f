"""`latido sensors scan | test | watch`: who answers on the buses, is it sound, what it says."""

import asyncio
import os
import sys

from agent import app, start
from agent.core.block import GOOD, MAINTENANCE
from agent.exits import DONE, FAILED
from agent.listen import Ear, self_tests
from agent.page.words import language_of, text
from agent.scan import scan
from agent.sensors_table import Screen, complaint, heard_facts, heard_lines, place_facts, place_line

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from typing import Any

    from agent.config import Settings

    Show = Callable[[list[Any]], None]

TEST_S = 4.0
WATCH_S = 1.0


def run(options: "argparse.Namespace", print_object: "Callable[[object], None]") -> int:
    """`options`: action, config, seconds, lang, json."""
    settings, code = start.settings_of(options.config, "sensors")
    if settings is None:
        return code
    language = options.lang or language_of(os.environ)
    if options.action == "scan":
        return _scan(settings, language, options.json, print_object)
    show = _show(options, language, print_object)
    tests = {}
    if options.action == "test":
        if not options.json:
            print(text("sensors.at_rest", language), file=sys.stderr)
        tests = self_tests(settings)
    return asyncio.run(_listen(settings, options, tests, show))


def _scan(
    settings: "Settings", language: str, as_json: bool, print_object: "Callable[[object], None]"
) -> int:
    code = DONE
    for place in scan(settings):
        if as_json:
            print_object(place_facts(place, language))
        else:
            print(place_line(place, language))
        wrong = complaint(place, language)
        if wrong:
            code = FAILED
            print(f"latido sensors: {wrong}", file=sys.stderr)
    return code


def _show(
    options: "argparse.Namespace", language: str, print_object: "Callable[[object], None]"
) -> "Show":
    """Objects, a table that stands still on a terminal, or lines."""
    if options.json:

        def objects(heard: "list[Any]") -> None:
            for one in heard:
                print_object(heard_facts(one))

        return objects
    screen = Screen(sys.stdout, os.environ)
    if options.action == "watch" and sys.stdout.isatty():
        return lambda heard: screen.draw(heard_lines(heard, language))
    return lambda heard: screen.add(heard_lines(heard, language))


async def _listen(
    settings: "Settings", options: "argparse.Namespace", tests: "dict[str, Any]", show: "Show"
) -> int:
    """`test` listens once for some seconds, `watch` every second until it is ended."""
    stop = asyncio.Event()
    start.prepare_process()
    start.stop_on_signals(stop)
    agent = app.Agent(settings)
    agent.open_sensors()
    once = options.action == "test"
    seconds = options.seconds or (TEST_S if once else WATCH_S)
    ears = [
        Ear(adapter, facts, *([tests[name]] if name in tests else []))
        for name, (adapter, facts) in agent.sensors.items()
    ]
    code = DONE
    try:
        await asyncio.gather(*(ear.start() for ear in ears))
        while not stop.is_set():
            heard = await asyncio.gather(*(ear.listen(seconds) for ear in ears))
            show(heard)
            if any(one.status not in (GOOD, MAINTENANCE) for one in heard):
                code = FAILED
            if once:
                break
    finally:
        await asyncio.gather(*(ear.stop() for ear in ears))
    return code
