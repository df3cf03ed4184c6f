"""SIGKILLs at random moments, of the agent and of a real broker; the real ledger listens.

`python -m tests.scenario.kills KILLS [SEED] [--plan NAME]`: the long versions, in runs of 100, each
with a seed of its own, and what they came to, as JSON lines.

The agent is `latido run` on simulated chips. It is killed while it imports, opens its files,
learns, connects, samples and delivers, and after alarms. Meanwhile the network fails by chance, and
what the product writes beside rows is written: a new configuration file before each life, now and
then with another mounting (whose baseline is then learned and kept), run hours and starts at the
first window of each life, alarms' states, captures. The feeder is the agent's way out alone: it is
up in a moment, and writes a setting five times a second. The quiet one has few urgent rows, so that
its lives end with live rows that are in memory alone.

A ledger is complete too when numbers were given up. So each run also says how many were, by lane,
and which of them were rows: what a device puts on the wire is overheard (given_up.py).
"""

import argparse
import contextlib
import json
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from agent.words.demo import configuration
from firmware_tools.ledger.keep import Keeper
from firmware_tools.ledger.receive import Receiver
from firmware_tools.ledger.show import summary
from tests.mosquitto import Mosquitto
from tests.proxy import Proxy
from tests.scenario.given_up import Ends, GivenUp, cuts
from tests.scenario.overheard import Overheard

REPOSITORY = Path(__file__).resolve().parents[2]
SETTLE_S = 60.0
BROKER_EVERY = 5
START_S = 20.0
RUN_KILLS = 100  # a run: then all is healed and accounted for
MOUNTING_SHARE = 0.02  # of the lives begin with the sensor mounted anew
ORPHAN_S = 3.0


# Of the network, in a life that has none of the broker. "hole", "slow", "half_open" last.
FAULTS = (
    *("none", "none", "cut", "reset", "reset_in_packet"),
    *("swallow", "hole", "half_open", "slow"),
)


class Lives(NamedTuple):
    """When lives end: `share` of each kind, and its bounds in seconds."""

    starting: tuple[float, float]  # from the start of the process, on whatever network there is
    running: tuple[float, float]  # from the connection to the broker
    long: tuple[float, float]  # from there, long enough for alarms
    shares: tuple[int, int, int]


LIVES = {
    "agent": Lives((0.0, 2.5), (0.0, 4.0), (14.0, 25.0), (30, 68, 2)),
    "feeder": Lives((0.0, 0.7), (0.0, 1.5), (0.0, 1.5), (30, 70, 0)),
    "quiet": Lives((0.0, 0.7), (0.0, 1.5), (1.5, 5.0), (10, 30, 60)),
}


class Plan(NamedTuple):
    """One of the long versions. `share`: of the kills that were asked for."""

    program: str
    promise: str
    with_broker: bool
    share: float

    @property
    def must_be_complete(self) -> bool:
        """A broker that is killed takes along what it has confirmed, unless receipts are waited
        for.
        """
        return self.promise == "receiver" or not self.with_broker


PLANS = {
    "agent": Plan("agent", "broker", False, 0.5),
    "agent-receipts": Plan("agent", "receiver", True, 0.5),
    "agent-lossy": Plan("agent", "broker", True, 0.1),
    "feeder": Plan("feeder", "broker", False, 0.2),
    "feeder-receipts": Plan("feeder", "receiver", True, 0.2),
    "quiet": Plan("quiet", "broker", False, 0.1),
    "quiet-receipts": Plan("quiet", "receiver", True, 0.1),
}


class Rig:
    """A broker, a proxy before it, a ledger behind it, and one life of the agent after another."""

    def __init__(
        self, folder: Path, promise: str, program: str, seed: int, with_broker: bool = False
    ) -> None:
        self.with_broker = with_broker
        self.random = random.Random(seed)
        self._folder, self._promise, self.program = folder, promise, program
        self._lives = LIVES[program]
        self._mounting = 1
        self._sampling: list[int] = []
        (folder / "broker").mkdir()
        self.broker = Mosquitto(folder / "broker")
        self.broker.start()
        self.proxy = Proxy(self.broker.port, seed).start()
        self.overheard = Overheard()
        self.proxy.overhear = self.overheard.connection
        self._kills_ns: list[int] = []
        self._keeper = Keeper(str(folder / "ledger.db"))
        self.account = self._keeper.load()
        self.ledger = self.listening()
        self._process: subprocess.Popen[bytes] | None = None
        self.kills = 0

    def listening(self) -> Receiver:
        options = argparse.Namespace(
            host="127.0.0.1", port=self.broker.port, name="ledger", site="+", username=None,
            password=None, tls=False, tls_ca=None, tls_certificate=None, tls_key=None,
        )  # fmt: skip
        return Receiver(self.account, self._keeper, options, self._promise == "receiver")

    def start(self) -> None:
        self._process = self._spawned(self._words())

    def _spawned(self, words: list[str]) -> "subprocess.Popen[bytes]":
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *words], cwd=REPOSITORY, stdout=log, stderr=log
            )

    def _words(self) -> list[str]:
        state, port = self._folder / "state", self.proxy.port
        if self.program != "agent":
            return ["tests.scenario.feeder", str(state), str(port), self._promise, self.program]
        return ["agent", "run", "--config", str(self._configured(port))]

    def _configured(self, port: int) -> Path:
        """The settings, written anew for each life, as a fleet's tools would."""
        self._mounting += self.random.random() < MOUNTING_SHARE
        held = configuration(self._folder / "state", 0, ("127.0.0.1", port), "es")
        held["broker"]["receipt"] = self._promise
        held["simulation"]["defect_from_s"] = 1.0
        held["machines"][0]["mounting"] = self._mounting
        held["version"] = self.kills
        new = self._folder / "config.new"
        new.write_text(json.dumps(held))
        return new.rename(self._folder / "config.json")

    def one_life(self) -> None:
        """From its start to its kill, both of the network's state and of the moment by chance."""
        chance, lives = self.random, self._lives
        self.start()
        kind = chance.choices(("starting", "running", "long"), lives.shares)[0]
        if kind != "starting":
            self.live_until_connected()
        life_s = chance.uniform(*getattr(lives, kind))
        fault_s = chance.uniform(0.0, life_s)
        self.live(fault_s)
        if self.with_broker and (self.kills + 1) % BROKER_EVERY == 0:
            self.kill_broker()
        elif kind != "starting":
            self.fail()
        self.live(life_s - fault_s)
        self.kill()

    def live(self, seconds: float) -> None:
        """The ledger works meanwhile."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self.ledger.turn()

    def live_until_connected(self) -> None:
        self.proxy.heal()
        before, end_s = self.proxy.connections, time.monotonic() + START_S
        while self.proxy.connections == before and time.monotonic() < end_s:
            self.ledger.turn()

    def live_until_rows(self) -> None:
        end_s = time.monotonic() + 2 * START_S
        while not self.ledger.rows and time.monotonic() < end_s:
            self.ledger.turn()

    def live_alone(self, seconds: float) -> None:
        """Nobody listens meanwhile."""
        time.sleep(seconds)

    def kill(self, number: int = signal.SIGKILL) -> None:
        assert self._process is not None
        ended = self._process.poll()
        assert ended is None, f"it ended by itself ({ended}): {self._log_end()}"
        self._sampling += children_of(self._process.pid)
        self._process.send_signal(number)
        self._process.wait()
        self._kills_ns.append(time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW))
        self.kills += 1

    def kill_broker(self) -> None:
        self.broker.kill()
        self.broker.start()

    def fail(self) -> None:
        """One fault of the network, by chance."""
        fault = self.random.choice(FAULTS)
        self.proxy.heal()
        if fault == "slow":
            self.proxy.slow(20_000)
        elif fault in ("cut", "reset", "reset_in_packet", "half_open"):
            getattr(self.proxy, fault)()
        elif fault == "swallow":
            self.proxy.swallow_pubacks(self.random.randint(1, 5))
        elif fault == "hole":
            self.proxy.black_hole()

    def settle(self) -> dict[str, Any]:
        """All healed: one long life until nothing is left, then the ledger's summary.

        AssertionError when rows stay, a task of the agent failed, a file was found damaged, a
        sampling process outlived its agent, or the ledger's own database is not sound.
        """
        self.proxy.heal()
        self.proxy.cut()
        drain = self._drained()
        end_s = time.monotonic() + SETTLE_S
        while drain.poll() is None and time.monotonic() < end_s:
            self.ledger.turn()
        self.live(1.0)
        assert drain.poll() == 0, f"not all was sent: {self._log_end()}"
        log = self._log()
        assert not any(words in log for words in ("Traceback", "set aside", "lost")), log[-4000:]
        self._assert_no_orphans()
        assert not self._keeper.check().damage, self._keeper.check()
        return summary(self.account)

    def given_up(self) -> GivenUp:
        """What the killed lives gave up, beside what they had put on the wire."""
        ends = Ends(self._kills_ns, self.overheard.rows)
        return GivenUp(cuts(self._keeper.tombstones()), self.account, ends)

    def settings(self) -> list[str]:
        """The names of what the agent keeps beside rows."""
        place = f"file:{self._folder / 'state' / 'settings.db'}?mode=ro"
        with contextlib.closing(sqlite3.connect(place, uri=True)) as db:
            return sorted(name for (name,) in db.execute("SELECT key FROM settings"))

    def _assert_no_orphans(self) -> None:
        end_s = time.monotonic() + ORPHAN_S
        while alive := [pid for pid in self._sampling if is_sampling(pid)]:
            assert time.monotonic() < end_s, f"sampling processes of killed agents live on: {alive}"
            time.sleep(0.05)

    def _log(self) -> str:
        return (self._folder / "log").read_text()

    def _log_end(self) -> str:
        return self._log()[-2000:]

    def _drained(self) -> "subprocess.Popen[bytes]":
        held = configuration(self._folder / "state", 0, ("127.0.0.1", self.broker.port), "es")
        held["broker"]["receipt"] = self._promise
        if self.program != "agent":
            held["device"] = {"site": "chaos", "name": "feeder"}
        path = self._folder / "drain.json"
        path.write_text(json.dumps(held))
        return self._spawned(["agent", "outbox", "drain", "--json", "--config", str(path)])

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self.ledger.close()
        self._keeper.close()
        self.proxy.close()
        self.broker.stop()


def children_of(pid: int) -> list[int]:
    """Processes that it has started (proc(5))."""
    try:
        return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []  # it is gone


def is_sampling(pid: int) -> bool:
    try:
        return b"agent.sampling" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def survived(rig: Rig, kills: int) -> dict[str, Any]:
    """The summary after so many lives; the first ends with its first row, the others anywhere."""
    rig.start()
    rig.live_until_rows()
    rig.kill()
    for _ in range(kills - 1):
        rig.one_life()
    return rig.settle()


def run(plan: Plan, kills: int, seed: int) -> bool:
    """One run, told; False when it should have been complete and was not, or gave up too much."""
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        rig = Rig(Path(folder), plan.promise, plan.program, seed, plan.with_broker)
        try:
            found = outcome(rig, survived(rig, kills), plan)
        except AssertionError as error:  # the other runs go on
            found = {"complete": False, "beyond_promise": [], "failed": str(error)}
        finally:
            rig.close()
    line = {
        "program": plan.program,
        "promise": plan.promise,
        "broker_killed": plan.with_broker,
        "seed": seed,
        "kills": kills,
        **found,
        "seconds": round(time.monotonic() - began_s),
    }
    print(json.dumps(line), flush=True)
    kept_word = found["complete"] and not found["beyond_promise"]
    return "failed" not in found and bool(kept_word or not plan.must_be_complete)


def outcome(rig: Rig, told: dict[str, Any], plan: Plan) -> dict[str, Any]:
    """Of the ledger's summary, and of what was given up."""
    given_up = rig.given_up()
    return {
        "rows": told["rows"],
        "copies_dropped": told["duplicates"],
        "lost_rows": sum(hole["last"] - hole["first"] + 1 for hole in told["holes"]),
        "unaccounted_rows": sum(told["unaccounted"].values()),
        "tombstoned": told["tombstoned"],
        "conflicts": len(told["conflicts"]),
        "settings_kept": len(rig.settings()),
        "given_up": given_up.lines(),
        "beyond_promise": given_up.broken() if plan.must_be_complete else [],
        "complete": told["complete"],
    }


def jobs(kills: int, seed: int, chosen: str | None) -> list[tuple[Plan, int, int]]:
    """(plan, kills, seed) of each run."""
    found = []
    for name, plan in PLANS.items():
        left = kills if chosen == name else round(kills * plan.share) if chosen is None else 0
        for number, first in enumerate(range(0, left, RUN_KILLS)):
            found.append((plan, min(RUN_KILLS, left - first), seed + number))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill the agent again and again.")
    parser.add_argument("kills", type=int, help="of the agent; the other plans get a share of it")
    parser.add_argument("seed", type=int, nargs="?", default=1)
    parser.add_argument("--plan", choices=sorted(PLANS), help="this one alone, all the kills")
    parser.add_argument("--beside", type=int, default=3, help="runs at a time: lives mostly wait")
    options = parser.parse_args()
    found = jobs(options.kills, options.seed, options.plan)
    with ProcessPoolExecutor(options.beside) as pool:
        return 0 if all(list(pool.map(run, *zip(*found, strict=True)))) else 1


if __name__ == "__main__":
    sys.exit(main())
