"""A bundle: consecutive rows of one lane and boot as one compressed blob under one CRC.

A row alone costs the card a page or more; thirty of them, compressed, cost little more than one.
A bundle is identified by the id of its last row. Pure: no database, no clock.
"""

import zlib
from collections import namedtuple

from agent.ports import Row, row_seq

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROWS_MAX = 64  # what one read decodes; larger ones compress no better
BYTES_MAX = 16 * 1024
COMPRESSION = 6
COMPRESSION_IN_BULK = 1  # of full bundles: there time counts, and length has saved most already

# `first`: the first seq that it stands for; `covered`: how many produced rows; `level`: 0 raw, else
# how far it was thinned. `total`: rows produced in the lane with this bundle, since the file began.
Bundle = namedtuple("Bundle", ("id", "first", "covered", "level", "total", "crc", "body"))


class Damaged(Exception):
    """A bundle whose bytes are no longer those that were written."""


def pack(rows: "list[Row]", level: int, total: int) -> "Bundle":
    """Rows of one lane and boot, by seq: a line each of seq, mono_ns, first, kind, body."""
    lines = "\n".join(
        f"{row_seq(r.id)} {r.mono_ns} {r.first_seq} {r.kind} {r.body}".replace("\n", " ")
        for r in rows
    )
    level_of_zlib = COMPRESSION if len(rows) < ROWS_MAX else COMPRESSION_IN_BULK
    body = zlib.compress(f"{rows[0].lane}\n{lines}".encode(), level_of_zlib)
    first = rows[0].first_seq or row_seq(rows[0].id)
    covered = sum(stands_for(row) for row in rows)
    facts = (rows[-1].id, first, covered, level, total)
    return Bundle(*facts, _crc(facts, body), body)


def unpack(lane: str, bundle: "Bundle") -> "list[Row]":
    """The rows, in order. Damaged when a byte of the bundle or of its facts has changed."""
    try:
        if _crc(bundle[:5], bundle.body) != bundle.crc:
            raise Damaged(f"{lane} bundle {bundle.id}: CRC does not fit")
        written, *lines = zlib.decompress(bundle.body).decode().split("\n")
        if written != lane:
            raise Damaged(f"{lane} bundle {bundle.id}: it is of lane {written[:10]}")
        base = bundle.id >> 32 << 32
        return [_row(lane, base, line.split(" ", 4)) for line in lines]
    except (zlib.error, ValueError, TypeError) as error:
        raise Damaged(f"{lane} bundle {bundle.id}: {error}")


def lane_of(bundle: "Bundle") -> str:
    """The lane that it says it is of. Damaged when it says nothing."""
    try:
        return zlib.decompress(bundle.body).split(b"\n", 1)[0].decode()
    except (zlib.error, ValueError) as error:
        raise Damaged(f"bundle {bundle.id}: {error}")


def chunks(rows: "Sequence[Row]") -> "Iterator[list[Row]]":
    """The rows in runs that fit a bundle."""
    held: "list[Row]" = []
    size = 0
    for row in rows:
        if held and (len(held) >= ROWS_MAX or size + len(row.body) > BYTES_MAX):
            yield held
            held, size = [], 0
        held.append(row)
        size += len(row.body)
    if held:
        yield held


def stands_for(row: "Row") -> int:
    """How many produced rows it is: 1, or all that a thinned row replaces."""
    return row_seq(row.id) - row.first_seq + 1 if row.first_seq else 1


def _row(lane: str, base: int, parts: "list[str]") -> "Row":
    seq, mono_ns, first_seq, kind, body = parts
    return Row(lane, base | int(seq), int(mono_ns), kind, body, int(first_seq))


def _crc(facts: "tuple[int, ...]", body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(repr(tuple(facts)).encode()))
