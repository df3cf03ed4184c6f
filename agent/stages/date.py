"""Date: watches the wall clock against the monotonic one, and tells how a boot is to be dated.

Its rows go in the alarm lane: a receiver that has them can date every earlier row of the boot.
"""

from agent.core.dating import Dating
from agent.limits import CLOCK_INTERVAL_S, CLOCK_PAIR_NS
from agent.ports import CLOCK
from agent.stages.record import Record

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from agent.core.bulletin import Bulletin
    from agent.core.mailbox import Mailbox
    from agent.ports import Clock, Store


class Dater:
    """Posts "clock" and records a row of kind `clock` with each correction."""

    def __init__(
        self, store: "Store", clock: "Clock", bulletin: "Bulletin", records: "Mailbox"
    ) -> None:
        self._store = store
        self._clock = clock
        self._bulletin = bulletin
        self._records = records
        self._dating = Dating()

    async def run(self) -> None:
        while True:
            self.look()
            await self._clock.sleep(CLOCK_INTERVAL_S)

    def look(self) -> None:
        """One look at the clocks."""
        source = self._clock.synced_by()
        synced = bool(source)
        correction = self._dating.observe(*self._moment(), synced)
        known = self._dating.correction
        dated = known is not None
        self._bulletin.post("clock", {"synced": synced, "source": source, "dated": dated})
        if correction is not None:
            body = {"boot": self._store.boot, **correction._asdict()}
            self._records.put(Record(CLOCK, body, None, True))

    def _moment(self) -> "tuple[int, int]":
        """(monotonic, UTC) of one moment: read again when something came between the two."""
        for _ in range(5):
            before_ns = self._clock.monotonic_ns()
            utc_ns = self._clock.utc_ns()
            after_ns = self._clock.monotonic_ns()
            if after_ns - before_ns <= CLOCK_PAIR_NS:
                break
        return (before_ns + after_ns) // 2, utc_ns
