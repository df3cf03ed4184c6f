"""The analyser's door: a window with a gap or an overrun in it is never transformed."""

import asyncio
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.analysis.anomaly import StatisticsModel
from agent.app import severity_table
from agent.buses import SensorFacts
from agent.core.bulletin import Bulletin
from agent.core.mailbox import Mailbox
from agent.ports import FrameBatch
from agent.simulated.play import SteppedClock
from agent.stages.acquire import block_maker
from agent.stages.analyse import Analyser
from agent.stages.machine import MachineWatch
from drivers.device import Layout
from drivers.iis3dwb import Iis3dwb
from tests.doubles import at_once
from tests.machines import machine_settings

RATE_HZ = 1000
BATCH = 100
DIGITS = 61  # a frame's number, in steps of the chip, over three axes that swing a little
STEP_G = 0.000488  # of an IIS3DWB
UPRIGHT = 2049  # 1 g on z
FLICKER = 3  # an axis that does not move at all would be called frozen
NS = 1_000_000_000


class Seen(MachineWatch):
    """A watch that remembers which frames it was given to transform."""

    def __init__(self, machine: Any) -> None:
        super().__init__(machine, severity_table(machine), StatisticsModel())
        self.numbers: list[Any] = []

    def take(self, values: Any, rate_hz: float, mono_ns: int) -> Any:
        digits = np.rint(values / STEP_G).astype(int) - [0, 0, UPRIGHT]
        digits[:, 2] //= FLICKER
        self.numbers.append(digits @ [1, DIGITS, DIGITS**2])
        return super().take(values, rate_hz, mono_ns)


def frames(first: int, count: int) -> bytes:
    number = first + np.arange(count)
    rows = np.zeros((count, 7), np.uint8)
    upright = UPRIGHT + FLICKER * (number // DIGITS**2) + number % FLICKER
    digits = (number % DIGITS, number // DIGITS % DIGITS, upright)
    for axis, digit in enumerate(digits):
        rows[:, 1 + 2 * axis], rows[:, 2 + 2 * axis] = digit & 0xFF, digit >> 8
    return rows.tobytes()


EVENTS = st.lists(
    st.one_of(
        st.just(("good", 0)),
        st.just(("good", 0)),
        st.just(("good", 0)),
        st.tuples(st.just("overrun"), st.integers(1, 300)),
        st.tuples(st.just("fault"), st.integers(1, 2000)),
    ),
    min_size=20,
    max_size=60,
)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(EVENTS)
def test_a_window_with_a_gap_or_an_overrun_is_never_transformed(
    events: list[tuple[str, int]],
) -> None:
    machine = machine_settings(name="M")._replace(vibration="de", temperature=None)
    watch = Seen(machine)
    layout = Layout(7, Iis3dwb.layout.channels, (), None, None)  # no counter that would tell
    facts = {"de": SensorFacts("de", "iis3dwb", layout, RATE_HZ, 16.0, False, False)}
    blocks, records, clock = Mailbox(9), Mailbox(10_000), SteppedClock()
    analyser = Analyser(machine, watch, facts, blocks, records, Bulletin(), clock, _keep, at_once)
    maker = block_maker("de", RATE_HZ, False)
    number = ticks = stretch = 0

    async def play() -> None:
        nonlocal number, ticks, stretch
        for kind, missing in [("good", 0)] * 20 + events + [("good", 0)] * 20:
            number += missing
            if kind == "fault":
                at_ns = number * NS // RATE_HZ
                reason = ("bus", {"errno": 110, "text": "timed out"})
                batch = FrameBatch("de", b"", 0, 0, at_ns, False, reason, ())
                ticks, stretch = 0, stretch + 1
            else:
                raw = frames(number, BATCH)
                number, ticks = number + BATCH, ticks + BATCH
                at_ns = number * NS // RATE_HZ
                stretch += kind == "overrun"
                points = ((stretch, ticks, at_ns),)
                batch = FrameBatch("de", raw, BATCH, ticks, at_ns, kind == "overrun", "", points)
            await analyser._listen(maker.take(batch))

    asyncio.run(play())
    assert watch.numbers, "nothing was judged at all"
    for seen in watch.numbers:
        assert (np.diff(seen) == 1).all(), "a gap was transformed"


async def _keep(key: str, value: str) -> None:
    """Baselines are not kept here."""
