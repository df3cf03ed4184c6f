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
        def synced_by(self) -> str: ...
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
        """Durable outbox and history. Rows that `append` returned from survive a power cut.

        Live rows may be held in memory first: numbered and there to be sent, and on the disk with
        the next `append`, unless they were acknowledged before. Of what is in memory alone a reader
        gets one answer at a time: no row of it is behind another that may still be lost.
        """

        boot: int

        async def open(self) -> "tuple[str, ...]":
            """Opens or creates; returns the degraded modes met on the way, () when all is well."""
            ...

        async def append(self, rows: "list[NewRow]", history: "list[tuple[str, int, str]]") -> None:
            """One transaction that numbers the rows. `history`: (machine, mono_ns, body)."""
            ...

        async def hold(self, rows: "list[NewRow]", history: "list[tuple[str, int, str]]") -> bool:
            """Numbers live rows and keeps them in memory; False: none was taken, append them."""
            ...

        async def held(self) -> "tuple[int, int | None]":
            """How many rows are in memory alone, and the `mono_ns` of the oldest of them."""
            ...

        async def oldest(self, lane: str, after_id: int, limit_rows: int) -> "list[Row]":
            """Unacknowledged rows of a lane with id > `after_id`, in order."""
            ...

        async def ack(self, lane: str, through_id: int) -> None:
            """Frees the lane's rows with id <= `through_id`; after PUBACK or receipt, by mode."""
            ...

        async def set_aside(self, lane: str, refused: "list[tuple[int, str]]") -> None:
            """Rows that upstream refuses, (id, reason): kept apart, counted, tombstoned at once.

            Their lane goes on. What a tombstone among them tells, the new one tells.
            """
            ...

        async def wait_for_rows(self, lanes: "tuple[str, ...]" = ...) -> None:
            """Until one of `lanes` (all, if not said) has rows that `oldest` did not reach."""
            ...

        async def stats(self) -> "StoreStats": ...
        async def recent(self, machine: str, limit_rows: int) -> "list[str]": ...
        async def keep_capture(
            self, machine: str, mono_ns: int, facts: str, recording: bytes, spectrum: bytes
        ) -> None:
            """The raw window of a change of state (.npz) and its spectrum, in their own file."""
            ...

        async def get_setting(self, key: str) -> "str | None": ...
        async def put_setting(self, key: str, value: str) -> None: ...
        async def close(self) -> None: ...

    class Link(Protocol):
        """One connection's life."""

        @property
        def tells_refusals(self) -> bool:
            """Whether a message that the broker throws away can be known: not with MQTT 3.1.1."""
            ...

        @property
        def retains(self) -> bool:
            """Whether the broker keeps messages for those who come later."""
            ...

        @property
        def packet_bytes_max(self) -> "int | None":
            """The largest packet that the broker takes; None: it has named no limit."""
            ...

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
# (code, facts). `points`: (stretch, ticks, mono_ns) of each drain that found frames; a new stretch
# begins where frames may have been lost before them, or where ticks are counted anew.
FrameBatch = namedtuple(
    "FrameBatch", ("sensor", "raw", "frames", "ticks", "mono_ns", "overrun", "fault", "points")
)

# Lanes, by urgency. A row's lane is chosen when it is produced: alarm for what is urgent, live
# while the uplink is connected, history while it is not.
ALARM, LIVE, HISTORY = "alarm", "live", "history"
LANES = (ALARM, LIVE, HISTORY)

# An outbox row. `id` = boot << 32 | seq; a lane's seq is without holes within a boot, from 1.
# `body` is the JSON text of the row's own fields. `first_seq`: 0, or for a row that was thinned the
# first seq of those that it stands for (it keeps the last one's id).
Row = namedtuple("Row", ("lane", "id", "mono_ns", "kind", "body", "first_seq"))
NewRow = namedtuple("NewRow", ("lane", "mono_ns", "kind", "body"))  # numbered by the store
TOMBSTONE = (
    "tombstone"  # kind; body {lane, boot, seq_from, seq_to, count, reason}; in the alarm lane
)
CUT = "power cut"  # reason of a tombstone for numbers that nobody can tell whether they were used
SUMMARY = "summary"  # kind of a thinned row (agent/store/thinning.py)
CLOCK = "clock"  # kind; body: how rows of a boot are to be dated; in the alarm lane
NOT_ALARMS = (TOMBSTONE, CLOCK, "config_reported")  # urgent, but no reason to keep what is around

# One lane's account since the file began: produced = delivered + evicted + refused + backlog, in
# rows as they were produced. `bytes`: of what it holds. `unsure`: of `evicted`, numbers that power
# cuts left behind: at most so many were rows, and those may have come all the same. `seq`: the
# newest number of this boot. `before`: of those that left, what had left another file before
# (store/identity.py).
LaneStats = namedtuple(
    "LaneStats",
    (
        "lane",
        "produced",
        "delivered",
        "evicted",
        "refused",
        "backlog",
        "bytes",
        "unsure",
        "seq",
        "before",
    ),
    defaults=(0, 0),
)

# All lanes together since `open`, what was carried over included; `lanes`: a LaneStats each.
# `written_bytes`: by this process, as the kernel counts them. `giving_way`: "" or why the disk
# does not take what it should, and what that costs. `file`: which one counts, "" if it is not read.
StoreStats = namedtuple(
    "StoreStats",
    (
        "produced_rows",
        "delivered_rows",
        "backlog_rows",
        "oldest_mono_ns",
        "file_bytes",
        "wal_bytes",
        "carried_rows",
        "lanes",
        "limit_bytes",
        "written_bytes",
        "disk_bytes",
        "free_bytes",
        "giving_way",
        "file",
    ),
    defaults=(0, 0, 0, 0, "", ""),
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


LOST = "lost"  # the connection ended
PUBLISH_RIGHT = "publish_right"  # a message was not allowed; the connection may be there


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


class BrokerFault(Exception):
    """The demo's own broker did not start; says what to install or to do."""


class SamplingFault(Exception):
    """What reads the sensors has failed or cannot be started; a sentence for people."""


class StoreFault(Exception):
    """The store cannot take or give rows now; says which file and why."""


class ModelFault(Exception):
    """A model file or its answer cannot be trusted; says what was expected and found."""
