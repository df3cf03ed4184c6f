"""The account of every device: what came, what was given up, what is missing. No I/O, no clock.

A row's key is (device, boot, lane, seq); seq has no holes. A row that does not come has a
tombstone, or is part of a thinned row, or is a hole. A hole is open while the device still holds
its rows (they may come yet), and lost once the device has freed them.
"""

from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple

from firmware_tools.ledger.ranges import Ranges

TOMBSTONE, CLOCK = "tombstone", "clock"
CUT = "power cut"  # reason of a tombstone: its numbers were set aside, at most so many are rows
REFUSALS = 16  # that are told; all are counted


class Key(NamedTuple):
    device: str  # SITE/DEVICE
    boot: int
    lane: str


class Row(NamedTuple):
    """As it is kept. `first_seq`: 0, or of a thinned row the first number that it stands for."""

    device: str
    boot: int
    lane: str
    seq: int
    first_seq: int
    mono_ns: int
    kind: str
    body: str


class Hole(NamedTuple):
    key: Key
    first: int
    last: int
    lost: bool  # the device no longer holds these rows


class Stream:
    """One device, boot and lane. `base`: rows up to it went before this ledger knew the device."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self.base = 0
        self.freed_to = 0
        self.received = Ranges()
        self.tombstoned = Ranges()
        self.cut = Ranges()  # of those, by a power cut
        self.thinned = 0
        self.duplicates = 0

    def settled(self) -> Ranges:
        """Every number that came, or was given up by name."""
        return Ranges([*self.received, *self.tombstoned])

    def known(self) -> Ranges:
        """Every number whose fate is known."""
        numbers = self.settled()
        numbers.add(1, self.base)
        return numbers

    def given_up(self) -> int:
        """Numbers that a tombstone names and that did not come."""
        return self.settled().count - self.received.count

    def unsure(self) -> int:
        """Of those given up, numbers that a power cut left behind: at most so many were rows."""
        return Ranges([*self.received, *self.cut]).count - self.received.count

    def highest(self) -> int:
        return max(self.received.highest, self.tombstoned.highest, self.freed_to)

    def holes(self) -> list[Hole]:
        found = []
        for first, last in self.known().gaps(self.highest()):
            freed = min(last, self.freed_to)
            if first <= freed:
                found.append(Hole(self.key, first, freed, True))
            if last > freed:
                found.append(Hole(self.key, max(first, freed + 1), last, False))
        return found

    def through(self) -> int:
        """All up to here need not come again: what a receipt says."""
        settled = self.known()
        settled.add(1, self.freed_to)
        first = next(iter(settled), (0, 0))
        return first[1] if first[0] == 1 else 0


class Conflicts(NamedTuple):
    """Keys of a stream that came with more than one content."""

    rows: int
    first: int
    last: int


class Told(NamedTuple):
    """What a device's status says of a lane, over all boots since its file began."""

    produced: int
    left: int  # delivered, evicted or refused: no longer its own


class Account:
    """Of all devices. `take` one message's content after another; then ask."""

    def __init__(self) -> None:
        self.streams: dict[Key, Stream] = {}
        self.first_boot: dict[str, int] = {}
        self.online: dict[str, bool] = {}
        self.clock_corrections: dict[str, int] = {}
        self.conflicts: dict[Key, Conflicts] = {}
        self._told: dict[tuple[str, str], Told] = {}
        self._told_base: dict[tuple[str, str], int] = {}
        self.invalid = 0
        self.refusals: deque[tuple[str, str]] = deque(maxlen=REFUSALS)

    def stream(self, key: Key) -> Stream:
        if key not in self.streams:
            self.streams[key] = Stream(key)
        return self.streams[key]

    def refuse(self, place: str, why: str) -> None:
        """A message of `place` (its topic) that is not kept: counted, and told with its reason."""
        self.invalid += 1
        self.refusals.append((place, why))

    def note_conflicts(self, key: Key, count: int, first: int, last: int) -> None:
        """A device that went on from a copy of its state used these numbers for other rows."""
        known = self.conflicts.get(key, Conflicts(0, first, last))
        self.conflicts[key] = Conflicts(
            known.rows + count, min(known.first, first), max(known.last, last)
        )

    def take(self, device: str, bundle: dict[str, Any], rows: list[Row]) -> list[Row]:
        """A checked bundle; the rows that are new, to be kept."""
        key = Key(device, bundle["boot"], bundle["lane"])
        known_from = self.first_boot.setdefault(device, key.boot)
        is_new = key not in self.streams
        stream = self.stream(key)
        if is_new and key.boot <= known_from:
            stream.base = bundle["freed_to"]
        stream.freed_to = max(stream.freed_to, bundle["freed_to"])
        return [row for row in rows if self._is_new(stream, row)]

    def _is_new(self, stream: Stream, row: Row) -> bool:
        if stream.received.covers(row.first_seq or row.seq, row.seq):
            stream.duplicates += 1
            return False
        self.restore(row)
        return True

    def restore(self, row: Row) -> None:
        """A row that is kept: new, or read from the database at the start."""
        key = Key(row.device, row.boot, row.lane)
        stream = self.stream(key)
        self._settle(key, stream.received, row.first_seq or row.seq, row.seq)
        stream.thinned += row.seq - row.first_seq if row.first_seq else 0

    def bury_all(self, device: str, body: dict[str, Any]) -> set[Key]:
        """A tombstone's body, and what it carries of others; the streams that it speaks of."""
        return {self.bury(device, part) for part in (body, *body.get("also", ()))}

    def bury(self, device: str, body: dict[str, Any]) -> Key:
        """One account of rows that will not come; their stream."""
        key = Key(device, body["boot"], body["lane"])
        self._settle(key, self.stream(key).tombstoned, body["seq_from"], body["seq_to"])
        if body.get("reason") == CUT:
            self.stream(key).cut.add(body["seq_from"], body["seq_to"])
        return key

    def _settle(self, key: Key, fate: Ranges, first: int, last: int) -> None:
        """Rows whose fate is known now; those that seemed to have gone before this ledger, too."""
        stream, place = self.stream(key), (key.device, key.lane)
        seemed_gone = first <= stream.base and self._told_base.get(place, 0) > 0
        before = stream.settled().count if seemed_gone else 0
        fate.add(first, last)
        if seemed_gone:
            explained = stream.settled().count - before
            self._told_base[place] -= min(explained, self._told_base[place])

    def status(self, device: str, online: bool, lanes: dict[str, Told]) -> None:
        """The device's own account. The first that is heard sets what went before this ledger."""
        self.online[device] = online
        for lane, told in lanes.items():
            place = (device, lane)
            known = self._known(device, lane)
            before = self._told.get(place)
            if before is None or told.produced < before.produced:  # its file began anew
                self._told_base[place] = told.left - known
            self._told[place] = told

    def remember(self, device: str, lane: str, base: int, told: Told) -> None:
        """What was told before this ledger's last end."""
        self._told[(device, lane)] = told
        self._told_base[(device, lane)] = base

    def told_rows(self, device: str) -> list[tuple[str, str, int, int, int]]:
        """(device, lane, base, produced, left) of each lane, to be kept."""
        return [
            (device, lane, self._told_base[(device, lane)], *told)
            for (of, lane), told in self._told.items()
            if of == device
        ]

    def unaccounted(self, device: str) -> int:
        """Rows that the device says have gone, and that neither came nor left a hole or tombstone.

        The end of a boot that never arrived shows here: no later number tells of it.
        """
        missing = 0
        for (of, lane), told in self._told.items():
            if of == device:
                base = self._told_base[(of, lane)]
                holes = [h for h in self.holes([device]) if h.lost and h.key.lane == lane]
                lost = sum(hole.last - hole.first + 1 for hole in holes)
                missing += max(0, told.left - base - self._known(device, lane) - lost)
        return missing

    def holes(self, devices: Iterable[str] | None = None) -> list[Hole]:
        wanted = None if devices is None else set(devices)
        return [
            hole
            for key, stream in sorted(self.streams.items())
            if wanted is None or key.device in wanted
            for hole in stream.holes()
        ]

    def _known(self, device: str, lane: str) -> int:
        return sum(
            stream.settled().count
            for key, stream in self.streams.items()
            if key.device == device and key.lane == lane
        )
