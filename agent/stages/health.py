"""Health: the event loop's own delay and dropped work; posted, never hidden."""

from agent.limits import HEALTH_INTERVAL_S, LAG_INTERVAL_S

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.core.bulletin import Bulletin
    from agent.ports import Clock

LAGS_KEPT = 20_000  # about a quarter of an hour, for the 99th percentile


class Health:
    """`drops`: gives {queue: items dropped so far}; `frames`: (taken, lost) of all sensors;
    `recoveries`: {sensor: {step of its recovery ladder: times}}."""

    def __init__(
        self,
        clock: "Clock",
        bulletin: "Bulletin",
        drops: "Callable[[], dict[str, int]]",
        frames: "Callable[[], tuple[int, int]]",
        recoveries: "Callable[[], dict[str, dict[str, int]]]",
    ) -> None:
        self._clock = clock
        self._bulletin = bulletin
        self._drops = drops
        self._frames = frames
        self._recoveries = recoveries
        self._lags_ms: "list[float]" = []

    async def run(self) -> None:
        since_ns = self._clock.monotonic_ns()
        while True:
            began_ns = self._clock.monotonic_ns()
            await self._clock.sleep(LAG_INTERVAL_S)
            now_ns = self._clock.monotonic_ns()
            self._lags_ms.append(max(0.0, (now_ns - began_ns) / 1e6 - LAG_INTERVAL_S * 1e3))
            del self._lags_ms[:-LAGS_KEPT]
            if now_ns - since_ns >= HEALTH_INTERVAL_S * 1e9:
                since_ns = now_ns
                self._post()

    def lag_p99_ms(self) -> float:
        """The event loop's lag, 99th percentile, ms."""
        ordered = sorted(self._lags_ms)
        return ordered[int(0.99 * (len(ordered) - 1))] if ordered else 0.0

    def _post(self) -> None:
        drops = {queue: count for queue, count in self._drops().items() if count}
        for queue, count in drops.items():
            self._bulletin.degrade(f"dropped_{queue}", f"{queue}: {count} dropped, oldest first")
        recent = self._lags_ms[-int(HEALTH_INTERVAL_S / LAG_INTERVAL_S) :]
        samples, lost = self._frames()
        self._bulletin.post(
            "health",
            {
                "lag_ms": round(max(recent), 1),
                "dropped": sum(drops.values()),
                "samples": samples,
                "lost_samples": lost,
                "recoveries": self._recoveries(),
            },
        )
