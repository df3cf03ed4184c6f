"""What a process makes of its settings file."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from typing import IO, Any

import pytest

from agent.bus_lock import BusTaken, hold, let_go
from agent.limits import CONFIG_BYTES, SAMPLING_END_S
from agent.words.demo import configuration
from agent.words.exits import DONE, USAGE
from agent.words.start import (
    hold_buses,
    say_failure,
    say_found,
    say_unwritten,
    settings_of,
    stop_on_signals,
    taken_words,
)

NODE = "/dev/i2c-98"
KILLED_AGENT = """
import os, sys
from agent.bus_lock import hold, share
share(hold([sys.argv[1]], sys.argv[2]))
os.posix_spawn("/bin/cat", ["cat"], {})  # as the process that samples: until its input ends
"""
Bus = namedtuple("Bus", ("name", "kind", "number"))
Seat = namedtuple("Seat", ("bus", "chip_select"))
Settings = namedtuple("Settings", ("buses", "sensors", "state_dir"))
Ended = namedtuple("Ended", ("failure",))
Started = namedtuple("Started", ("found",))


@pytest.mark.parametrize(("more", "code"), [(0, DONE), (1, USAGE)])
def test_a_file_too_long_to_be_a_configuration_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: int, code: int
) -> None:
    path = tmp_path / "c.json"
    held = configuration(tmp_path, 8080, ("127.0.0.1", 1883), "es")
    path.write_text(json.dumps(held).ljust(CONFIG_BYTES + more))
    settings, found = settings_of(str(path), "run")
    assert found == code and (settings is None) == bool(more)
    said = capsys.readouterr().err
    assert (f"{path}: more than {CONFIG_BYTES} bytes" in said) == bool(more)


def test_a_device_that_never_ends_is_no_configuration() -> None:
    assert settings_of("/dev/zero", "run") == (None, USAGE)


def settings_on(folder: Path) -> Any:
    return Settings((Bus("a", "smbus2", 98),), (Seat("a", 0),), str(folder))


def what_a_killed_agent_left(folder: Path) -> IO[bytes]:
    """What ends, when it is closed, the process that is left."""
    words = [sys.executable, "-c", KILLED_AGENT, NODE, str(folder)]
    killed = subprocess.Popen(words, stdin=subprocess.PIPE)
    assert killed.wait() == 0 and killed.stdin is not None
    return killed.stdin


def test_a_bus_that_a_killed_agents_process_still_holds_is_waited_for(tmp_path: Path) -> None:
    ends = what_a_killed_agent_left(tmp_path)

    async def scene() -> None:
        asyncio.get_running_loop().call_later(SAMPLING_END_S / 5, ends.close)
        let_go(await hold_buses(settings_on(tmp_path)))

    asyncio.run(scene())


def test_a_bus_that_is_never_let_go_is_said_without_a_name_of_the_dead(tmp_path: Path) -> None:
    ends = what_a_killed_agent_left(tmp_path)
    with pytest.raises(BusTaken) as taken:
        asyncio.run(hold_buses(settings_on(tmp_path)))
    assert taken_words(taken.value, "es").startswith(f"{NODE} lo usa otro programa: ")
    assert taken_words(taken.value, "en").startswith(f"{NODE} is in use by another program: ")
    ends.close()


def test_a_bus_of_a_program_that_lives_is_not_waited_for(tmp_path: Path) -> None:
    held = hold([NODE], str(tmp_path))

    async def scene() -> None:
        with pytest.raises(BusTaken) as taken:
            await asyncio.wait_for(hold_buses(settings_on(tmp_path)), SAMPLING_END_S / 2)
        assert taken.value.pid == os.getpid()

    asyncio.run(scene())
    let_go(held)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_and_the_end_of_the_terminal_ask_for_a_clean_stop(number: int) -> None:
    async def scene() -> None:
        stop = asyncio.Event()
        stop_on_signals(stop)
        os.kill(os.getpid(), number)
        await asyncio.wait_for(stop.wait(), 5)

    asyncio.run(scene())


def test_the_end_of_the_terminal_does_not_end_what_nohup_started() -> None:
    async def scene() -> None:
        stop_on_signals(asyncio.Event())
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        asyncio.run(scene())
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "es",
            "latido: terminó, porque una y otra vez: lado-acople: el proceso que lee los sensores "
            "terminó (señal 9, como cuando se acaba la memoria)\n",
        ),
        (
            "en",
            "latido: ended, because again and again: lado-acople: the process that reads the "
            "sensors ended (signal 9, as when memory runs out)\n",
        ),
    ],
)
def test_what_failed_too_often_is_said_to_a_person(
    capsys: pytest.CaptureFixture[str], language: str, said: str
) -> None:
    why = "the process that reads the sensors ended (signal 9, as when memory runs out)"
    agent: Any = Ended(f"lado-acople: {why}")
    say_failure(agent, language)
    assert capsys.readouterr().err == said
    agent = Ended("")
    say_failure(agent, language)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("language", "lost", "newer"),
    [
        (
            "es",
            "latido: 7 filas no se pudieron escribir antes de terminar",
            "latido: settings.db es de una versión más nueva (esquema 9, se esperaba 1);"
            " se conserva como settings.newer-1.db; no se usan sus ajustes ni lo aprendido\n",
        ),
        (
            "en",
            "latido: 7 rows could not be written before the end",
            "latido: settings.db is of a newer version (schema 9, expected 1); kept as"
            " settings.newer-1.db, its settings and baselines are not used\n",
        ),
    ],
)
def test_what_the_store_was_found_to_be_and_what_it_did_not_take_is_said(
    capsys: pytest.CaptureFixture[str], language: str, lost: str, newer: str
) -> None:
    note = "settings.db is of a newer version (schema 9, expected 1); kept as settings.newer-1.db"
    agent: Any = Started((f"{note}, its settings and baselines are not used",))
    say_found(agent, language)
    assert capsys.readouterr().err == newer
    say_unwritten({"rows_unwritten": 7}, language)
    assert capsys.readouterr().err.startswith(lost)
    say_unwritten({"rows_unwritten": 0}, language)
    assert capsys.readouterr().err == ""
