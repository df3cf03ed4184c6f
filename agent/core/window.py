"""Blocks cut into windows of equal length. A window is gapless or it does not exist."""

from collections import namedtuple

from agent.core.block import judgeable

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from agent.core.block import Block

# `raw`: `frames` frames back to back; `end_ns`: monotonic time just after the last one.
Window = namedtuple("Window", ("sensor", "raw", "frames", "end_ns", "rate_hz", "rate_error"))


class WindowCutter:
    """Windows of `frames` frames every `hop` frames. Each frame enters once, in order."""

    def __init__(self, frames: int, hop: int, frame_bytes: int) -> None:
        if not 0 < hop <= frames:
            raise ValueError(f"hop: {hop} is not within a window of {frames} frames")
        self._frames = frames
        self._hop_bytes = hop * frame_bytes
        self._bytes = frames * frame_bytes
        self._frame_bytes = frame_bytes
        self._held = bytearray()
        self._next_seq: "int | None" = None

    def restart(self) -> None:
        """Forgets what is held: what follows does not join on to it."""
        self._held = bytearray()

    def take(self, block: "Block") -> "list[Window]":
        """The windows that `block` completes. A block not to be judged leaves nothing behind.

        No window spans a block that never came: a full queue dropped it.
        """
        sound = judgeable(block)
        follows = self._next_seq in (None, block.seq)
        self._next_seq = block.seq + 1
        if block.lost or not sound or not follows:
            self.restart()
        if not sound:
            return []
        self._held.extend(block.raw)
        made = []
        end_ns = block.t0_ns + int(block.frames * 1e9 / block.rate_hz)
        while len(self._held) >= self._bytes:
            behind = (len(self._held) - self._bytes) // self._frame_bytes
            made.append(
                Window(
                    block.sensor,
                    bytes(memoryview(self._held)[: self._bytes]),
                    self._frames,
                    end_ns - int(behind * 1e9 / block.rate_hz),
                    block.rate_hz,
                    block.rate_error,
                )
            )
            self._held = self._held[self._hop_bytes :]
        return made
