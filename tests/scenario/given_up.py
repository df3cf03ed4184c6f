"""What the lives of a device gave up when they were ended by force, against what is promised.

A life that ends without notice has used some of the numbers that it had set aside for live rows.
The next one gives them up (reason CUT). That may be said of live rows alone, of no more numbers
than were set aside, and of no row that was older than its lane's interval between commits.
"""

import json
from collections.abc import Iterable
from typing import NamedTuple

from agent.limits import COMMIT_INTERVAL_S, EXPRESS_ROWS
from agent.ports import CUT, LANES, LIVE
from firmware_tools.ledger.account import Account, Key

LATE_S = 1.0  # by which a commit may be late on a busy machine, its own time included


class Cut(NamedTuple):
    """Numbers that the life after gave up, first to last."""

    key: Key
    first: int
    last: int

    @property
    def seqs(self) -> range:
        return range(self.first, self.last + 1)


def cuts(tombstones: Iterable[tuple[str, str]]) -> list[Cut]:
    """Of tombstones as (device, body)."""
    found = []
    for device, text in tombstones:
        body = json.loads(text)
        for part in (body, *body.get("also", ())):
            if part["reason"] == CUT:
                key = Key(device, part["boot"], part["lane"])
                found.append(Cut(key, part["seq_from"], part["seq_to"]))
    return found


class Ends:
    """When lives ended, and what they had put on the wire.

    `kills_ns`: by the clock of the rows, in order. `sent`: {(boot, lane, seq): mono_ns}.
    """

    def __init__(self, kills_ns: list[int], sent: dict[tuple[int, str, int], int]) -> None:
        self.sent = sent
        newest: dict[int, int] = {}
        for (boot, _, _), mono_ns in sent.items():
            newest[boot] = max(mono_ns, newest.get(boot, mono_ns))
        self._ended_ns = {
            boot: next((kill for kill in kills_ns if kill >= mono_ns), mono_ns)
            for boot, mono_ns in newest.items()
        }

    def age_s(self, place: tuple[int, str, int]) -> float:
        """Of a row that was sent, at the end of its life."""
        return (self._ended_ns[place[0]] - self.sent[place]) / 1e9


class GivenUp:
    """The cuts of one device, beside what the ledger has of it and what it had sent."""

    def __init__(self, cuts: list[Cut], account: Account, ends: Ends) -> None:
        self._cuts = cuts
        self._account = account
        self._ends = ends

    def lines(self) -> dict[str, dict[str, float]]:
        """Lane by lane: `numbers` given up; of them rows that `came` all the same, and rows that
        were `sent` in vain. Of the rest nobody has seen whether they were rows.
        """
        return {lane: self._line([c for c in self._cuts if c.key.lane == lane]) for lane in LANES}

    def broken(self, interval_s: float = COMMIT_INTERVAL_S[LIVE]) -> list[str]:
        """What was given up beyond the promise, and what was sent and is nowhere; in sentences."""
        keys = [cut.key for cut in self._cuts]
        wrong = [f"{key}: given up twice" for key in {k for k in keys if keys.count(k) > 1}]
        for cut in self._cuts:
            if cut.key.lane != LIVE:
                wrong.append(f"{cut}: of a lane that a power cut costs nothing")
            if len(cut.seqs) > EXPRESS_ROWS:
                wrong.append(f"{cut}: more than the {EXPRESS_ROWS} numbers that are set aside")
            oldest_s = max(self._ages_s(cut), default=0.0)
            if oldest_s > interval_s + LATE_S:
                wrong.append(f"{cut}: a row {oldest_s:.2f} s old was not on the disk")
        return wrong + self._forgotten()

    def _line(self, cuts: list[Cut]) -> dict[str, float]:
        ages_s = [age_s for cut in cuts for age_s in self._ages_s(cut)]
        return {
            "ends": len(cuts),
            "numbers": sum(len(cut.seqs) for cut in cuts),
            "came": sum(self._came(cut, seq) for cut in cuts for seq in cut.seqs),
            "sent": len(ages_s),
            "oldest_s": round(max(ages_s, default=0.0), 2),
        }

    def _came(self, cut: Cut, seq: int) -> bool:
        return self._account.stream(cut.key).received.covers(seq, seq)

    def _ages_s(self, cut: Cut) -> list[float]:
        """Of the rows that were sent and did not come."""
        gone = [seq for seq in cut.seqs if not self._came(cut, seq)]
        places = [(cut.key.boot, cut.key.lane, seq) for seq in gone]
        return [self._ends.age_s(place) for place in places if place in self._ends.sent]

    def _forgotten(self) -> list[str]:
        """Rows that the device had sent, and that neither came nor were given up by name."""
        known = {(key.boot, key.lane): s.settled() for key, s in self._account.streams.items()}
        return [
            f"boot {boot} {lane} {seq}: was sent, and nobody knows of it"
            for boot, lane, seq in sorted(self._ends.sent)
            if (boot, lane) not in known or not known[(boot, lane)].covers(seq, seq)
        ]
