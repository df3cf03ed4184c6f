"""Batches on their way between two processes of the agent: a head in JSON and the raw frames.

A message: its head's and its frames' lengths, then the head, then the frames. Both ends are ours
and of one version, so that what does not fit is our mistake.
"""

import json
import struct
from collections import namedtuple

from agent.ports import FrameBatch

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_LENGTHS = struct.Struct("<II")

# `batch`: None when the sensor's thread has failed. `steps`: of its recovery ladder so far.
# `dropped`: (batches, frames) before this one that there was no room for.
Sent = namedtuple("Sent", ("sensor", "batch", "steps", "dropped"))


def packed(sent: "Sent") -> bytes:
    """One message."""
    batch = sent.batch
    raw = b"" if batch is None else batch.raw
    facts = None if batch is None else list(batch[2:])
    head = json.dumps([sent.sensor, facts, sent.steps, sent.dropped]).encode()
    return _LENGTHS.pack(len(head), len(raw)) + head + raw


STRETCHES = 1 << 32  # of one process, and never as many


class Unpacker:
    """Messages out of a stream that comes in pieces.

    `process`: its number. Each counts its stretches from the same on; those given are never the
    same, for its chips were brought up anew, and their ticks begin again.
    """

    def __init__(self, process: int = 0) -> None:
        self._held = bytearray()
        self._stretches = process * STRETCHES

    def feed(self, piece: bytes) -> "Iterator[Sent]":
        """Each message that is whole by now."""
        self._held.extend(piece)
        while len(self._held) >= _LENGTHS.size:
            head_bytes, raw_bytes = _LENGTHS.unpack_from(self._held)
            raw_at = _LENGTHS.size + head_bytes
            end = raw_at + raw_bytes
            if len(self._held) < end:
                return
            head = bytes(self._held[_LENGTHS.size : raw_at])
            raw = bytes(self._held[raw_at:end])
            del self._held[:end]
            yield _sent(json.loads(head), raw, self._stretches)


def _sent(head: "Any", raw: bytes, stretches: int) -> "Sent":
    sensor, facts, steps, dropped = head
    if facts is None:
        return Sent(sensor, None, steps, tuple(dropped))
    frames, ticks, mono_ns, overrun, fault, points = facts
    reason = tuple(fault) if fault else ""
    drains = tuple((stretches + stretch, *seen) for stretch, *seen in points)
    batch = FrameBatch(sensor, raw, frames, ticks, mono_ns, overrun, reason, drains)
    return Sent(sensor, batch, steps, tuple(dropped))
