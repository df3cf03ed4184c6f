"""Raw frames to physical values, a whole block at once.

The numpy half of a driver's layout; `drivers.device.decode_frame` is the other half, and both are
held to the same golden vectors. Never guesses: a frame whose fixed bits are wrong is reported.
"""

import numpy as np

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Bytes2d = NDArray[np.uint8]

WORDS = {2: "i2", 4: "i4"}


def frames_2d(raw: bytes, frame_bytes: int) -> "Bytes2d":
    """`raw` as shape (n, frame_bytes); ValueError when it is not whole frames."""
    if len(raw) % frame_bytes:
        raise ValueError(
            f"raw: {len(raw)} bytes is not a whole number of {frame_bytes}-byte frames"
        )
    return np.frombuffer(raw, dtype=np.uint8).reshape(-1, frame_bytes)


def decode(raw: bytes, layout: "Any") -> "NDArray[np.float64]":
    """Values of every channel, shape (n, channels), in each channel's own unit.

    `layout`: the driver's Layout. Bits of a channel are taken as two's complement.
    """
    frames = frames_2d(raw, layout.frame_bytes)
    values = np.empty((len(frames), len(layout.channels)))
    if not len(frames):
        return values
    if _is_table(layout):
        first = layout.channels[0]
        np.multiply(_words(raw, values.shape, layout.frame_bytes, first), first.scale, values)
    else:
        _decode_columns(raw, frames, layout, values)
    if layout.correct is not None:
        for row in values:
            row[:] = layout.correct(row.tolist())
    return values


def _decode_columns(
    raw: bytes, frames: "Bytes2d", layout: "Any", values: "NDArray[np.float64]"
) -> None:
    for column, channel in enumerate(layout.channels):
        if channel.size in WORDS and channel.shift + channel.bits == 8 * channel.size:
            counts = _words(raw, (len(frames), 1), layout.frame_bytes, channel)[:, 0]
        else:
            counts = _integers(frames, channel)
        np.multiply(
            counts + channel.bias if channel.bias else counts, channel.scale, values[:, column]
        )


def broken_frames(raw: bytes, layout: "Any") -> "list[tuple[str, str, int]]":
    """(status, reason, count) of every check that some frame fails; [] when all frames hold.

    `raw`: frames that follow one another, for the counter of those that have one.
    """
    frames = frames_2d(raw, layout.frame_bytes)
    found = []
    for check in layout.checks:
        bits = frames[:, check.offset] & check.mask
        wrong = bits != check.values[0]
        for value in check.values[1:]:
            wrong &= bits != value
        count = int(np.count_nonzero(wrong))
        if count:
            found.append((check.status, check.reason, count))
    count = _jumps(frames, layout.counter)
    if count:
        found.append((layout.counter.status, layout.counter.reason, count))
    return found


def _jumps(frames: "Bytes2d", counter: "Any") -> int:
    if counter is None:
        return 0
    counts = frames[:, counter.offset] >> counter.shift
    steps = (counts[1:] - counts[:-1]) & ((1 << counter.bits) - 1)
    return int(np.count_nonzero(steps != 1))


def _is_table(layout: "Any") -> bool:
    """A frame is whole machine words of one scale and nothing else: numpy walks it as one table."""
    first = layout.channels[0]
    if first.size not in WORDS or first.shift or first.bits != 8 * first.size or first.bias:
        return False
    same = (first.size, first.order, first.shift, first.bits, first.scale, first.bias)
    return layout.frame_bytes == first.size * len(layout.channels) and all(
        channel[3:] == same and channel.offset == place * first.size
        for place, channel in enumerate(layout.channels)
    )


def _words(raw: bytes, shape: "tuple[int, ...]", stride: int, channel: "Any") -> "NDArray[Any]":
    """Channels that end at the top bit of a machine word: read in place, the sign shifts along."""
    kind = ("<" if channel.order == "little" else ">") + WORDS[channel.size]
    words: "NDArray[Any]" = np.ndarray(shape, kind, raw, channel.offset, (stride, channel.size))
    return words >> channel.shift if channel.shift else words


def _integers(frames: "Bytes2d", channel: "Any") -> "NDArray[np.int64]":
    whole = np.zeros(len(frames), dtype=np.int64)
    for place in range(channel.size):
        index = place if channel.order == "big" else channel.size - 1 - place
        whole = whole << 8 | frames[:, channel.offset + index]
    sign = 1 << (channel.bits - 1)
    field = whole >> channel.shift & (2 * sign - 1)
    value: NDArray[np.int64] = (field ^ sign) - sign
    return value
