"""The account of every device: what came, what was given up, what is missing. No I/O, no clock.

A row's key is (device, boot, lane, seq); seq has no holes. A row that does not come has a
tombstone, or is part of a thinned row, or is a hole. A hole is open while the device still holds
its rows (they may come yet), and lost once the device has freed them.

A device counts its rows too, since its file began. What it says has gone, or was there when its
file went, must have come: firmware_tools/ledger/counts.py.
"""

from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple

from firmware_tools.ledger.counts import SEQ_MAX, Counts, Told
from firmware_tools.ledger.ranges import Ranges

TOMBSTONE, CLOCK = "tombstone", "clock"
CUT = "power cut"  # reason of a tombstone: its numbers were set aside, at most so many are rows

FILES = 64  # of a device that are remembered
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
        self.written_off = Ranges()  # holes that a person has taken note of
        self.thinned = 0
        self.duplicates = 0
        # None, or what came since the device went on with another file: that one counts no other.
        self.again: Ranges | None = None

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
        for first, last in Ranges([*self.known(), *self.written_off]).gaps(self.highest()):
            freed = min(last, self.freed_to)
            if first <= freed:
                found.append(Hole(self.key, first, freed, True))
            if last > freed:
                found.append(Hole(self.key, max(first, freed + 1), last, False))
        return found

    def fates(self) -> int:
        """How many numbers came, were given up, are lost, or went before us."""
        return self._with_lost(self.known()).count

    def counted(self, through: int) -> int:
        """Of the numbers up to `through` that the device's present file counts, those so known."""
        if self.again is not None:
            return self.again.count_to(through)
        return self._with_lost(self.settled()).count_to(through)

    def _with_lost(self, numbers: Ranges) -> Ranges:
        lost = [(hole.first, hole.last) for hole in self.holes() if hole.lost]
        return Ranges([*numbers, *lost, *self.written_off])

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


class Account:
    """Of all devices. `take` one message's content after another; then ask."""

    def __init__(self) -> None:
        self.streams: dict[Key, Stream] = {}
        self.first_boot: dict[str, int] = {}
        self.online: dict[str, bool] = {}
        self.clock_corrections: dict[str, int] = {}
        self.conflicts: dict[Key, Conflicts] = {}
        self.counts: dict[tuple[str, str], Counts] = {}  # by device and lane
        self.files: dict[str, list[str]] = {}  # each that a device was heard with, the present last
        self.opened: dict[str, int] = {}  # the boot in which another file was heard first
        self.by_puback: dict[str, bool] = {}  # whether the broker's word frees a row
        self.written_off: list[dict[str, Any]] = []
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
        opened = self.opened.get(device, 0)
        is_new = key not in self.streams
        stream = self.stream(key)
        if is_new and rows and key.boot <= known_from and not 0 < opened <= key.boot:
            stream.base = self._went_before(key, bundle["freed_to"], rows[0])
        stream.freed_to = max(stream.freed_to, bundle["freed_to"])
        return [row for row in rows if self._is_new(stream, row)]

    def _went_before(self, key: Key, freed_to: int, row: Row) -> int:
        """Up to which number rows went before this ledger knew the device. `row`: its first one.

        By the broker's word they also did that were under way when the ledger began to listen.
        """
        counts = self.counts.get((key.device, key.lane))
        if self.by_puback.get(key.device) and (counts is None or counts.base > 0):
            return max(freed_to, (row.first_seq or row.seq) - 1)
        return freed_to

    def _is_new(self, stream: Stream, row: Row) -> bool:
        first = row.first_seq or row.seq
        if stream.received.covers(first, row.seq):
            stream.duplicates += 1
            if stream.again is not None:
                stream.again.add(first, row.seq)
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
        """Rows whose fate is known now: no file that went owes them any more, and what seemed to
        have gone before this ledger has not.
        """
        stream, counts = self.stream(key), self.counts.get((key.device, key.lane))
        owed = counts is not None and counts.owed > 0 and stream.again is not None
        seemed_gone = counts is not None and counts.told.seq < 0 and first <= stream.base
        seemed_gone = seemed_gone and stream.again is None
        fates = stream.fates() if owed else 0
        settled = stream.settled().count if seemed_gone else 0
        fate.add(first, last)
        if stream.again is not None:
            stream.again.add(first, last)
        if counts is not None and owed:
            counts.owed -= min(counts.owed, max(0, stream.fates() - fates))
        if counts is not None and seemed_gone:
            counts.base -= min(counts.base, stream.settled().count - settled)

    def status(
        self, device: str, online: bool, lanes: dict[str, Told], retained: bool = False
    ) -> list[Stream]:
        """The device's own counts; the streams that are to be kept anew.

        `retained`: the broker had it. It may be older than rows that went to nobody, or than what
        was heard since, so it counts nothing.
        """
        self.online[device] = online
        file = next((told.file for told in lanes.values()), "")
        if lanes:
            self.by_puback[device] = all(told.by_puback for told in lanes.values())
        known = self.files.get(device, [])
        if retained or not lanes or (known and not file):
            return []
        places = {lane: self.counts.get((device, lane)) for lane in lanes}
        changed = bool(known) and file != known[-1]
        shrunk = any(of and lanes[lane].produced < of.told.produced for lane, of in places.items())
        opened = self._open(device, lanes) if changed or shrunk else []
        for lane, told in lanes.items():
            counts = self.counts.setdefault((device, lane), Counts(told))
            if changed or shrunk:
                counts.begin(told, is_new=bool(file) and file not in known)
            counts.hear(told, self._counted(device, lane, told))
        if file:
            self.files[device] = [*(one for one in known if one != file), file][-FILES:]
        return opened

    def _open(self, device: str, lanes: dict[str, Told]) -> list[Stream]:
        """Closes the account of the file that was heard so far; the streams it was heard with."""
        for (of, lane), counts in self.counts.items():
            if of == device:
                told = counts.told
                new = self._counted(device, lane, told, of_new=True)
                counts.close(self._counted(device, lane, told), new)
        self.opened[device] = max(told.boot for told in lanes.values())
        streams = [stream for key, stream in self.streams.items() if key.device == device]
        for stream in streams:
            stream.again = Ranges()
        return streams

    def counts_rows(self, device: str) -> list[tuple[Any, ...]]:
        """(device, lane, and what `Counts` is made of) of each lane, to be kept."""
        return [
            (device, lane, *counts.kept())
            for (of, lane), counts in self.counts.items()
            if of == device
        ]

    def device_row(self, device: str) -> tuple[str, int, int, int, str]:
        """(device, the first boot heard, the boot of `opened`, by PUBACK or not, its files)."""
        boots = self.first_boot.get(device, 0), self.opened.get(device, 0)
        files = " ".join(self.files.get(device, []))
        return device, *boots, int(self.by_puback.get(device, False)), files

    def unaccounted(self, device: str) -> int:
        """Rows that the device says have gone, and that neither came nor left a hole or tombstone.

        The end of a boot that never arrived shows here: no later number tells of it.
        """
        return sum(self.missing(device, lane) for of, lane in self.counts if of == device)

    def missing(self, device: str, lane: str) -> int:
        """Of those, the rows of a lane that the device has counts of."""
        return self.counts[(device, lane)].missing(self._counted(device, lane))

    def write_off(self, lines: list[dict[str, Any]]) -> None:
        """Losses that are told, and no longer missed (write_off.py); of holes, by number."""
        self.written_off += lines
        for line in lines:
            if "first" in line:
                stream = self.stream(Key(line["device"], line["boot"], line["lane"]))
                stream.written_off.add(line["first"], line["last"])

    def holes(self, devices: Iterable[str] | None = None) -> list[Hole]:
        wanted = None if devices is None else set(devices)
        return [
            hole
            for key, stream in sorted(self.streams.items())
            if wanted is None or key.device in wanted
            for hole in stream.holes()
        ]

    def _counted(
        self, device: str, lane: str, told: Told | None = None, of_new: bool = False
    ) -> int:
        """Rows of the lane, up to the newest that `told` knows of, whose fate is known.

        `of_new`: only of boots that were first heard with the present file.
        """
        return sum(
            stream.counted(told.through(key.boot) if told else SEQ_MAX)
            for key, stream in self.streams.items()
            if (key.device, key.lane) == (device, lane)
            and not (of_new and stream.again is not None)
        )
