"""Acquire: one sensor's batches to blocks with true time and rate, for whoever judges them."""

import asyncio

from agent.core.blockmaker import BlockMaker
from agent.limits import FIT_SPAN_S, NO_RATE, RATE_ERROR_MAX, RATE_OUT_OF_SPEC, SILENT_S
from agent.ports import FrameBatch

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from agent.core.mailbox import Mailbox
    from agent.ports import Clock, Sensor


def block_maker(name: str, nominal_hz: float, polled: bool) -> "BlockMaker":
    """One sensor's frames to blocks, by the program's own bounds."""
    limits = (NO_RATE, NO_RATE) if polled else (RATE_ERROR_MAX, RATE_OUT_OF_SPEC)
    return BlockMaker(name, nominal_hz, FIT_SPAN_S, *limits)


class Acquirer:
    """One sensor. `readers`: the bounded queue of each machine that it serves."""

    def __init__(
        self,
        sensor: "Sensor",
        nominal_hz: float,
        readers: "list[Mailbox]",
        polled: bool,
        clock: "Clock",
    ) -> None:
        """`polled`: the sensor gives its latest value when asked and has no rate of its own."""
        self._sensor = sensor
        self._readers = readers
        self._clock = clock
        self.maker = block_maker(sensor.name, nominal_hz, polled)

    async def run(self) -> None:
        await self._sensor.start()
        while True:
            block = self.maker.take(await self._next_batch())
            for blocks in self._readers:
                blocks.put(block)

    async def _next_batch(self) -> "FrameBatch":
        """The next batch, or the news that nothing comes: a bus that hangs says nothing itself."""
        try:
            async with asyncio.timeout(SILENT_S):  # wait_for may swallow a stop (Python 3.11)
                return await self._sensor.next_batch()
        except TimeoutError:
            now_ns = self._clock.monotonic_ns()
            reason = ("bus_hangs", {"seconds": SILENT_S})
            return FrameBatch(self._sensor.name, b"", 0, 0, now_ns, False, reason, ())
