"""`make bench`: what the agent costs here, as JSON lines {"name", "value", "unit", "reference"}.

    python -m tests.bench.run [--minutes 10]

`reference` is the goal, or for a "ratio" (larger is better) what it was compared with. Simulated
chips run inside the agent's process: what draining one costs above draining a bus that answers at
once is measured apart and taken off the CPU share.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from agent.analysis.decode import decode
from agent.chips import known_chips
from drivers.adxl345 import Adxl345
from drivers.device import decode_frame
from tests.bench.null_bus import simulated_share
from tests.running import cpu_s_of, family_of, free_port

GOAL_RSS_MB = 110.0
GOAL_CPU_SHARE = 0.10
GOAL_LAG_MS = 20.0
WARM_UP_S = 20.0
RATE_HZ = 3200


def tell(name: str, value: float, unit: str, reference: object) -> None:
    line = {"name": name, "value": round(value, 4), "unit": unit, "reference": reference}
    print(json.dumps(line), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the agent on this machine.")
    parser.add_argument("--minutes", type=float, default=10.0)
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        tell("first start to first verdict", first_verdict_s(state), "s", None)
        tell("second start to first verdict", first_verdict_s(state), "s", None)
        chips = simulated_share(known_chips()["adxl345"], RATE_HZ)
        long_run(state, minutes, chips)
    tell("decode a block, numpy", decode_ratio(), "ratio", "struct, frame by frame")


class Demo:
    """`latido demo` in a process of its own."""

    def __init__(self, state: Path, *words: str) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "agent", "demo", "--json", "--port", str(self.port)]
        self.process = subprocess.Popen(
            [*command, "--state-dir", str(state), *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def state(self) -> dict[str, Any]:
        try:
            url = f"http://127.0.0.1:{self.port}/api/state"
            with urllib.request.urlopen(url, timeout=5) as page:
                held: dict[str, Any] = json.load(page)
                return held
        except OSError:
            return {}

    def end(self) -> dict[str, Any]:
        """Asks it to stop; its summary."""
        self.process.terminate()
        return self.summary()

    def summary(self) -> dict[str, Any]:
        out, _ = self.process.communicate(timeout=30)
        held: dict[str, Any] = json.loads(out)
        return held

    def cpu_s(self) -> float:
        return sum(cpu_s_of(pid) for pid in family_of(self.process.pid))

    def rss_mb(self) -> float:
        """Of the agent and of the process that samples; a page that both have counts once."""
        return sum(_pss_mb(pid) for pid in family_of(self.process.pid))


def _pss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no Pss")


def first_verdict_s(state: Path) -> float:
    began = time.monotonic()
    demo = Demo(state)
    while demo.state().get("machine/Bomba 1", {}).get("state") not in ("normal", "warning"):
        time.sleep(0.05)
    took = time.monotonic() - began
    demo.end()
    return took


def long_run(state: Path, minutes: float, chips_share: float) -> None:
    demo = Demo(state, "--seconds", str(60 * minutes))
    time.sleep(WARM_UP_S)
    watching = socket.create_connection(("127.0.0.1", demo.port))
    watching.sendall(b"GET /events HTTP/1.1\r\n\r\n")
    watching.settimeout(0.0)
    began, cpu_s, stolen_s = time.monotonic(), demo.cpu_s(), steal_s()
    end = began + 60 * minutes - WARM_UP_S - 5.0
    while time.monotonic() < end:
        time.sleep(0.5)
        _swallow(watching)
    share = (demo.cpu_s() - cpu_s) / (time.monotonic() - began)
    rss_mb = demo.rss_mb()
    told = demo.summary()
    tell(f"resident memory after {minutes:g} min", rss_mb, "MB", GOAL_RSS_MB)
    tell(
        "CPU share of one core, simulated chips taken off",
        share - chips_share,
        "share",
        GOAL_CPU_SHARE,
    )
    tell("CPU share of one core, simulated chips included", share, "share", None)
    tell("CPU share of the simulated chips alone", chips_share, "share", None)
    tell("event loop lag p99", told["lag_p99_ms"], "ms", GOAL_LAG_MS)
    tell(f"samples lost in {minutes:g} min", told["lost_samples"], "samples", 0)
    tell("samples taken", told["samples"], "samples", None)
    tell("time that the host took away meanwhile", steal_s() - stolen_s, "s", None)


def steal_s() -> float:
    """Seconds that a hypervisor gave to others (proc(5), steal): no program can sample then."""
    return int(Path("/proc/stat").read_text().split()[8]) / os.sysconf("SC_CLK_TCK")


def _swallow(watching: socket.socket) -> None:
    try:
        while watching.recv(65536):
            continue
    except BlockingIOError:
        return


def decode_ratio() -> float:
    raw = os.urandom(Adxl345.layout.frame_bytes * 4096)
    size = Adxl345.layout.frame_bytes

    def plain() -> None:
        for at in range(0, len(raw), size):
            decode_frame(raw[at : at + size], Adxl345.layout)

    return _fastest(plain) / _fastest(lambda: decode(raw, Adxl345.layout))


def _fastest(work: Any) -> float:
    took = []
    for _ in range(5):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return min(took)


if __name__ == "__main__":
    main()
