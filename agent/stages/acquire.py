"""Acquire: one sensor's batches to blocks with true time and rate, for whoever judges them."""

from agent.core.blockmaker import BlockMaker
from agent.limits import FIT_SPAN_S, RATE_ERROR_MAX, RATE_ERROR_POLLED

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from agent.core.mailbox import Mailbox
    from agent.ports import Sensor


class Acquirer:
    """One sensor. `blocks` is the bounded queue to the stage that judges."""

    def __init__(
        self, sensor: "Sensor", nominal_hz: float, blocks: "Mailbox", polled: bool
    ) -> None:
        """`polled`: the sensor gives its latest value when asked and has no rate of its own."""
        self._sensor = sensor
        self._blocks = blocks
        error_max = RATE_ERROR_POLLED if polled else RATE_ERROR_MAX
        self.maker = BlockMaker(sensor.name, nominal_hz, FIT_SPAN_S, error_max)

    async def run(self) -> None:
        await self._sensor.start()
        while True:
            self._blocks.put(self.maker.take(await self._sensor.next_batch()))
