"""Which bits of a drain's answers may flip: found by what a chip's driver and layout declare."""

from functools import lru_cache
from typing import Any, NamedTuple

from agent.simulated.play import SteppedClock
from tests.fault_rig import NS, Place, Spoilt, felt

SPARSE = 41  # of answers that carry one frame each, every so many


class Flip(NamedTuple):
    """In every `every`-th answer, `mask` in byte `byte`: what `Faulty` is told."""

    every: int
    byte: int
    mask: int


def fixed_bits(place: Place) -> Flip:
    """Bits that never change: those of the layout's first check.

    Of a layout without one, those of the register that is read in front of the level.
    """
    spoilt, begin, _ = heard(place)
    checks = spoilt.driver.layout.checks
    if not checks:
        return Flip(1, 0 if place.i2c else 1, 0x80)
    return Flip(1, checks[0].offset + begin, highest(checks[0].mask))


def value_bits(place: Place) -> Flip:
    """A bit of some values, none of those that never change: in the high byte of x."""
    spoilt, begin, single = heard(place)
    layout = spoilt.driver.layout
    x = layout.channels[0]
    high = x.offset + (x.size - 1 if x.order == "little" else 0)
    checked = [check.mask for check in layout.checks if check.offset == high]
    # Two below the sign's copies, where there are such, and nothing else is one of them.
    mask = (checked[0] & -checked[0]) >> 2 if checked and checked[0] & 0x10 else 0x10
    if single:
        return Flip(SPARSE, high + begin, mask)
    # In a burst's second frame: an answer so short that it is the level's is left alone.
    return Flip(1, high + begin + layout.frame_bytes, mask)


def highest(mask: int) -> int:
    return 1 << (mask.bit_length() - 1)


@lru_cache
def heard(place: Place) -> tuple[Spoilt, int, bool]:
    """A started sensor; where a frame begins in a drain's answer; whether it carries one alone."""
    clock = SteppedClock()
    clock.now_ns = NS
    spoilt = Spoilt(place, felt(place.chip, place.rate_hz, True), clock)
    answers = overheard(place, spoilt.chip.chip)
    layout = spoilt.driver.layout
    buffer = bytearray((spoilt.driver.fifo_frames + 1) * layout.frame_bytes)
    for wait_ms in spoilt.driver.start():
        clock.now_ns += wait_ms * 1_000_000
    spoilt.driver.drain_into(buffer)
    clock.now_ns += int(4.5 * NS / place.rate_hz)
    answers.clear()
    assert spoilt.driver.drain_into(buffer).frames > 1
    first = min(channel.offset for channel in layout.channels)
    values = bytes(buffer[first : layout.frame_bytes])
    answer = next(one for one in answers if values in one)
    return spoilt, answer.index(values) - first, len(answer) < 2 * layout.frame_bytes


def overheard(place: Place, chip: Any) -> list[bytes]:
    """All that the chip answers on its bus from now on."""
    answers: list[bytes] = []
    call = "read_registers" if place.i2c else "transfer"
    answering = getattr(chip, call)

    def and_keep(asked: Any, answer: Any) -> None:
        answering(asked, answer)
        answers.append(bytes(answer))

    setattr(chip, call, and_keep)
    return answers
