"""A loss that a person has taken note of: it no longer fails a check, and is told for ever.

Only what is lost now: holes of rows that the device has freed or whose file is no more, what a lost
file had told of, and what is unaccounted for. What is lost later is missed again; what comes
nevertheless is kept as if nothing had been said.
"""

from typing import Any

from firmware_tools.ledger.account import Account, Hole

HOLE, FILE, UNACCOUNTED = "hole", "lost_with_file", "unaccounted"


def losses(account: Account, device: str, at: str) -> list[dict[str, Any]]:
    """What of a device is lost, a line each. `at`: when it is written off."""
    found = [
        {"lane": hole.key.lane, "kind": HOLE, "rows": hole.last - hole.first + 1,
         "boot": hole.key.boot, "first": hole.first, "last": hole.last}
        for hole in account.holes([device])
        if _is_final(account, hole)
    ]  # fmt: skip
    for (of, lane), counts in sorted(account.counts.items()):
        if of == device:
            found.append({"lane": lane, "kind": FILE, "rows": counts.owed})
            missing = account.missing(device, lane)
            found.append({"lane": lane, "kind": UNACCOUNTED, "rows": missing})
    return [{"device": device, "at": at, **line} for line in found if line["rows"]]


def _is_final(account: Account, hole: Hole) -> bool:
    return hole.lost or account.stream(hole.key).again is not None


def write_off(account: Account, lines: list[dict[str, Any]]) -> None:
    """In the account: as of `losses`, now."""
    for line in lines:
        counts = account.counts.get((line["device"], line["lane"]))
        if counts is not None and line["kind"] == FILE:
            counts.owed -= min(counts.owed, line["rows"])
        if counts is not None and line["kind"] == UNACCOUNTED:
            counts.base += line["rows"]
    account.write_off(lines)
