"""SIGKILLs at random moments, of the agent and of a real broker; the real ledger listens.

`python -m tests.scenario.kills KILLS [SEED]` runs the long versions and says what they came to.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from agent.words.demo import configuration
from firmware_tools.ledger.keep import Keeper
from firmware_tools.ledger.receive import Receiver
from firmware_tools.ledger.show import summary
from tests.mosquitto import Mosquitto
from tests.proxy import Proxy

REPOSITORY = Path(__file__).resolve().parents[2]
LIFE_S = {"feeder": (0.2, 2.0), "agent": (0.5, 8.0)}
SETTLE_S = 60.0
BROKER_EVERY = 5
STARTED_SHARE = 0.7  # of the lives end while it runs, the others while it starts
START_S = 20.0


class Rig:
    """A broker, a proxy before it, a ledger behind it, and one life of the agent after another."""

    def __init__(self, folder: Path, promise: str, program: str, seed: int) -> None:
        self.random = random.Random(seed)
        self._folder, self._promise, self.program = folder, promise, program
        (folder / "broker").mkdir()
        self.broker = Mosquitto(folder / "broker")
        self.broker.start()
        self.proxy = Proxy(self.broker.port, seed).start()
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
        log = (self._folder / "log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", *self._words()], cwd=REPOSITORY, stdout=log, stderr=log
        )

    def _words(self) -> list[str]:
        state, port = self._folder / "state", self.proxy.port
        if self.program == "feeder":
            return ["tests.scenario.feeder", str(state), str(port), self._promise]
        return ["agent", "run", "--config", str(self._configured(port))]

    def _configured(self, port: int) -> Path:
        """The settings, written anew for each life, as a fleet's tools would."""
        held = configuration(self._folder / "state", 0, ("127.0.0.1", port), "es")
        held["broker"]["receipt"] = self._promise
        held["simulation"]["defect_from_s"] = 1.0
        held["version"] = self.kills
        new = self._folder / "config.new"
        new.write_text(json.dumps(held))
        return new.rename(self._folder / "config.json")

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

    def live_alone(self, seconds: float) -> None:
        """Nobody listens meanwhile."""
        time.sleep(seconds)

    def kill(self, number: int = signal.SIGKILL) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait()
        self.kills += 1

    def kill_broker(self) -> None:
        self.broker.kill()
        self.broker.start()

    def fail(self) -> None:
        """One fault of the network, by chance."""
        fault = self.random.choice(
            (
                "none",
                "none",
                "cut",
                "reset",
                "reset_in_packet",
                "swallow",
                "hole",
                "half_open",
                "slow",
            )
        )
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
        """All healed: one long life until nothing is left, then the ledger's summary."""
        self.proxy.heal()
        self.proxy.cut()
        drain = self._drained()
        end_s = time.monotonic() + SETTLE_S
        while drain.poll() is None and time.monotonic() < end_s:
            self.ledger.turn()
        self.live(1.0)
        assert drain.poll() == 0, f"not all was sent: {(self._folder / 'log').read_text()[-2000:]}"
        return summary(self.account)

    def _drained(self) -> "subprocess.Popen[bytes]":
        held = configuration(self._folder / "state", 0, ("127.0.0.1", self.broker.port), "es")
        held["broker"]["receipt"] = self._promise
        if self.program == "feeder":
            held["device"] = {"site": "chaos", "name": "feeder"}
        path = self._folder / "drain.json"
        path.write_text(json.dumps(held))
        log = (self._folder / "log").open("ab")
        words = ["agent", "outbox", "drain", "--json", "--config", str(path)]
        return subprocess.Popen(
            [sys.executable, "-m", *words], cwd=REPOSITORY, stdout=log, stderr=log
        )

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()
        self.ledger.close()
        self._keeper.close()
        self.proxy.close()
        self.broker.stop()


def survived(rig: Rig, kills: int, with_broker: bool) -> dict[str, Any]:
    """The summary after so many lives that ended at random moments."""
    for number in range(1, kills + 1):
        rig.start()
        if rig.random.random() < STARTED_SHARE:
            rig.live_until_connected()
        low, high = LIFE_S[rig.program]
        life_s = rig.random.uniform(low, high)
        rig.live(life_s / 2)
        rig.fail()
        rig.live(life_s / 2)
        if with_broker and number % BROKER_EVERY == 0:
            rig.kill_broker()
        rig.kill()
    return rig.settle()


def main() -> None:
    kills = int(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    plans = [
        ("feeder", "broker", False, kills),
        ("feeder", "receiver", True, kills),
        ("feeder", "broker", True, kills // 4),
        ("agent", "receiver", True, kills // 10),
    ]
    for program, promise, with_broker, count in plans:
        with tempfile.TemporaryDirectory() as folder:
            rig = Rig(Path(folder), promise, program, seed)
            try:
                told = survived(rig, count, with_broker)
            finally:
                rig.close()
        lost = sum(h["last"] - h["first"] + 1 for h in told["holes"])
        missing = sum(told["unaccounted"].values())
        line = {"program": program, "promise": promise, "broker_killed": with_broker, "seed": seed}
        line |= {"kills": count, "rows": told["rows"], "copies": told["duplicates"]}
        line |= {"lost_rows": lost, "unaccounted_rows": missing, "complete": told["complete"]}
        print(json.dumps(line), flush=True)
        if not told["complete"] and not (promise == "broker" and with_broker):
            sys.exit(1)


if __name__ == "__main__":
    main()
