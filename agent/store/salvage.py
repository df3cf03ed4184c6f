"""Bundles out of a database that SQLite cannot read, or no longer reads whole.

Every page is looked at by itself, as the file format says (sqlite.org/fileformat2.html: 1.6 b-tree
pages, 2.1 records, 4.1 WAL). Nothing is believed but a bundle's own CRC, so a broken tree, schema
or log costs what its bytes held and no more. Reads files, changes none.
"""

import struct

from agent.store.bundle import Bundle, Damaged, lane_of, unpack

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE_BYTES = 4096
LEAF = 0x0D
WAL_HEAD, FRAME_HEAD = 32, 24
COMPLETE, TORN, BROKEN = "complete", "torn", "broken"


class Pages:
    """The newest image of each page: of the log where it has one, else of the file."""

    def __init__(self, path: "Path") -> None:
        self._file = path.read_bytes() if path.exists() else b""
        wal = path.with_name(path.name + "-wal")
        log = wal.read_bytes() if wal.exists() else b""
        self.logged: "dict[int, bytes]" = {}
        for number, image in frames(log):
            self.logged[number] = image

    def get(self, number: int) -> bytes:
        if number in self.logged:
            return self.logged[number]
        return self._file[(number - 1) * PAGE_BYTES : number * PAGE_BYTES]

    def numbers(self) -> "list[int]":
        count = len(self._file) // PAGE_BYTES
        return sorted({*range(1, count + 1), *self.logged})


def frames(log: bytes) -> "Iterator[tuple[int, bytes]]":
    """(page number, image) of the log's frames of its present round, whatever their checksums."""
    salts = _salts(log)
    for at in range(WAL_HEAD, len(log) - FRAME_HEAD - PAGE_BYTES + 1, FRAME_HEAD + PAGE_BYTES):
        if log[at + 8 : at + 16] == salts:
            image = log[at + FRAME_HEAD : at + FRAME_HEAD + PAGE_BYTES]
            yield int.from_bytes(log[at : at + 4], "big"), image


def _salts(log: bytes) -> bytes:
    """What marks the frames of the present round: of the head, or of the first frame without it."""
    form = "<" if log[3:4] == b"\x82" else ">"
    ok, _ = (
        _checked(form, log[:24], (0, 0), log[24:32]) if len(log) >= WAL_HEAD else (False, (0, 0))
    )
    return log[16:24] if ok else log[WAL_HEAD + 8 : WAL_HEAD + 16]


def bundles_of(path: "Path", of_log: bool) -> "list[tuple[str, Bundle]]":
    """(lane, bundle) of every bundle whose CRC holds, by id within its lane, none twice.

    `of_log`: only those on pages that the log has.
    """
    pages = Pages(path)
    found = {}
    for number in sorted(pages.logged) if of_log else pages.numbers():
        for lane, bundle in _sound(pages, number):
            found[lane, bundle.id] = bundle
    return [(lane, found[lane, identity]) for lane, identity in sorted(found)]


def held_of(path: "Path") -> "set[tuple[str, int]]":
    """(lane, id) of the bundles that had not been freed: whose page is in use in its newest image.

    Empty when the list of free pages cannot be read: then nobody knows.
    """
    pages = Pages(path)
    free = _free_pages(pages)
    if free is None:
        return set()
    numbers = [number for number in pages.numbers() if number not in free]
    return {(lane, bundle.id) for number in numbers for lane, bundle in _sound(pages, number)}


def _free_pages(pages: "Pages") -> "set[int] | None":
    """The free pages (fileformat2, 1.5), or None when their list is not as long as it says."""
    head = pages.get(1)
    trunk, count = int.from_bytes(head[32:36], "big"), int.from_bytes(head[36:40], "big")
    free: "set[int]" = set()
    while trunk and trunk not in free:
        page = pages.get(trunk)
        leaves = int.from_bytes(page[4:8], "big")
        if len(page) < PAGE_BYTES or leaves > PAGE_BYTES // 4 - 2:
            return None
        free |= {trunk, *struct.unpack_from(f">{leaves}I", page, 8)}
        trunk = int.from_bytes(page[:4], "big")
    return free if head[:6] == b"SQLite" and len(free) == count else None


def _sound(pages: "Pages", number: int) -> "Iterator[tuple[str, Bundle]]":
    """(lane, bundle) of the bundles of a page whose CRC holds."""
    for bundle in _leaf(pages, pages.get(number)):
        try:
            lane = lane_of(bundle)
            unpack(lane, bundle)
        except Damaged:
            continue
        yield lane, bundle


def _leaf(pages: "Pages", page: bytes) -> "Iterator[Bundle]":
    """What may be bundles in a leaf page."""
    if len(page) < PAGE_BYTES or page[0] != LEAF:
        return
    for cell in range(min(int.from_bytes(page[3:5], "big"), PAGE_BYTES // 4)):
        at = int.from_bytes(page[8 + 2 * cell : 10 + 2 * cell], "big")
        try:
            bundle = _cell(pages, page, at)
        except (IndexError, ValueError, struct.error):
            continue
        if bundle is not None:
            yield bundle


def _cell(pages: "Pages", page: bytes, at: int) -> "Bundle | None":
    length, at = _varint(page, at)
    rowid, at = _varint(page, at)
    if length > 10 * 2**20:
        return None
    payload = _payload(pages, page, at, length)
    head, at = _varint(payload, 0)
    types = []
    while at < head:
        kind, at = _varint(payload, at)
        types.append(kind)
    values = _values(payload, head, types)
    if len(values) != 7 or not isinstance(values[6], bytes):
        return None
    return Bundle(rowid, *values[1:])


def _payload(pages: "Pages", page: bytes, at: int, length: int) -> bytes:
    """The record, its overflow pages followed."""
    usable = PAGE_BYTES
    most = usable - 35
    if length <= most:
        return page[at : at + length]
    least = (usable - 12) * 32 // 255 - 23
    local = least + (length - least) % (usable - 4)
    local = local if local <= most else least
    parts = [page[at : at + local]]
    following = int.from_bytes(page[at + local : at + local + 4], "big")
    left = length - local
    while left > 0 and following:
        overflow = pages.get(following)
        if len(overflow) < PAGE_BYTES:
            break
        parts.append(overflow[4 : 4 + left])
        left -= usable - 4
        following = int.from_bytes(overflow[:4], "big")
    return b"".join(parts)


def _values(payload: bytes, at: int, types: "list[int]") -> "list[int | bytes | None]":
    """Integers and blobs of a record; None for whatever else."""
    values: "list[int | bytes | None]" = []
    for kind in types:
        size = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)[kind] if kind < 10 else (kind - 12) // 2
        raw = payload[at : at + size]
        at += size
        if kind in (8, 9):
            values.append(kind - 8)
        elif 1 <= kind <= 6:
            values.append(int.from_bytes(raw, "big", signed=True))
        else:
            values.append(raw if kind >= 12 and kind % 2 == 0 else None)
    return values


def _varint(raw: bytes, at: int) -> "tuple[int, int]":
    """(value, where it ends): big-endian, seven bits a byte, nine bytes at most."""
    value = 0
    for count in range(9):
        byte = raw[at + count]
        if count == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            return value, at + count + 1
    raise ValueError("unreachable")


def log_state(path: "Path") -> str:
    """Whether all frames of the log hold; SQLite reads none from the first bad one on.

    Torn: the last transaction does not hold, as after a power cut. Broken: others come after it,
    and none of those was written before this one was safe; so its bytes have changed since.
    """
    wal = path.with_name(path.name + "-wal")
    log = wal.read_bytes() if wal.exists() else b""
    if len(log) < WAL_HEAD:
        return COMPLETE
    form = "<" if log[3] == 0x82 else ">"
    ok, sums = _checked(form, log[:24], (0, 0), log[24:32])
    if not ok:
        return BROKEN if _goes_on(log, WAL_HEAD) else TORN
    for at in range(WAL_HEAD, len(log) - FRAME_HEAD - PAGE_BYTES + 1, FRAME_HEAD + PAGE_BYTES):
        end = at + FRAME_HEAD
        covered = log[at : at + 8] + log[end : end + PAGE_BYTES]
        ok, sums = _checked(form, covered, sums, log[at + 16 : at + 24])
        if not ok or log[at + 8 : at + 16] != log[16:24]:
            rest = [place for place, _ in _commits(log, at)]
            return BROKEN if _goes_on(log, at) else TORN if rest else COMPLETE
    return COMPLETE


def _goes_on(log: bytes, at: int) -> bool:
    """Whether a transaction ends at or after the frame at `at`, and another one follows it."""
    ended = False
    for _, is_commit in _commits(log, at):
        if ended:
            return True
        ended = is_commit
    return False


def _commits(log: bytes, at: int) -> "Iterator[tuple[int, bool]]":
    """(place, whether it ends a transaction) of the round's frames from `at` on."""
    salts = _salts(log)
    for frame in range(at, len(log) - FRAME_HEAD - PAGE_BYTES + 1, FRAME_HEAD + PAGE_BYTES):
        if log[frame + 8 : frame + 16] == salts:
            yield frame, log[frame + 4 : frame + 8] != bytes(4)


def _checked(
    form: str, covered: bytes, sums: "tuple[int, int]", told: bytes
) -> "tuple[bool, tuple[int, int]]":
    """Whether the running checksum after `covered` is the one that was written (4.2)."""
    one, other = sums
    words = struct.unpack(f"{form}{len(covered) // 4}I", covered)
    for first, second in zip(words[::2], words[1::2]):
        one = (one + first + other) & 0xFFFFFFFF
        other = (other + second + one) & 0xFFFFFFFF
    return told == struct.pack(">II", one, other), (one, other)
