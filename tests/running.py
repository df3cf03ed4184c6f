"""A real agent in a process of its own, on simulated chips, and what it serves."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from agent.words.demo import configuration

READY_WITHIN_S = 40.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_s_of(pid: int) -> float:
    """CPU seconds of a process and its threads so far (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def family_of(pid: int) -> list[int]:
    """The agent's process and the one that samples for it."""
    return [pid, *(int(path.name) for path in Path("/proc").glob("[0-9]*") if _samples(path, pid))]


def _samples(process: Path, parent: int) -> bool:
    try:
        fields = (process / "stat").read_text().rsplit(") ", 1)[1].split()
        return int(fields[1]) == parent and b"agent.sampling" in (process / "cmdline").read_bytes()
    except OSError:  # it has ended meanwhile
        return False


class RunningAgent:
    """`latido run` on the demo's configuration; `simulation` and `more` replace parts of it."""

    def __init__(
        self,
        folder: Path,
        broker_port: int | None = None,
        simulation: dict[str, Any] | None = None,
        more: dict[str, Any] | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.port = free_port()
        self._environment = {**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})}
        self.state_dir = folder / "state"
        held = configuration(self.state_dir, self.port, ("127.0.0.1", broker_port or 1), "es")
        if broker_port is None:
            del held["broker"]
        held["simulation"] = {**held["simulation"], **(simulation or {})}
        self.config = folder / "config.json"
        self.config.write_text(json.dumps({**held, **(more or {})}))
        self._log = (folder / "agent.log").open("ab")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns once the page answers."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "agent", "run", "--config", str(self.config)],
            stdout=self._log,
            stderr=self._log,
            env=self._environment,
        )
        self.wait_for(lambda state: "device" in state)

    def state(self) -> dict[str, Any]:
        """What the page knows."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/state", timeout=5) as page:
            held: dict[str, Any] = json.load(page)
            return held

    def wait_for(self, wanted: Any, within_s: float = READY_WITHIN_S) -> dict[str, Any]:
        """The first state for which `wanted(state)` holds."""
        deadline = time.monotonic() + within_s
        last: object = None
        while time.monotonic() < deadline:
            assert self.process is not None
            assert self.process.poll() is None, f"the agent ended: {self.log()}"
            try:
                last = self.state()
                if wanted(last):
                    return last
            except OSError as error:
                last = error
            time.sleep(0.1)
        raise AssertionError(f"not within {within_s} s; last seen {last}\n{self.log()}")

    def cpu_s(self) -> float:
        """CPU seconds that the agent has used."""
        assert self.process is not None
        return sum(cpu_s_of(pid) for pid in family_of(self.process.pid))

    def log(self) -> str:
        return Path(self._log.name).read_text()

    def kill(self) -> None:
        """As a power cut would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def terminate(self) -> tuple[int, float]:
        """(exit code, seconds it took) of a stop that is asked for."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=20)
        return code, time.monotonic() - began

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
        self._log.close()
