"""Rows of which one may be what ends the connections: found by sending them one by one. Pure."""

from collections import namedtuple

SUSPECT_LOSSES = 2  # connections that ended on the same bundle, before its rows go one by one
POISON_LOSSES = 5  # and before a row that is alone under way when they end is set aside
SUDDEN_S = 5.0  # after the launch: an end that the row may have caused

# Rows of which one may be what ends the connection: `times` it ended when `first_id` was under way.
Suspect = namedtuple("Suspect", ("first_id", "last_id", "times"))


def seen_again(known: "Suspect | None", first_id: int, last_id: int) -> "Suspect":
    """The suspect after one more connection that ended on these rows."""
    if known is None or first_id > known.last_id:
        return Suspect(first_id, last_id, 1)
    if first_id != known.first_id:
        return Suspect(first_id, known.last_id, min(known.times, SUSPECT_LOSSES))
    return Suspect(first_id, known.last_id, known.times + 1)
