"""Messages of devices, from bytes that nobody has checked: size first, then shape, then values."""

import json
import math
import re
from typing import Any

from firmware_tools.ledger.account import TOMBSTONE, Row
from firmware_tools.ledger.counts import SEQ_MAX, Told

DATA_BYTES = 64 * 1024  # the wire's own limit of a bundle
ROWS = 1000
LANES = ("alarm", "live", "history")
WHOLE_BITS = 63  # what either database's BIGINT holds beside the sign
DEPTH = 64  # a device's body has three levels
NOT_KEPT = re.compile("[\0\ud800-\udfff]")
FILE = re.compile("[0-9a-f]{0,64}")
NAME = 200  # characters of SITE/DEVICE: PostgreSQL's index takes 2704 bytes a row


class Invalid(ValueError):
    """Not a message of a device; says why."""


def check_name(device: str) -> None:
    """Invalid for what no device is called, whatever it sent: its name goes into every table."""
    if len(device) > NAME or not device.isprintable():
        raise Invalid(f"{device!r:.60} is not the name of a device")


def read_bundle(device: str, lane: str, payload: bytes) -> tuple[dict[str, Any], list[Row]]:
    """A bundle's head and its rows. Invalid."""
    check_name(device)
    held = _object(payload)
    if held.get("schema") != 2 or held.get("lane") != lane or lane not in LANES:
        raise Invalid("not a bundle of this lane in schema 2")
    for name, low in (("boot", 1), ("freed_to", 0)):
        if not _whole(held.get(name), low):
            raise Invalid(f"{name}: {held.get(name)!r} is not a number")
    rows = held.get("rows")
    if not isinstance(rows, list) or not 0 < len(rows) <= ROWS:
        raise Invalid("rows: not a list of 1 to 1000")
    return held, [_row(device, held["boot"], lane, row) for row in rows]


def _row(device: str, boot: int, lane: str, row: Any) -> Row:
    if not isinstance(row, dict) or not isinstance(row.get("body"), dict):
        raise Invalid("a row is not an object with a body")
    seq: Any = row.get("seq")
    first: Any = row.get("first_seq", 0)
    if not _whole(seq, 1) or not _whole(first, 0) or first > seq:
        raise Invalid(f"seq: {seq!r}, first_seq: {first!r}")
    if type(row.get("mono_ns")) is not int or not isinstance(row.get("kind"), str):
        raise Invalid("mono_ns or kind is missing")
    if row["kind"] == TOMBSTONE:
        check_tombstone(row["body"])
    body = json.dumps(row["body"], separators=(",", ":"), ensure_ascii=False)
    if len(body.encode()) > DATA_BYTES:
        raise Invalid(f"a body that takes more than {DATA_BYTES} bytes when it is kept")
    return Row(device, boot, lane, seq, first, row["mono_ns"], row["kind"], body)


def check_tombstone(body: Any) -> None:
    """Invalid unless it names rows, and all that it carries of others does."""
    if not isinstance(body, dict) or not isinstance(body.get("also", []), list):
        raise Invalid(f"a tombstone that names no rows: {body!r:.100}")
    for part in body.get("also", ()):
        if not isinstance(part, dict) or "also" in part:
            raise Invalid(f"a tombstone that carries {part!r:.100}")
        check_tombstone(part)
    whole = all(_whole(body.get(name), 1) for name in ("boot", "seq_from", "seq_to"))
    if not whole or body.get("lane") not in LANES or body["seq_from"] > body["seq_to"]:
        raise Invalid(f"a tombstone that names no rows: {body!r:.100}")


def read_status(payload: bytes) -> tuple[bool, dict[str, Told]]:
    """(online, the device's own account by lane). Invalid."""
    held = _object(payload)
    if held.get("schema") != 1 or held.get("state") not in ("online", "offline"):
        raise Invalid("not a status")
    said = held.get("uplink")
    uplink: dict[str, Any] = said if isinstance(said, dict) else {}
    lanes, file, boot = uplink.get("lanes", {}), uplink.get("file", ""), held.get("boot", 0)
    if not isinstance(lanes, dict):
        raise Invalid("uplink.lanes is not an object")
    if not isinstance(file, str) or not FILE.fullmatch(file) or not _whole(boot, 0):
        raise Invalid(f"uplink.file {file!r:.60} and boot {boot!r} are not a file's and a number")
    of = (file, boot, uplink.get("promise") == "broker")
    return held["state"] == "online", {
        lane: _told(lanes[lane], *of) for lane in LANES if isinstance(lanes.get(lane), dict)
    }


def _told(lane: dict[str, Any], file: str, boot: int, by_puback: bool) -> Told:
    """`before` and `seq` are of agents that tell of their file."""
    counts: list[Any] = [lane.get(name) for name in ("produced", "delivered", "evicted", "refused")]
    before, seq = lane.get("before", 0), lane.get("seq", 0)
    if not all(_whole(count, 0) for count in (*counts, before, seq)):
        raise Invalid(f"an account that is not of numbers: {lane!r:.100}")
    produced, *left = counts
    told_seq = seq if file and "seq" in lane else -1
    return Told(produced, sum(left), file, before, boot, told_seq, by_puback)


def _object(payload: bytes) -> dict[str, Any]:
    if len(payload) > DATA_BYTES:
        raise Invalid(f"{len(payload)} bytes, at most {DATA_BYTES}")
    try:
        held = json.loads(payload, parse_constant=_refuse, parse_float=_finite, parse_int=_bounded)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"not JSON: {error}") from None
    _check_text(held)
    if not isinstance(held, dict):
        raise Invalid("not an object")
    return held


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits:.40} is beyond what a number can be")
    return value


def _bounded(digits: str) -> int:
    value = int(digits)
    if value.bit_length() > WHOLE_BITS:
        raise ValueError(f"{digits:.40} is beyond 64 bit")
    return value


def _check_text(held: Any) -> None:
    """Invalid for text that no database keeps (half a character, NUL), and for what is deep."""
    level, depth = [held], 0
    while level:
        for value in level:
            if isinstance(value, str) and NOT_KEPT.search(value):
                raise Invalid(f"{value!r:.60}: text that cannot be kept")
        level = [part for value in level for part in _parts(value)]
        depth += 1
        if depth > DEPTH:
            raise Invalid(f"more than {DEPTH} levels")


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list) else []


def _whole(value: Any, low: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= SEQ_MAX


def tombstone_body(text: str) -> dict[str, Any]:
    """Of a row that is kept. Invalid."""
    held = _object(text.encode())
    check_tombstone(held)
    return held
