"""Real chronyd and ntpd, unpacked from Debian's packages or installed; none may touch the clock.

chronyd runs with -x and on ports of its own. ntpd knows no port but 123 and no -x: it runs in a
network and user namespace, where that port is free and the kernel lets nobody set the clock.
`python -m tests.time_servers FOLDER` is what runs in there.
"""

import getpass
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.adapters.clock_os import OsClock
from agent.limits import SYNC_ASK_S
from tests.shared import needed

ROOT = Path(__file__).resolve().parent.parent
UNPACKED = Path(sys.prefix) / "time-servers" / "usr" / "sbin"  # `make system-packages`
IN_STEP_WITHIN_S = 30.0
NTPD_PAUSE_S = 1.0  # it leaves whoever asks it twenty times a second unanswered
SERVER, CLIENT = "10.9.9.9", "10.9.9.1"
NAMESPACE = ("unshare", "--user", "--map-root-user", "--net", "--")
NETWORK = (
    f"ip link set lo up && ip link add c0 type veth peer name s0 && "
    f"ip address add {CLIENT}/24 dev c0 && ip address add {SERVER}/24 dev s0 && "
    "ip link set c0 up && ip link set s0 up"
)


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin:{UNPACKED}")
    needed(found is not None, f"{name} (make system-packages)")
    return str(found)


class FastOsClock(OsClock):
    """The same, `ahead_s` later by the monotonic clock: what comes after a while comes at once."""

    ahead_s = 0.0

    def monotonic_ns(self) -> int:
        return super().monotonic_ns() + int(self.ahead_s * 1e9)


class Chronyd:
    """One chronyd that keeps its hands off the clock. `lines`: of its settings."""

    def __init__(self, folder: Path, lines: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        settings = folder / "chrony.conf"
        settings.write_text(f"{lines}\nbindcmdaddress /\npidfile {folder}/pid\n")
        self._log = (folder / "log").open("wb")
        words = [program("chronyd"), "-x", "-U", "-u", getpass.getuser(), "-d", "-f", str(settings)]
        self._process = subprocess.Popen(words, stdout=self._log, stderr=self._log)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=10)
        self._log.close()


def ntpd_says(folder: Path) -> dict[str, str]:
    """What a clock hears of an ntpd on its usual port that a chronyd serves the time:
    {"first": who says that it is set, "last": the same once somebody does}.
    """
    program("ntpd"), program("chronyd")
    needed(shutil.which("ip", path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is not None, "iproute2")
    if subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode:
        pytest.skip("the kernel gives us no namespace of our own for port 123")
    inside = f"{NETWORK} && exec {sys.executable} -m tests.time_servers {folder}"
    done = subprocess.run(
        [*NAMESPACE, "sh", "-c", inside],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"},
        capture_output=True,
        text=True,
        timeout=4 * IN_STEP_WITHIN_S,
    )
    assert done.returncode == 0, done.stderr
    heard: dict[str, str] = json.loads(done.stdout)
    return heard


def _inside(folder: Path) -> dict[str, str]:
    truth = Chronyd(folder / "truth", f"local stratum 8\nbindaddress {SERVER}\ncmdport 0\nallow")
    settings = folder / "ntp.conf"
    settings.write_text(
        f"interface ignore wildcard\ninterface listen 127.0.0.1\ninterface listen c0\n"
        f"server {SERVER} iburst minpoll 3 maxpoll 4\ntos maxdist 16\n"
    )
    log = (folder / "ntpd.log").open("wb")
    ntpd = subprocess.Popen([program("ntpd"), "-n", "-c", str(settings)], stdout=log, stderr=log)
    clock = FastOsClock(mark=str(folder / "no-mark"))
    try:
        return {"first": clock.synced_by(), "last": in_step_within(clock, NTPD_PAUSE_S)}
    finally:
        clock.close()
        for one in (ntpd.terminate, ntpd.wait, log.close, truth.stop):
            one()


def source_within(clock: OsClock, seconds: float) -> str:
    """Who says that the clock is set, as soon as somebody does; "" when nobody did by then."""
    deadline = time.monotonic() + seconds
    while not clock.synced_by() and time.monotonic() < deadline:
        time.sleep(0.05)
    return clock.synced_by()


def in_step_within(clock: FastOsClock, pause_s: float = 0.05) -> str:
    """The same within IN_STEP_WITHIN_S, asked every `pause_s`."""
    deadline = time.monotonic() + IN_STEP_WITHIN_S
    while not clock.synced_by() and time.monotonic() < deadline:
        time.sleep(pause_s)
        clock.ahead_s += SYNC_ASK_S
    return clock.synced_by()


if __name__ == "__main__":
    print(json.dumps(_inside(Path(sys.argv[1]))))
