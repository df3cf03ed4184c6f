"""Acquire: one sensor's batches to blocks with true time and rate, for whoever judges them."""

import asyncio

from agent.core.blockmaker import BlockMaker
from agent.limits import FIT_SPAN_S, RATE_ERROR_MAX, RATE_ERROR_POLLED, SILENT_S
from agent.ports import FrameBatch

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from agent.core.mailbox import Mailbox
    from agent.ports import Clock, Sensor


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
        error_max = RATE_ERROR_POLLED if polled else RATE_ERROR_MAX
        self.maker = BlockMaker(sensor.name, nominal_hz, FIT_SPAN_S, error_max)

    async def run(self) -> None:
        await self._sensor.start()
        while True:
            block = self.maker.take(await self._next_batch())
            for blocks in self._readers:
                blocks.put(block)

    async def _next_batch(self) -> "FrameBatch":
        """The next batch, or the news that nothing comes: a bus that hangs says nothing itself."""
        try:
            return await asyncio.wait_for(self._sensor.next_batch(), SILENT_S)
        except TimeoutError:
            now_ns = self._clock.monotonic_ns()
            text = f"nothing from its bus for {SILENT_S:g} s"
            return FrameBatch(self._sensor.name, b"", 0, 0, now_ns, False, text)
