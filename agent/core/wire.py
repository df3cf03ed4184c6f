"""Rows as they go upstream: bundles of JSON, each row with the key that makes a copy harmless."""

import json

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

SCHEMA = 1
SEQ_MASK = 0xFFFFFFFF


def bundles(
    rows: "list[Any]", lane: str, limit_rows: int, limit_bytes: int
) -> "list[tuple[bytes, int]]":
    """[(payload, id of its last row)] in order. Each holds rows of one boot, consecutive numbers.

    `rows`: agent.ports.Row, ordered by id. A row larger than `limit_bytes` goes alone.
    """
    made: "list[tuple[bytes, int]]" = []
    held: "list[Any]" = []
    size = 0
    for row in rows:
        length = len(row.body) + len(row.kind) + 60
        full = len(held) >= limit_rows or size + length > limit_bytes
        if held and (full or row.id != held[-1].id + 1):
            made.append((_payload(held, lane), held[-1].id))
            held, size = [], 0
        held.append(row)
        size += length
    if held:
        made.append((_payload(held, lane), held[-1].id))
    return made


def _payload(rows: "list[Any]", lane: str) -> bytes:
    """Written in order by hand: bodies are JSON texts already, and not every Python keeps order."""
    first = rows[0].id
    texts = ",".join(
        f'{{"seq":{row.id & SEQ_MASK},"mono_ns":{row.mono_ns},'
        f'"kind":{json.dumps(row.kind)},"body":{row.body}}}'
        for row in rows
    )
    return (
        f'{{"schema":{SCHEMA},"boot":{first >> 32},"lane":{json.dumps(lane)},'
        f'"seq_from":{first & SEQ_MASK},"rows":[{texts}]}}'
    ).encode()
