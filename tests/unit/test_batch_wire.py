"""Batches between two processes: what goes in comes out, in any pieces; what waits is bounded."""

import threading
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as some

from agent.batch_wire import Sent, Unpacker, packed
from agent.ports import FrameBatch
from agent.sampling import Outlet

REASONS = some.one_of(
    some.just(""),
    some.tuples(
        some.text(max_size=8),
        some.dictionaries(some.text(max_size=8), some.one_of(some.integers(), some.text())),
    ),
)
COUNTS = some.integers(0, 2**53)
POINTS = some.lists(some.tuples(COUNTS, COUNTS, COUNTS), max_size=3).map(tuple)


@some.composite
def sents(draw: Any) -> Sent:
    name, raw = draw(some.text(max_size=20)), draw(some.binary(max_size=300))
    frames, ticks, mono_ns = draw(COUNTS), draw(COUNTS), draw(COUNTS)
    overrun, reason, points = draw(some.booleans()), draw(REASONS), draw(POINTS)
    batch = FrameBatch(name, raw, frames, ticks, mono_ns, overrun, reason, points)
    steps = draw(some.dictionaries(some.text(max_size=8), COUNTS, max_size=3))
    none = draw(some.booleans()) and draw(some.booleans())
    return Sent(name, None if none else batch, steps, (draw(COUNTS), draw(COUNTS)))


@settings(deadline=None)  # a machine that other tests load, too
@given(some.lists(sents(), max_size=5), some.integers(1, 40))
def test_what_is_sent_comes_out_once_and_in_order_in_any_pieces(
    told: list[Sent], piece_bytes: int
) -> None:
    stream = b"".join(packed(sent) for sent in told)
    unpacker = Unpacker()
    heard = []
    for at in range(0, len(stream), piece_bytes):
        heard += list(unpacker.feed(stream[at : at + piece_bytes]))
    assert heard == told


def frames(name: str, count: int) -> FrameBatch:
    return FrameBatch(name, b"", count, count, 0, False, "", ())


def test_a_reader_that_does_not_keep_up_costs_the_oldest_of_a_sensor_and_they_are_counted() -> None:
    outlet = Outlet(["a", "b"], limit=3)
    outlet.put("b", frames("b", 100), {})
    for count in (1, 2, 3, 4, 5):
        outlet.put("a", frames("a", count), {})
    held = [outlet.get() for _ in range(4)]
    assert [sent.sensor for sent in held] == ["b", "a", "a", "a"]
    assert [sent.batch.frames for sent in held] == [100, 3, 4, 5]
    assert sum(sent.dropped[0] for sent in held) == 2
    assert sum(sent.dropped[1] for sent in held) == 1 + 2


def test_what_a_dropped_batch_said_of_others_is_not_lost_with_it() -> None:
    outlet = Outlet(["a"], limit=1)
    for count in (1, 2, 3, 4):
        outlet.put("a", frames("a", count), {})
    last = outlet.get()
    assert last.batch.frames == 4 and last.dropped == (3, 1 + 2 + 3)


def test_who_asks_waits_for_what_comes() -> None:
    outlet = Outlet(["a"])
    got: list[Sent] = []
    asking = threading.Thread(target=lambda: got.append(outlet.get()))
    asking.start()
    outlet.put("a", None, {"reopen": 1})
    asking.join(5.0)
    assert got == [Sent("a", None, {"reopen": 1}, (0, 0))]


def test_stretches_of_two_processes_are_never_the_same() -> None:
    batch = FrameBatch("a", b"", 0, 0, 0, False, "", ((1, 0, 0), (2, 5, 7)))
    message = packed(Sent("a", batch, {}, (0, 0)))
    seen = [next(Unpacker(process).feed(message)).batch.points for process in (0, 1)]
    stretches = {stretch for points in seen for stretch, _, _ in points}
    assert len(stretches) == 4 and seen[0] == batch.points
    assert [point[1:] for point in seen[1]] == [(0, 0), (5, 7)]
