"""Keep: what the store holds, owes and costs; for the page and the status message."""

from agent.core.card_life import bytes_a_day, life_years
from agent.limits import BUDGET_AFTER_S, STORE_TELL_S
from agent.ports import StoreFault

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from agent.core.bulletin import Bulletin
    from agent.ports import Clock, Store, StoreStats

DISK = "disk"


class Keeper:
    """Posts "store": the account of each lane, sizes, bytes written a day, the card's life."""

    def __init__(self, store: "Store", clock: "Clock", bulletin: "Bulletin") -> None:
        self._store = store
        self._clock = clock
        self._bulletin = bulletin
        self._first: "tuple[int, int] | None" = None

    async def run(self) -> None:
        while True:
            try:
                self._tell(await self._store.stats())
            except StoreFault as fault:
                self._bulletin.degrade(DISK, f"the store cannot be read ({fault})")
            await self._clock.sleep(STORE_TELL_S)

    def _tell(self, stats: "StoreStats") -> None:
        if stats.giving_way:
            self._bulletin.degrade(DISK, stats.giving_way)
        elif DISK in self._bulletin.get("degraded"):
            self._bulletin.recover(DISK)
        self._bulletin.post("store", {**facts(stats), **self._budget(stats)})

    def _budget(self, stats: "StoreStats") -> "dict[str, Any]":
        """Bytes a day and the card's life, once there is enough to go by; else None."""
        now_ns = self._clock.monotonic_ns()
        if self._first is None:
            self._first = (now_ns, stats.written_bytes)
        seconds = (now_ns - self._first[0]) / 1e9
        if seconds < BUDGET_AFTER_S:
            return {"written_mb_a_day": None, "card_life_years": None}
        a_day = bytes_a_day(stats.written_bytes - self._first[1], seconds)
        years = life_years(stats.disk_bytes, a_day)
        return {
            "written_mb_a_day": round(a_day / 1e6, 1),
            "card_life_years": None if years is None else round(years, 1),
        }


def facts(stats: "StoreStats") -> "dict[str, Any]":
    """The account as JSON: produced = delivered + evicted + refused + backlog, lane by lane.

    `unsure`: of `evicted`, numbers that power cuts left behind.
    """
    return {
        "file_mb": round(stats.file_bytes / 2**20, 1),
        "wal_mb": round(stats.wal_bytes / 2**20, 1),
        "limit_mb": round(stats.limit_bytes / 2**20, 1),
        "free_mb": round(stats.free_bytes / 2**20),
        "lanes": {
            lane.lane: {
                "produced": lane.produced,
                "delivered": lane.delivered,
                "evicted": lane.evicted,
                "refused": lane.refused,
                "backlog": lane.backlog,
                "unsure": lane.unsure,
            }
            for lane in stats.lanes
        },
    }
