"""Acceleration played into a simulated chip's registers and read back by the real driver.

As the part would: band-limited, sampled at its own clock, with its noise, clipped and quantised.
Time is simulated, so it runs as fast as the machine allows; drain loop and clock fit are those of
the agent.
"""

from agent.analysis.assess import joined
from agent.analysis.decode import decode
from agent.chips import Chip, known_chips
from agent.core.blockmaker import BlockMaker
from agent.drain import Drainer
from agent.limits import BATCH_INTERVAL_S, DRAIN_INTERVAL_S, FIT_SPAN_S, RATE_ERROR_MAX
from hw.machines.part import PARTS, felt_by
from hw.machines.replay import EndOfRecording, Recording
from hw.sim.bus import SimSpi

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

CLOCK_ERROR = 0.02  # a part's own oscillator: within the few percents that are usual
SEED = 20816
LEAD_IN_S = 2.0  # of standing still before the recording: the clock fit settles on it
NS = 1_000_000_000


class SteppedClock:
    """Time that moves when it is told to."""

    def __init__(self) -> None:
        self.now_ns = 0

    def monotonic_ns(self) -> int:
        return self.now_ns

    def utc_ns(self) -> int:
        return 0

    def synced(self) -> bool:
        return False

    def synced_by(self) -> str:
        return ""

    async def sleep(self, seconds: float) -> None:
        self.now_ns += int(seconds * NS)


class Player:
    """A recording's way through one simulated chip.

    `range_g`: where that chip clips; `bandwidth_hz`: where its filter cuts at this rate.
    """

    def __init__(self, chip: "Chip", rate_hz: int) -> None:
        self._chip = chip
        self._rate_hz = rate_hz
        self.range_g: float = chip.range_g
        self.bandwidth_hz = PARTS[chip.name].bandwidth * rate_hz

    def play(self, acceleration_g: "Any", recorded_hz: float) -> "tuple[Any, float]":
        """(values in g, shape (n, axes); true rate) of what the chip makes of a recording."""
        axes = acceleration_g.shape[1]
        recording = Recording(acceleration_g, recorded_hz)
        source = _after_lead_in(felt_by(PARTS[self._chip.name], recording, SEED))
        seconds = LEAD_IN_S + len(acceleration_g) / recorded_hz
        values, true_hz = through_chip(self._chip, source, self._rate_hz, seconds)
        return values[int(LEAD_IN_S * true_hz) + 1 :, :axes], true_hz


def player(through: str) -> "Player":
    """The player of SENSOR[@RATE]; ValueError for a sensor or a rate that is not there."""
    name, _, rate_text = through.partition("@")
    chips = {n: c for n, c in known_chips().items() if c.measures == "vibration" and n in PARTS}
    if name not in chips:
        raise ValueError(f"--through: {name!r} is not a sensor (choose {' '.join(chips)})")
    chip = chips[name]
    rate_hz = int(rate_text) if rate_text.isdigit() else 0
    if not rate_text:
        rate_hz = chip.rates_hz[-1]
    if rate_hz not in chip.rates_hz:
        rates = " ".join(str(rate) for rate in chip.rates_hz)
        raise ValueError(f"--through: {rate_text!r} is not a rate of {name} (choose {rates})")
    return Player(chip, rate_hz)


def through_chip(
    chip: "Chip", source: "Any", rate_hz: int, seconds: float, clock_error: float = CLOCK_ERROR
) -> "tuple[Any, float]":
    """(values in g, shape (n, axes); true rate) of `seconds` of what `source` makes it feel."""
    clock = SteppedClock()
    simulated = chip.simulated(source, clock_error)
    driver = chip.driver(SimSpi(simulated, clock.monotonic_ns, chip.speed_hz_max), rate_hz)
    drainer = Drainer("played", driver, clock)
    for wait_ms in drainer.bring_up():
        clock.now_ns += wait_ms * 1_000_000
    maker = BlockMaker("played", rate_hz, FIT_SPAN_S, RATE_ERROR_MAX)
    raw = bytearray()
    block = None
    end_ns = clock.now_ns + int(seconds * NS)
    while clock.now_ns < end_ns:
        try:
            _drain_for(clock, drainer, min(clock.now_ns + int(BATCH_INTERVAL_S * NS), end_ns))
        except EndOfRecording:
            end_ns = clock.now_ns
        block = maker.take(drainer.batch())
        raw.extend(block.raw)
    true_hz = block.rate_hz if block is not None else float(rate_hz)
    return decode(bytes(raw), driver.layout), true_hz


def _drain_for(clock: "SteppedClock", drainer: "Drainer", until_ns: int) -> None:
    while clock.now_ns < until_ns:
        clock.now_ns += int(DRAIN_INTERVAL_S * NS)
        drainer.drain()


def _after_lead_in(source: "Any") -> "Any":
    """`source`, begun after two seconds of standing still."""
    still = source(0.0, 1e-3, 1)

    def delayed(t0_s: float, period_s: float, count: int) -> "Any":
        before = min(count, max(0, int((LEAD_IN_S - t0_s) / period_s) + 1))
        quiet = joined([still] * before)
        if before == count:
            return quiet
        start_s = t0_s + before * period_s - LEAD_IN_S
        return joined([quiet, source(start_s, period_s, count - before)])

    return delayed
