"""The shapes and errors that cross between stages and adapters: types and errors, no behaviour."""

from collections import namedtuple

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from typing import Any, Protocol

    import numpy as np

    class Clock(Protocol):
        """The only reader of time."""

        def monotonic_ns(self) -> int: ...
        def utc_ns(self) -> int: ...
        def synced(self) -> bool: ...
        async def sleep(self, seconds: float) -> None: ...

    class Sensor(Protocol):
        """One sensor. Errors of its bus come as batches with a `fault`, never as exceptions."""

        name: str
        layout: Any  # drivers.device.Layout

        async def start(self) -> None: ...
        async def next_batch(self) -> "FrameBatch": ...
        async def stop(self) -> None: ...

    class BusRecovery(Protocol):
        """What can be done for a bus that hangs. Called from the bus's own thread only."""

        has_clock_line: bool

        def clocks(self) -> None:
            """Nine clocks by hand; OSError when they could not be given, its text saying why."""
            ...

        def reopen(self) -> None:
            """The next transfer opens the bus anew."""
            ...

    class Model(Protocol):
        """Scores one standardised feature vector, shape (n_features,), float32."""

        name: str
        version: str
        runtime: str  # "tflite-runtime", "ai-edge-litert" or "statistics"

        def score(self, z: "np.ndarray[Any, Any]") -> "tuple[float, tuple[float, ...]]":
            """(score, contribution of each feature); ModelFault when not finite, in or out."""
            ...

    class Store(Protocol):
        """Durable outbox and history. What `append` returned from survives a power cut."""

        boot: int

        async def open(self) -> "tuple[str, ...]":
            """Opens or creates; returns the degraded modes met on the way, () when all is well."""
            ...

        async def append(self, rows: "list[Row]", history: "list[tuple[str, int, str]]") -> None:
            """One transaction. `history`: (machine, mono_ns, JSON text) for the page."""
            ...

        async def oldest(self, after_id: int, limit_rows: int) -> "list[Row]": ...
        async def ack(self, through_id: int) -> None:
            """Frees rows with id <= `through_id`; called only after their PUBACK."""
            ...

        async def wait_for_rows(self) -> None: ...
        async def stats(self) -> "StoreStats": ...
        async def recent(self, machine: str, limit_rows: int) -> "list[str]": ...
        async def get_setting(self, key: str) -> "str | None": ...
        async def put_setting(self, key: str, value: str) -> None: ...
        async def close(self) -> None: ...

    class Link(Protocol):
        """One connection's life."""

        async def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
            """Returns after PUBACK (QoS 1). LinkDown when the connection ended first, Refused."""
            ...

        async def subscribe(self, topics: "list[str]") -> None: ...
        async def messages(self) -> "tuple[str, bytes]":
            """The next incoming message. LinkDown when the connection ended."""
            ...

    class Upstream(Protocol):
        def connect(self) -> "AbstractAsyncContextManager[Link]":
            """A new connection; LinkDown when there is none."""
            ...


# Raw frames as they came: `raw` holds `frames` frames back to back, oldest first. `ticks` is the
# count of frames that the chip had produced since its start when its level was read at `mono_ns`.
# `overrun`: the chip threw frames away before this batch. `fault` is "" or why nothing was read, as
# (code, facts).
FrameBatch = namedtuple(
    "FrameBatch", ("sensor", "raw", "frames", "ticks", "mono_ns", "overrun", "fault")
)

# An outbox row. `id` = boot << 32 | seq; seq is without holes within a boot and starts at 1.
# `body` is the JSON text of the row's own fields.
Row = namedtuple("Row", ("id", "mono_ns", "kind", "body"))

StoreStats = namedtuple(
    "StoreStats",
    ("produced_rows", "delivered_rows", "backlog_rows", "oldest_mono_ns", "file_bytes"),
)


def row_id(boot: int, seq: int) -> int:
    return boot << 32 | seq


def row_boot(identity: int) -> int:
    return identity >> 32


def row_seq(identity: int) -> int:
    return identity & 0xFFFFFFFF


class BusFault(OSError):
    """A bus failed: errno and text as of OSError, where, and what cures it.

    `place`: the node, and the address on I2C. `cure`: a line of config.txt, or the group that may
    open the node; "" where the text says what to look at.
    """

    def __init__(self, number: int, text: str, place: str, cure: str = "") -> None:
        super().__init__(number, text)
        self.place = place
        self.cure = cure


class LinkDown(Exception):
    """Whatever may pass between here and the broker.

    `code`: the step that failed; "link." and the code is its sentence in the page's catalogues.
    `place`: the host, host:port or file concerned. `detail`: what was said by the other side.
    """

    def __init__(self, code: str, place: str = "", detail: str = "") -> None:
        super().__init__(": ".join(part for part in (place, code, detail) if part))
        self.code = code
        self.place = place
        self.detail = detail


class Refused(Exception):
    """The broker will not take this very message, however often it is sent; says why."""


class StoreFault(Exception):
    """The store cannot take or give rows now; says which file and why."""


class ModelFault(Exception):
    """A model file or its answer cannot be trusted; says what was expected and found."""
