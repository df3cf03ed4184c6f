"""A process that runs the agent: its settings file, its priority, its signals, its exit code."""

import asyncio
import gc
import os
import signal
import sys
import time

from agent import bus_lock
from agent.app import Agent
from agent.checked import ConfigFault
from agent.config import read_settings
from agent.limits import CONFIG_BYTES, NICE, SAMPLING_END_S, STOP_WITHIN_S, SWITCH_INTERVAL_S
from agent.page.words import language_of, phrase, text
from agent.ports import StoreFault
from agent.words.exits import DONE, FAILED, USAGE

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from agent.config import Settings

LOOK_S = 0.05  # between looks whether a bus is free


def run_file(path: str) -> int:
    """`latido run --config FILE`; returns the exit code."""
    settings, code = settings_of(path, "run")
    return code if settings is None else asyncio.run(run_until_stopped(settings))


async def run_until_stopped(settings: "Settings") -> int:
    """The agent by its settings until SIGTERM or SIGINT."""
    prepare_process()
    stop = asyncio.Event()
    stop_on_signals(stop)
    agent = Agent(settings, apart=True)
    held: "list[int]" = []
    try:
        await agent.start()
        say_found(agent, settings.language)
        held = await hold_buses(settings)
        bus_lock.share(held)
        settle()
        await agent.serve(stop)
    except (StoreFault, OSError) as error:
        print(f"latido: {phrase(str(error), settings.language)}", file=sys.stderr)
        return FAILED
    except bus_lock.BusTaken as taken:
        print(f"latido: {taken_words(taken, settings.language)}", file=sys.stderr)
        return FAILED
    finally:
        summary = await asyncio.wait_for(agent.close(), STOP_WITHIN_S)
        bus_lock.let_go(held)
    say_failure(agent, settings.language)
    say_unwritten(summary, settings.language)
    return FAILED if summary["failed"] else DONE


async def hold_buses(settings: "Settings") -> "list[int]":
    """The locks of its buses. BusTaken, at once when another program that lives has taken one.

    What sampled for an agent that was killed may hold them for a moment longer.
    """
    nodes = bus_lock.nodes_of(settings)
    deadline = time.monotonic() + SAMPLING_END_S
    while True:
        try:
            return bus_lock.hold(nodes, settings.state_dir)
        except bus_lock.BusTaken as taken:
            if taken.pid or time.monotonic() > deadline:
                raise
        await asyncio.sleep(LOOK_S)


def say_found(agent: Agent, language: str) -> None:
    """What of the store was damaged, for the log: the page tells it only while this run lasts."""
    for words in agent.found:
        print(f"latido: {phrase(words, language)}", file=sys.stderr, flush=True)


def say_unwritten(summary: "dict[str, Any]", language: str) -> None:
    """Rows that the disk never took, and that ended with the process."""
    rows = summary["rows_unwritten"]
    if rows:
        print(f"latido: {text('run.unwritten', language, rows=rows)}", file=sys.stderr)


def say_failure(agent: Agent, language: str) -> None:
    """What failed too often to go on, for whoever reads the log or the terminal."""
    if agent.failure:
        why = phrase(agent.failure, language)
        print(f"latido: {text('run.gave_up', language, why=why)}", file=sys.stderr)


def taken_words(taken: "bus_lock.BusTaken", language: str) -> str:
    """Who holds a bus, and what to do, for a person."""
    who = (
        f"{bus_lock.words_of(taken.pid)} ({taken.pid})"
        if taken.pid
        else text("bus.someone", language)
    )
    return text("bus.taken", language, node=taken.node, who=who)


def settings_of(path: str, word: str) -> "tuple[Settings | None, int]":
    """(the settings of a file or None, the exit code): what is wrong is printed, a line each."""
    try:
        return read_settings(_content(path)), DONE
    except (OSError, UnicodeDecodeError) as error:
        why = phrase(getattr(error, "strerror", None) or str(error), language_of(os.environ))
        print(f"latido {word}: {path}: {why}", file=sys.stderr)
    except ConfigFault as fault:
        for line in fault.complaints:
            print(f"latido {word}: {path}: {line}", file=sys.stderr)
    return None, USAGE


def settings_with_broker(
    options: "argparse.Namespace", word: str
) -> "tuple[Settings | None, int, str]":
    """(settings that name a broker or None, the exit code, the language of the answer).

    `options`: config, lang. What is wrong or missing is printed.
    """
    settings, code = settings_of(options.config, word)
    if settings is None:
        return None, code, options.lang or ""
    language = options.lang or settings.language
    if settings.broker is None:
        print(text("connect.none", language))
        return None, USAGE, language
    return settings, DONE, language


def _content(path: str) -> str:
    """A configuration file's text; ConfigFault when it is too long to be one."""
    with open(path, "rb") as file:
        content = file.read(CONFIG_BYTES + 1)
    if len(content) > CONFIG_BYTES:
        raise ConfigFault([f"more than {CONFIG_BYTES} bytes (expected a configuration, far less)"])
    return content.decode("utf-8")


def prepare_process() -> None:
    """Before ordinary programs, where the system grants it: a bus's thread waits for the others."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
    except OSError:
        return  # an ordinary user; systemd's Nice= gives it to the service


def settle() -> None:
    """What is there by now stays: the collector need not look at it again, all threads standing."""
    gc.collect()
    gc.freeze()


def stop_on_signals(stop: asyncio.Event) -> None:
    """SIGTERM and SIGINT ask for a clean stop; a second one is not needed, and does no harm.

    So does the end of the terminal (SIGHUP), but not under `nohup`.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            loop.add_signal_handler(number, stop.set)
