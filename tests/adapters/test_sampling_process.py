"""The process that samples: every frame once across it, and what becomes of it when either ends."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from agent.adapters.clock_os import OsClock
from agent.adapters.sampling_process import ApartSensor, SamplingProcess
from agent.config import read_settings
from agent.limits import BESIDE_PRIORITY, BUS_PRIORITY
from agent.words.demo import configuration

ROOT = Path(__file__).resolve().parents[2]
WITHIN_S = 20.0
SIMULATED = {
    "sensors": [
        {"name": "a", "chip": "adxl345", "bus": "spi0", "chip_select": 0, "rate_hz": 800},
        {"name": "b", "chip": "max31855", "bus": "spi1", "chip_select": 0},
    ],
    "buses": [
        {"name": f"spi{n}", "kind": "sim_spi", "number": n, "speed_hz": 5_000_000} for n in (0, 1)
    ],
    "machines": [{"name": "m", "vibration": "a", "temperature": "b", "rpm": 1770}],
}
NOT_THERE = {
    "sensors": [{"name": "a", "chip": "adxl345", "bus": "spi0", "chip_select": 0}],
    "buses": [{"name": "spi0", "kind": "spidev", "number": 77, "speed_hz": 5_000_000}],
    "machines": [{"name": "m", "vibration": "a"}],
}


def config(folder: Path, more: dict[str, Any]) -> str:
    return json.dumps({**configuration(folder, 0, ("127.0.0.1", 1), "es"), **more})


def sampling(folder: Path, more: dict[str, Any] = SIMULATED) -> SamplingProcess:
    return SamplingProcess(read_settings(config(folder, more)), OsClock().monotonic_ns())


def played(
    folder: Path,
    scene: Callable[[SamplingProcess], Awaitable[None]],
    more: dict[str, Any] = SIMULATED,
) -> None:
    async def run() -> None:
        apart = sampling(folder, more)
        try:
            await asyncio.wait_for(scene(apart), 2 * WITHIN_S)
        finally:
            apart.stop()

    asyncio.run(run())


async def frames_of(sensor: ApartSensor) -> Any:
    while not (batch := await sensor.next_batch()).frames:
        continue
    return batch


def gone(pid: int) -> bool:
    """Within a bound: the process is no more."""
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


def test_every_frame_crosses_once_and_in_order(tmp_path: Path) -> None:
    async def scene(apart: SamplingProcess) -> None:
        sensor = apart.sensors["a"]
        await sensor.start()
        first = await frames_of(sensor)
        counted, last = first.ticks, first
        for _ in range(20):
            last = await sensor.next_batch()
            counted += last.frames
            assert len(last.raw) == 7 * last.frames
        assert counted == last.ticks and last.ticks > 20 * 50
        assert (sensor.mailbox.dropped, sensor.recoveries()) == (0, {})

    played(tmp_path, scene)


def test_a_bus_that_is_not_there_is_said_with_its_errno_and_its_steps(tmp_path: Path) -> None:
    async def scene(apart: SamplingProcess) -> None:
        sensor = apart.sensors["a"]
        await sensor.start()
        while not (batch := await sensor.next_batch()).fault:
            continue
        code, facts = batch.fault
        assert (code, facts["errno"], batch.frames) == ("bus", 2, 0)
        while not sensor.recoveries():
            await sensor.next_batch()

    played(tmp_path, scene, NOT_THERE)


def test_a_process_that_dies_is_told_to_every_reader_and_the_next_start_makes_another(
    tmp_path: Path,
) -> None:
    async def scene(apart: SamplingProcess) -> None:
        for sensor in apart.sensors.values():
            await sensor.start()
            await frames_of(sensor)
        died = apart.pid
        os.kill(died, signal.SIGKILL)
        for sensor in apart.sensors.values():
            with pytest.raises(RuntimeError, match=f"sampling of {sensor.name} failed"):
                while True:
                    await sensor.next_batch()
        for sensor in apart.sensors.values():
            await sensor.start()
            await frames_of(sensor)
        assert apart.pid != died

    played(tmp_path, scene)


def test_what_ends_a_whole_group_leaves_it_to_the_agent(tmp_path: Path) -> None:
    async def scene(apart: SamplingProcess) -> None:
        sensor = apart.sensors["a"]
        await sensor.start()
        last = await frames_of(sensor)
        os.kill(apart.pid, signal.SIGINT)
        os.kill(apart.pid, signal.SIGTERM)
        for _ in range(5):
            batch = await frames_of(sensor)
            assert batch.ticks == last.ticks + batch.frames
            last = batch

    played(tmp_path, scene)


def granted() -> bool:
    """Whether this user may ask for real-time priority."""
    asked: list[bool] = []

    def ask() -> None:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
            asked.append(True)
        except PermissionError:
            asked.append(False)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    return asked[0]


def priorities(pid: int) -> dict[int, int]:
    """{thread: its real-time priority, 0: ordinary} (proc(5)); the first thread is `pid`."""
    stats = {int(path.parent.name): path.read_text() for path in tasks(pid)}
    return {one: int(stat.rsplit(") ", 1)[1].split()[37]) for one, stat in stats.items()}


def tasks(pid: int) -> list[Path]:
    return list(Path(f"/proc/{pid}/task").glob("*/stat"))


def test_no_ordinary_program_keeps_any_of_its_threads_waiting(tmp_path: Path) -> None:
    async def scene(apart: SamplingProcess) -> None:
        for sensor in apart.sensors.values():
            await sensor.start()
            await frames_of(sensor)
        found = priorities(apart.pid)
        if granted():
            assert found[apart.pid] == BESIDE_PRIORITY
            assert list(found.values()).count(BUS_PRIORITY) >= 2, "a thread for each bus"
        else:
            assert set(found.values()) == {0}

    played(tmp_path, scene)


def test_a_stop_ends_it_and_may_be_said_twice(tmp_path: Path) -> None:
    async def scene(apart: SamplingProcess) -> None:
        await apart.sensors["a"].start()
        await frames_of(apart.sensors["a"])
        pid = apart.pid
        await apart.sensors["a"].stop()
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        await apart.sensors["b"].stop()

    played(tmp_path, scene)


def test_one_that_does_not_end_is_ended_by_force(tmp_path: Path) -> None:
    async def scene(apart: SamplingProcess) -> None:
        await apart.sensors["a"].start()
        await frames_of(apart.sensors["a"])
        os.kill(apart.pid, signal.SIGSTOP)
        apart.stop()
        assert gone(apart.pid)

    played(tmp_path, scene)


def test_without_the_agent_it_ends(tmp_path: Path) -> None:
    program = """if True:
        import asyncio, os, sys
        from pathlib import Path
        from tests.adapters.test_sampling_process import frames_of, sampling

        async def run():
            apart = sampling(Path(sys.argv[1]))
            await apart.sensors["a"].start()
            await frames_of(apart.sensors["a"])
            print(apart.pid, flush=True)
            os.kill(os.getpid(), 9)

        asyncio.run(run())
    """
    agent = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        timeout=2 * WITHIN_S,
        text=True,
    )
    assert agent.returncode == -signal.SIGKILL
    assert gone(int(agent.stdout))


def test_an_agent_that_dies_with_batches_unread_is_no_error(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    words = [sys.executable, "-m", "agent.sampling"]
    apart = subprocess.Popen(words, cwd=ROOT, stdin=theirs.fileno(), stderr=subprocess.PIPE)
    theirs.close()
    first = {"config": config(tmp_path, SIMULATED), "begun_ns": OsClock().monotonic_ns()}
    for order in (first, {"start": "spi0"}):
        ours.sendall(json.dumps(order).encode() + b"\n")
    ours.settimeout(WITHIN_S)
    assert ours.recv(1, socket.MSG_PEEK), "a batch has come, and nobody took it"
    ours.close()
    _, said = apart.communicate(timeout=WITHIN_S)
    assert (apart.returncode, said) == (0, b"")
