"""A tombstone's body: which rows will not come, and why. One that itself cannot go is carried on.

The account of rows that left must reach the receiver. When the row that carries it is refused or
must make room, its account goes into the tombstone that is written for it (`also`).
"""

import json

from agent.limits import CARRIED_MAX

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from agent.ports import Row


def account_of(
    lane: str, boot: int, seqs: "tuple[int, int]", reason: str, count: int
) -> "dict[str, Any]":
    """`count` rows of `seqs`, first and last; others of the range left before."""
    return {
        "lane": lane,
        "boot": boot,
        "seq_from": seqs[0],
        "seq_to": seqs[1],
        "count": count,
        "reason": reason,
    }


def bodies(accounts: "list[dict[str, Any]]") -> "list[str]":
    """As few bodies as hold these accounts: neighbours are one, CARRIED_MAX fit beside one."""
    left, found = _joined(accounts), []
    while left:
        head, also, left = left[0], left[1 : CARRIED_MAX + 1], left[CARRIED_MAX + 1 :]
        body = {**head, "also": also} if also else head
        found.append(json.dumps(body, separators=(",", ":")))
    return found


def carried_by(row: "Row") -> "list[dict[str, Any]]":
    """The accounts that a tombstone of ours carries."""
    body = json.loads(row.body)
    also = body.pop("also", [])
    return [body, *also]


def _joined(accounts: "list[dict[str, Any]]") -> "list[dict[str, Any]]":
    """In the same order, each run of neighbours that left for the same reason as one account."""
    found: "list[dict[str, Any]]" = []
    for one in accounts:
        place = next((n for n, other in enumerate(found) if _follows(other, one)), None)
        if place is None:
            found.append(one)
        else:
            whole = {"seq_to": one["seq_to"], "count": found[place]["count"] + one["count"]}
            found[place] = {**found[place], **whole}
    return found


def _follows(before: "dict[str, Any]", after: "dict[str, Any]") -> bool:
    same = all(before[name] == after[name] for name in ("lane", "boot", "reason"))
    return bool(same and before["seq_to"] + 1 == after["seq_from"])
