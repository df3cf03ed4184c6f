"""A ledger beside its database, and a device of a few lines that counts as a real one does."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from firmware_tools.ledger.account import Key, Row, Stream
from firmware_tools.ledger.keep import Keeper
from firmware_tools.ledger.read import read_status
from firmware_tools.ledger.show import summary
from firmware_tools.ledger.write_off import losses, write_off

KINDS = ("sqlite", "sqlite, restarted", "postgresql, restarted")
DEVICE, LANE = "s/d", "live"
TOLD_OF_FILE = ("file", "before", "seq")


class Ledger:
    """What is kept of an account; `restarts`: it ends and starts again after each message."""

    def __init__(self, place: str, restarts: bool) -> None:
        self._place, self._restarts = place, restarts
        self._keeper = Keeper(place)
        self.account = self._keeper.load()

    def rows(self, boot: int, freed_to: int, rows: list[Row]) -> None:
        new = self.account.take(DEVICE, {"boot": boot, "lane": LANE, "freed_to": freed_to}, rows)
        self._keep(new, [self.account.stream(Key(DEVICE, boot, LANE))])

    def bury(self, boot: int, first: int, last: int) -> None:
        """A tombstone, which comes in the alarm lane."""
        body = {"boot": boot, "lane": LANE, "seq_from": first, "seq_to": last}
        row = Row(DEVICE, boot, "alarm", 1, 0, 0, "tombstone", json.dumps(body))
        new = self.account.take(DEVICE, {"boot": boot, "lane": "alarm", "freed_to": 0}, [row])
        streams = [self.account.stream(Key(DEVICE, boot, "alarm"))]
        for _ in new:
            streams += [self.account.stream(key) for key in self.account.bury_all(DEVICE, body)]
        self._keep(new, streams)

    def status(self, payload: bytes, retained: bool = False) -> None:
        self._keep([], self.account.status(DEVICE, *read_status(payload), retained=retained))

    def write_off(self, at: str) -> None:
        lines = losses(self.account, DEVICE, at)
        write_off(self.account, lines)
        self._keeper.write_off(self.account, lines)
        self._keep([], [])

    @property
    def told(self) -> dict[str, Any]:
        return summary(self.account)

    def missed(self) -> tuple[int, int, int]:
        """(rows of holes, unaccounted, lost with a file); `complete` says the same."""
        told = self.told
        holes = sum(hole["last"] - hole["first"] + 1 for hole in told["holes"])
        owed = sum(line["rows"] for line in told["lost_with_file"])
        found = holes, told["unaccounted"].get(DEVICE, 0), owed
        assert told["complete"] == (found == (0, 0, 0))
        return found

    def empty(self) -> None:
        for name in ("rows", "streams", "conflicts", "told", "devices", "written_off"):
            self._keeper._db.execute(f"DELETE FROM {name}")
        self._keeper._db.commit()

    def close(self) -> None:
        self._keeper.close()

    def _keep(self, rows: list[Row], streams: list[Stream]) -> None:
        counts, devices = self.account.counts_rows(DEVICE), [self.account.device_row(DEVICE)]
        self._keeper.keep(rows, streams, counts, devices=devices)
        if self._restarts:
            self._keeper.close()
            self._keeper = Keeper(self._place)
            self.account = self._keeper.load()


class Device:
    """One lane of a device: rows are numbered, wait, and leave. Copy it, and it is an image."""

    def __init__(self, boot: int, file: str, promise: str = "receiver") -> None:
        self.boot, self.file, self._promise = boot, file, promise
        self.seq = self.produced = self.left = self.before = 0
        self.waiting: list[Row] = []

    def restart(self, boot: int) -> None:
        self.boot, self.seq = boot, 0

    def make(self, count: int) -> None:
        for _ in range(count):
            self.seq += 1
            self.produced += 1
            body = f'{{"n":{self.seq}}}'
            self.waiting.append(Row(DEVICE, self.boot, LANE, self.seq, 0, 1, "verdict", body))

    def send(self, ledger: Ledger | None, count: int, free: bool = True) -> None:
        """The oldest rows, in bundles; `ledger`: None, and the broker has nobody to give to."""
        for rows in _bundles(self.waiting[:count]):
            if ledger is not None:
                ledger.rows(rows[0].boot, self._freed_to(rows[0]), rows)
            if free:
                self.waiting = self.waiting[len(rows) :]
                self.left += len(rows)

    def status(self, **changes: Any) -> bytes:
        """`changes`: file=None is an agent that tells of no file."""
        lane = {"produced": self.produced, "delivered": self.left, "evicted": 0, "refused": 0}
        lane |= {"seq": self.seq, "before": self.before}
        uplink = {"file": self.file, "promise": self._promise, "lanes": {LANE: lane}}
        if changes.get("file", "") is None:
            uplink = {"lanes": {LANE: {k: n for k, n in lane.items() if k not in TOLD_OF_FILE}}}
        held = {"schema": 1, "state": "online", "boot": self.boot, "uplink": uplink}
        return json.dumps(held).encode()

    def _freed_to(self, row: Row) -> int:
        oldest = self.waiting[0]
        return oldest.seq - 1 if oldest.boot == row.boot else row.seq - 1


def _bundles(rows: list[Row]) -> list[list[Row]]:
    boots = sorted({row.boot for row in rows})
    of_boots = [[row for row in rows if row.boot == boot] for boot in boots]
    return [some[n : n + 50] for some in of_boots for n in range(0, len(some), 50)]


@contextlib.contextmanager
def ledger_at(place: tuple[str, bool]) -> Iterator[Ledger]:
    """One without anything in it, at a database's name that others use before and after."""
    made = Ledger(*place)
    yield made
    made.empty()
    made.close()


def known(ledger: Ledger, made: int, sent: int, promise: str = "receiver") -> Device:
    """A device that the ledger has heard from its first row on."""
    device = Device(1000, "aa", promise)
    device.make(made)
    ledger.status(device.status())
    device.send(ledger, sent)
    ledger.status(device.status())
    assert ledger.missed() == (0, 0, 0)
    return device
