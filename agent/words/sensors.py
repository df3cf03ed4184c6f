"""`latido sensors scan | test | watch`: who answers on the buses, is it sound, what it says."""

import asyncio
import os
import sys
import threading

from agent import app, bus_lock
from agent.core.block import GOOD, MAINTENANCE
from agent.page.words import language_of, text
from agent.words import start
from agent.words.exits import DONE, FAILED, INTERRUPTED
from agent.words.listen import Ear, self_tests
from agent.words.scan import CHIP_SELECTS, scan
from agent.words.sensors_table import (
    Screen,
    complaint,
    heard_facts,
    heard_lines,
    place_facts,
    place_line,
)

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
    scans = options.action == "scan"
    nodes = bus_lock.nodes_of(settings, CHIP_SELECTS if scans else ())
    try:
        held = bus_lock.hold(nodes, settings.state_dir)
    except bus_lock.BusTaken as taken:
        print(f"latido sensors: {start.taken_words(taken, language)}", file=sys.stderr)
        return FAILED
    try:
        if scans:
            return _scan(settings, language, options.json, print_object)
        return _heard(settings, options, language, print_object)
    finally:
        bus_lock.let_go(held)


def _heard(
    settings: "Settings",
    options: "argparse.Namespace",
    language: str,
    print_object: "Callable[[object], None]",
) -> int:
    """`test` and `watch`."""
    show = _show(options, language, print_object)
    if options.action == "test" and not options.json:
        print(text("sensors.at_rest", language), file=sys.stderr)
    code, ended = asyncio.run(_listen(settings, options, show))
    if ended:
        print(f"latido sensors: {text('sensors.ended', language)}", file=sys.stderr)
    return code


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
        return lambda heard: screen.draw(heard_lines(heard, language, screen.columns()))
    return lambda heard: screen.add(heard_lines(heard, language))


async def _listen(
    settings: "Settings", options: "argparse.Namespace", show: "Show"
) -> "tuple[int, bool]":
    """(exit code, whether it was ended before there was a result).

    `test` listens once for some seconds, `watch` every second until it is ended.
    """
    stop = asyncio.Event()
    start.prepare_process()
    start.stop_on_signals(stop)
    once = options.action == "test"
    seconds = options.seconds or (TEST_S if once else WATCH_S)
    tests = await _tested(settings, stop) if once else {}
    if stop.is_set():
        return INTERRUPTED, True
    agent = app.Agent(settings)
    agent.open_sensors()
    ears = [
        Ear(adapter, facts, *([tests[name]] if name in tests else []))
        for name, (adapter, facts) in agent.sensors.items()
    ]
    code: "int | None" = None
    try:
        await asyncio.gather(*(ear.start() for ear in ears))
        while not stop.is_set():
            heard = await _unless(stop, asyncio.gather(*(ear.listen(seconds) for ear in ears)))
            if heard is None:
                break
            show(heard)
            bad = any(one.status not in (GOOD, MAINTENANCE) for one in heard)
            code = FAILED if bad or code == FAILED else DONE
            if once:
                break
    finally:
        await asyncio.gather(*(ear.stop() for ear in ears))
    return (INTERRUPTED, True) if code is None else (code, False)


async def _tested(settings: "Settings", stop: asyncio.Event) -> "dict[str, Any]":
    """The self-tests, in a thread: it waits for chips, and a signal must reach it meanwhile."""
    ending = threading.Event()
    work = asyncio.ensure_future(asyncio.to_thread(self_tests, settings, ending))
    await _unless(stop, asyncio.shield(work))
    ending.set()
    return await work


async def _unless(stop: asyncio.Event, work: "asyncio.Future[Any]") -> "Any":
    """What `work` gives; None, and `work` cancelled, once `stop` is set."""
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({stopped, work}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)  # takes what it ended with, too
        return None
    finally:
        stopped.cancel()
