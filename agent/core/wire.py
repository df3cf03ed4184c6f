"""Rows as they go upstream: bundles of JSON, each row with the key that makes a copy harmless.

And what comes back: a receiver's receipt, read from bytes that nobody has checked.
"""

import json

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

SCHEMA = 2
RECEIPT_SCHEMA = 1
RECEIPT_BYTES = 1024
SEQ_MASK = 0xFFFFFFFF
OFFLINE = b'{"schema":1,"state":"offline"}'  # the status that a last will is
TRIAL_LANE = "test"  # receivers pass it over
ROW_BYTES = 80  # around a row's body and kind, at most
HEAD_BYTES = 160  # around the rows of a bundle, at most
PACKET_BYTES = 16  # around topic and payload of a PUBLISH without properties, at most
CHARACTER_BYTES = 4  # of UTF-8, at most


class Bundle:
    """Rows of one lane and boot, ascending. `first_seq`: the lowest that it covers."""

    __slots__ = ("boot", "first_seq", "last_id", "rows")

    def __init__(self, rows: "list[Any]") -> None:
        self.rows = rows
        self.last_id: int = rows[-1].id
        self.boot: int = self.last_id >> 32
        self.first_seq: int = rows[0].first_seq or rows[0].id & SEQ_MASK

    def payload(self, freed_id: int) -> bytes:
        """`freed_id`: rows up to here the device has freed: what is missing of them stays so."""
        freed = freed_id & SEQ_MASK if freed_id >> 32 == self.boot else 0
        texts = ",".join([_row(row) for row in self.rows])
        return (
            f'{{"schema":{SCHEMA},"boot":{self.boot},"lane":{json.dumps(self.rows[0].lane)},'
            f'"freed_to":{freed},"seq_from":{self.first_seq},"rows":[{texts}]}}'
        ).encode()

    def bytes_most(self) -> int:
        """Of its payload, whatever has been freed by then."""
        return len(self.payload(self.boot << 32 | SEQ_MASK))

    def through(self, seq: int) -> int:
        """The id of its last row up to `seq`, 0 when it has none."""
        limit = self.boot << 32 | seq
        if self.last_id <= limit:
            return self.last_id
        known: "list[int]" = [row.id for row in self.rows if row.id <= limit]
        return known[-1] if known else 0


def bundles(rows: "list[Any]", limit_rows: int, limit_bytes: int) -> "list[Bundle]":
    """In order, each of one boot. A row larger than `limit_bytes` goes alone.

    `rows`: agent.ports.Row of one lane, by id.
    """
    made: "list[Bundle]" = []
    held: "list[Any]" = []
    size = HEAD_BYTES
    for row in rows:
        length = _length(row)
        full = len(held) >= limit_rows or size + length > limit_bytes
        if held and (full or row.id >> 32 != held[-1].id >> 32):
            made.append(Bundle(held))
            held, size = [], HEAD_BYTES
        held.append(row)
        size += length
    if held:
        made.append(Bundle(held))
    return made


def fitting(
    rows: "list[Any]", limit_rows: int, limit_bytes: int, room: "int | None"
) -> "list[Bundle]":
    """As `bundles`, none of more than `room` bytes but a single row that is larger. None: any."""
    if room is None:
        return bundles(rows, limit_rows, limit_bytes)
    made: "list[Bundle]" = []
    for bundle in bundles(rows, limit_rows, min(limit_bytes, room)):
        made += [bundle] if fits(bundle, room) else [Bundle([row]) for row in bundle.rows]
    return made


def fits(bundle: "Bundle", room: "int | None") -> bool:
    """Whether its payload has `room` bytes at most. Measured only where it may be close."""
    most = CHARACTER_BYTES * bytes_of(bundle.rows)
    return room is None or most <= room or bundle.bytes_most() <= room


def payload_room(packet_bytes_max: "int | None", topic: str) -> "int | None":
    """Of a message on `topic`, where no packet may have more bytes; None: no limit is known."""
    if packet_bytes_max is None:
        return None
    return max(0, packet_bytes_max - PACKET_BYTES - len(topic.encode()))


def bytes_of(rows: "list[Any]") -> int:
    """Of a bundle of these rows, at most."""
    return HEAD_BYTES + sum([_length(row) for row in rows])


def _length(row: "Any") -> int:
    length: int = len(row.body) + len(row.kind) + ROW_BYTES
    return length


def _row(row: "Any") -> str:
    """Written in order by hand: bodies are JSON texts already, and not every Python keeps order."""
    first = f',"first_seq":{row.first_seq}' if row.first_seq else ""
    return (
        f'{{"seq":{row.id & SEQ_MASK},"mono_ns":{row.mono_ns}{first},'
        f'"kind":{json.dumps(row.kind)},"body":{row.body}}}'
    )


def read_receipt(payload: bytes) -> "tuple[int, str, int] | None":
    """(boot, lane, through) of ROOT/ack, or None for anything that is not a receipt."""
    if len(payload) > RECEIPT_BYTES:
        return None
    try:
        held = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    if not isinstance(held, dict) or held.get("schema") != RECEIPT_SCHEMA:
        return None
    found: "Any" = (held.get("boot"), held.get("lane"), held.get("through"))
    boot, lane, through = found
    if not _is_seq(boot) or not _is_seq(through) or not isinstance(lane, str):
        return None
    return boot, lane, through


def _is_seq(value: "Any") -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= SEQ_MASK
