"""The process that samples: every frame once across it, and what becomes of it when either ends."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.adapters.clock_os import OsClock
from agent.adapters.sampling_process import ApartSensor, SamplingProcess
from agent.config import read_settings
from agent.limits import (
    BESIDE_PRIORITY,
    BUS_PRIORITY,
    SAMPLING_END_S,
    SAMPLING_KILLED_S,
    STOP_WITHIN_S,
)
from agent.ports import SamplingFault
from agent.stages.acquire import block_maker
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


async def failure_of(sensor: ApartSensor) -> str:
    with pytest.raises(SamplingFault) as failed:
        while True:
            await sensor.next_batch()
    return str(failed.value)


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """TimeoutError out of whatever call blocks for longer."""

    def too_long(*_: object) -> None:
        raise TimeoutError(f"blocked for {seconds} s")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


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
            assert "signal 9" in await failure_of(sensor)
        for sensor in apart.sensors.values():
            await sensor.start()
            await frames_of(sensor)
        assert apart.pid != died

    played(tmp_path, scene)


def test_what_a_process_that_died_did_not_sample_is_counted_as_lost(tmp_path: Path) -> None:
    async def scene(apart: SamplingProcess) -> None:
        sensor, maker = apart.sensors["a"], block_maker("a", 800, False)
        await sensor.start()
        first = await frames_of(sensor)
        blocks = [maker.take(first)]
        for _ in range(15):
            blocks.append(maker.take(await sensor.next_batch()))
        os.kill(apart.pid, signal.SIGKILL)
        await failure_of(sensor)
        await sensor.start()
        blocks.append(maker.take(await frames_of(sensor)))
        assert min(block.lost for block in blocks) == 0 < blocks[-1].lost
        for _ in range(15):
            blocks.append(maker.take(last := await sensor.next_batch()))
        sampled = 800 * (last.mono_ns - first.mono_ns) / 1e9
        assert maker.frames_total + maker.lost_total == pytest.approx(sampled, rel=0.15)

    played(tmp_path, scene)


def test_what_fails_twice_before_a_reader_starts_again_is_told_once(tmp_path: Path) -> None:
    async def scene(apart: SamplingProcess) -> None:
        a, b = apart.sensors.values()
        await a.start()
        await b.start()
        await frames_of(b)
        for told in (a, b), (a,):
            os.kill(apart.pid, signal.SIGKILL)
            for sensor in told:
                await failure_of(sensor)
            await a.start()
            await frames_of(a)
        await b.start()
        assert (await frames_of(b)).fault == ""

    played(tmp_path, scene)


def test_what_ends_a_whole_group_leaves_it_to_the_agent(tmp_path: Path) -> None:
    async def scene(apart: SamplingProcess) -> None:
        sensor = apart.sensors["a"]
        await sensor.start()
        last = await frames_of(sensor)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(apart.pid, number)
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


def test_a_process_that_takes_no_orders_holds_up_nobody(tmp_path: Path) -> None:
    async def scene(apart: SamplingProcess) -> None:
        sensor = apart.sensors["a"]
        await sensor.start()
        last = await frames_of(sensor)
        os.kill(apart.pid, signal.SIGSTOP)
        with within(WITHIN_S):
            for _ in range(40_000):  # more than a socket takes
                await sensor.start()
        os.kill(apart.pid, signal.SIGCONT)
        while (await frames_of(sensor)).ticks < last.ticks + 100:
            continue
        os.kill(apart.pid, signal.SIGSTOP)
        for _ in range(40_000):
            await sensor.start()
        with within(STOP_WITHIN_S):
            apart.stop()
        assert gone(apart.pid)

    played(tmp_path, scene)


def test_its_end_is_told_where_the_system_takes_ended_processes_away(tmp_path: Path) -> None:
    """SIGCHLD is ignored by some programs that start others, and that is inherited."""

    async def scene(apart: SamplingProcess) -> None:
        sensor = apart.sensors["a"]
        await sensor.start()
        await frames_of(sensor)
        os.kill(apart.pid, signal.SIGKILL)
        assert "process that reads the sensors ended" in await failure_of(sensor)
        await sensor.start()
        await frames_of(sensor)

    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        played(tmp_path, scene)
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_one_that_cannot_be_started_is_said_and_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(apart: SamplingProcess) -> None:
        before = os.listdir("/proc/self/fd")
        with pytest.raises(SamplingFault, match=r"a: .* cannot be started \(No such file"):
            await apart.sensors["a"].start()
        assert os.listdir("/proc/self/fd") == before

    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    played(tmp_path, scene)


def test_one_that_not_even_force_ends_does_not_keep_the_agent_from_ending(tmp_path: Path) -> None:
    """As a transfer that hangs in the kernel does; here a tracer has not let it go yet."""
    trace = """if True:
        import ctypes, sys
        PTRACE_SEIZE = 0x4206
        print(ctypes.CDLL(None).ptrace(PTRACE_SEIZE, int(sys.argv[1]), None, None), flush=True)
        sys.stdin.read()
    """

    async def scene(apart: SamplingProcess) -> None:
        await apart.sensors["a"].start()
        await frames_of(apart.sensors["a"])
        words = [sys.executable, "-c", trace, str(apart.pid)]
        pipe = subprocess.PIPE
        with subprocess.Popen(words, text=True, stdin=pipe, stdout=pipe) as tracer:
            assert tracer.stdout is not None
            if tracer.stdout.readline() != "0\n":
                pytest.skip("this system lets nobody trace")
            with within(SAMPLING_END_S + SAMPLING_KILLED_S + 1.0):
                apart.stop()
            tracer.communicate()
        os.waitpid(apart.pid, 0)

    played(tmp_path, scene)


def run_apart(said: bytes) -> tuple[int, bytes]:
    """(exit code, what it prints) of a process whose agent says this and is gone."""
    ours, theirs = socket.socketpair()
    words = [sys.executable, "-m", "agent.sampling"]
    with theirs, ours:
        apart = subprocess.Popen(words, cwd=ROOT, stdin=theirs.fileno(), stderr=subprocess.PIPE)
        ours.sendall(said)
    _, error = apart.communicate(timeout=WITHIN_S)
    return apart.returncode, error


def test_an_order_half_said_by_an_agent_that_dies_is_none(tmp_path: Path) -> None:
    first = {"config": config(tmp_path, SIMULATED), "begun_ns": 0}
    said = json.dumps(first).encode()
    assert run_apart(said[:100]) == (0, b"")
    assert run_apart(said + b'\n{"start": "sp') == (0, b"")


@pytest.mark.parametrize(("thread", "code"), [("send", 1), ("bus-spi0", 0)])
def test_it_ends_when_it_can_say_no_more_and_not_when_a_bus_fails(thread: str, code: int) -> None:
    program = f"""if True:
        import threading
        from agent.sampling import end_with_sender
        threading.excepthook = end_with_sender
        failing = threading.Thread(target=lambda: 1 / 0, name={thread!r})
        failing.start()
        failing.join()
    """
    words = [sys.executable, "-c", program]
    ended = subprocess.run(words, cwd=ROOT, stderr=subprocess.PIPE, timeout=WITHIN_S)
    assert ended.returncode == code and b"ZeroDivisionError" in ended.stderr
