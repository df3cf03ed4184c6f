"""`latido demo`: the agent on a simulated pump whose bearing wears in time-lapse, and it says so.

The same drivers, stages, model, store and page as on hardware; only the chips are simulated. The
healthy pump's baseline is learned first, through a chip, faster than real time, and kept.
"""

import asyncio
import errno
import json
import os
import sys
from pathlib import Path

from agent import app
from agent.checked import ConfigFault
from agent.config import read_settings
from agent.limits import STOP_WITHIN_S
from agent.page.words import language_of, phrase, text, verdict_words
from agent.ports import BrokerFault, StoreFault
from agent.words import start
from agent.words.exits import DONE, FAILED, USAGE

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    import argparse
    from typing import Any

MACHINE = "Bomba 1"
DEFECT_FROM_S = 20.0  # of healthy running, for whoever opens the page to see green
LEARN_AHEAD_S = 40.0  # of healthy running, faster than real time, at the very first start
DEFECT_OVER_S = 110.0  # so that red comes well within two minutes


class DemoFault(Exception):
    """The demo cannot start; one sentence says why and what to do."""


def run(options: "argparse.Namespace") -> int:
    """Runs until Ctrl-C or for `--seconds`; prints the summary; returns the exit code."""
    language = options.lang or language_of(os.environ)
    folder = Path(options.state_dir) if options.state_dir else default_state_dir()
    try:
        broker = _broker(options.broker)
        summary = asyncio.run(_run(options, language, folder, broker))
    except (BrokerFault, DemoFault, StoreFault) as fault:
        print(f"latido demo: {phrase(str(fault), language)}", file=sys.stderr)
        return FAILED
    except ConfigFault as fault:
        print(f"latido demo: {fault.complaints[0]}", file=sys.stderr)
        return USAGE
    if options.json:
        print(json.dumps(summary))
    else:
        print(_words(summary, language))
    return FAILED if summary["failed"] else DONE


def default_state_dir() -> "Path":
    """Where a user's programs keep state (XDG base directories)."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(base) / "latido-demo"


def _broker(place: "str | None") -> "tuple[str, int] | None":
    if place is None:
        return None
    host, _, port = place.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigFault([f"--broker: {place!r} is not HOST:PORT (for example 192.168.1.5:1883)"])
    return host, int(port)


async def _run(
    options: "argparse.Namespace",
    language: str,
    folder: "Path",
    broker: "tuple[str, int] | None",
) -> "dict[str, Any]":
    stop = asyncio.Event()
    start.prepare_process()
    start.stop_on_signals(stop)
    embedded = None
    if broker is None:
        embedded = app.embedded_broker()
        broker = ("127.0.0.1", await embedded.start())
    held = configuration(folder, options.port, broker, language)
    if embedded is not None:
        held["broker"]["protocol"] = "3.1.1"  # to MQTT 5 it says nothing
    settings = read_settings(json.dumps(held))
    agent = app.Agent(settings, apart=True)
    summary: dict[str, Any] = {}
    try:
        await _start(agent, options.port, language)
        start.say_found(agent, language)
        start.settle()
        if not options.json:
            print(text("demo.started", language, port=agent.port), flush=True)
        if options.seconds:
            asyncio.get_running_loop().call_later(options.seconds, stop.set)
        await agent.serve(stop)
    finally:
        summary = await asyncio.wait_for(agent.close(), STOP_WITHIN_S)
        if embedded is not None:
            await embedded.stop()
    start.say_failure(agent, language)
    start.say_unwritten(summary, language)
    return summary


async def _start(agent: "app.Agent", port: int, language: str) -> None:
    try:
        await agent.start()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise DemoFault(text("demo.port", language, port=port))
        raise DemoFault(str(error))


def configuration(
    folder: "Path", port: int, broker: "tuple[str, int]", language: str
) -> "dict[str, Any]":
    """The demo's configuration, as a user would write it."""
    return {
        "schema": 1,
        "device": {"site": "demo", "name": "latido-demo"},
        "language": language,
        "state_dir": str(folder),
        "page": {"host": "127.0.0.1", "port": port},
        "broker": {"host": broker[0], "port": broker[1]},
        "buses": [{"name": "spi0", "kind": "sim_spi", "speed_hz": 5_000_000}],
        "sensors": [
            {"name": "lado-acople", "chip": "adxl345", "bus": "spi0", "rate_hz": 3200},
            {"name": "chumacera", "chip": "max31855", "bus": "spi0", "chip_select": 1},
        ],
        "machines": [
            {
                "name": MACHINE,
                "kind": "pump",
                "power_kw": 7.5,
                "rpm": 1770,
                "bearing": "9,7.94,39.04,0",
                "vanes": 5,
                "axial": "y",
                "vibration": "lado-acople",
                "temperature": "chumacera",
            }
        ],
        "simulation": {
            "seed": 1,
            "defect_from_s": DEFECT_FROM_S,
            "defect_over_s": DEFECT_OVER_S,
            "clock_error": 0.015,
            "learn_ahead_s": LEARN_AHEAD_S,
        },
    }


def _words(summary: "dict[str, Any]", language: str) -> str:
    words = verdict_words(summary["verdicts"], language)
    return text("demo.summary", language, verdict_words=words, **summary)
