"""A bus node belongs to one process at a time."""

import os
import pty
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from agent.bus_lock import BusTaken, hold, let_go, nodes_of, share, words_of

HOLD = """
import sys
from agent.bus_lock import hold
hold([sys.argv[1]], sys.argv[2])
print(flush=True)
input()
"""
Bus = namedtuple("Bus", ("name", "kind", "number"))
Seat = namedtuple("Seat", ("bus", "chip_select"))
Settings = namedtuple("Settings", ("buses", "sensors"))


def holder(node: str, state_dir: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, node, str(state_dir)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_a_node_that_is_there_is_held_whatever_the_state_directory(tmp_path: Path) -> None:
    """A terminal of our own stands for the node: it is a character device, too."""
    ours, theirs = pty.openpty()
    node = os.ttyname(theirs)
    with holder(node, tmp_path / "none") as process:
        with pytest.raises(BusTaken) as taken:
            hold([node], str(tmp_path))
        process.communicate("\n")
    assert (taken.value.node, taken.value.pid) == (node, process.pid)
    let_go(hold([node], str(tmp_path)))
    os.close(ours)
    os.close(theirs)


def test_a_node_that_is_not_there_yet_is_held_by_a_file(tmp_path: Path) -> None:
    with holder("/dev/i2c-98", tmp_path) as process:
        with pytest.raises(BusTaken) as taken:
            hold(["/dev/i2c-97", "/dev/i2c-98"], str(tmp_path))
        assert words_of(taken.value.pid) == os.path.basename(sys.executable)
        process.communicate("\n")
    let_go(hold(["/dev/i2c-97", "/dev/i2c-98"], str(tmp_path)))


@pytest.mark.parametrize("shared", [True, False])
def test_a_shared_node_is_held_until_the_process_that_samples_has_ended_too(
    tmp_path: Path, shared: bool
) -> None:
    held = hold(["/dev/i2c-98"], str(tmp_path))
    if shared:
        share(held)
    pipe, answer = os.pipe(), os.pipe()
    samples = os.posix_spawn("/bin/cat", ["cat"], {}, file_actions=_between(pipe, answer))
    os.close(pipe[0])
    os.write(pipe[1], b".")
    assert os.read(answer[0], 1) == b".", "it runs, and what it was not to have is closed"
    let_go(held)
    if shared:
        with pytest.raises(BusTaken):
            hold(["/dev/i2c-98"], str(tmp_path))
    else:
        let_go(hold(["/dev/i2c-98"], str(tmp_path)))
    for end in (pipe[1], *answer):
        os.close(end)
    os.waitpid(samples, 0)
    let_go(hold(["/dev/i2c-98"], str(tmp_path)))


def _between(pipe: tuple[int, int], answer: tuple[int, int]) -> list[Any]:
    """`cat` reads the pipe until this process closes it."""
    return [(os.POSIX_SPAWN_DUP2, pipe[0], 0), (os.POSIX_SPAWN_DUP2, answer[1], 1)]


def test_nodes_are_those_of_real_buses_and_their_chip_selects() -> None:
    buses = (Bus("a", "spidev", 0), Bus("b", "blinka_i2c", 1), Bus("c", "sim_spi", 0))
    settings: Any = Settings(buses, (Seat("a", 0), Seat("b", 0), Seat("c", 0)))
    assert nodes_of(settings) == ["/dev/i2c-1", "/dev/spidev0.0"]
    assert nodes_of(settings, (0, 1)) == ["/dev/i2c-1", "/dev/spidev0.0", "/dev/spidev0.1"]
