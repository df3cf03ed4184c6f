"""Sensors listened to outside the agent: the same thread, drain loop, clock fit and trust.

`try_out` is what a technician does with a machine at rest: the chip's own self-test first, then
some seconds of what it feels, held against its datasheet.
"""

import asyncio
import threading
import time
from collections import namedtuple

import numpy as np

from agent import app
from agent.analysis.decode import decode
from agent.analysis.noise import density_trust, noise_density_ug
from agent.analysis.trust import SOUND, frames_trust, window_trust
from agent.chips import address_on, known_chips
from agent.core.block import CHECK, FAILURE, GOOD, judgeable, worse
from agent.core.thermocouple import Thermocouple, finest_step_degc
from agent.drain import reason_of
from agent.stages.acquire import block_maker
from drivers.device import SensorFault

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from agent.analysis.trust import Trust

# What a sensor gave in some seconds. `rate_error`: relative. `channels`: {name: (mean, rms about
# it, unit)}. `gravity_g`: length of the mean vector, `noise_ug`: a tuple of each axis's density in
# ug/rtHz, both None of a thermocouple. `self_test`: [(change, low, high) in g] or None.
Heard = namedtuple(
    "Heard",
    (
        "name",
        "chip",
        "status",
        "reason",
        "rate_hz",
        "rate_error",
        "lost",
        "channels",
        "gravity_g",
        "noise_ug",
        "self_test",
    ),
)


class Ear:
    """One sensor listened to; `self_test`: what its self-test gave, (trust, changes)."""

    def __init__(
        self, adapter: "Any", facts: "Any", self_test: "tuple[Trust, Any]" = (SOUND, None)
    ) -> None:
        self._adapter = adapter
        self._facts = facts
        self._self_test = self_test
        self._maker = block_maker(facts.name, facts.rate_hz, facts.polled)

    async def start(self) -> None:
        await self._adapter.start()

    async def stop(self) -> None:
        await self._adapter.stop()

    async def listen(self, seconds: float) -> "Heard":
        """What it gave in the next seconds."""
        blocks = []
        lost_before = self._maker.lost_total
        try:
            async with asyncio.timeout(seconds):
                while True:
                    blocks.append(self._maker.take(await self._adapter.next_batch()))
        except TimeoutError:
            return self._heard(blocks, self._maker.lost_total - lost_before)

    def _heard(self, blocks: "list[Any]", lost: int) -> "Heard":
        facts = self._facts
        good = [block for block in blocks if judgeable(block)]
        values = decode(b"".join(block.raw for block in good), facts.layout)
        last = blocks[-1] if blocks else None
        rate_hz, rate_error = (last.rate_hz, last.rate_error) if last else (0.0, 0.0)
        accelerometer = facts.range_g is not None and len(values) > 0
        noise_ug = noise_density_ug(values, rate_hz) if accelerometer else None
        status, reason = self._trust(blocks, good, rate_hz, noise_ug)
        return Heard(
            facts.name,
            facts.chip,
            status,
            reason,
            rate_hz,
            0.0 if facts.polled else rate_error,
            lost,
            _channels(values, facts.layout),
            float(np.linalg.norm(values.mean(axis=0))) if accelerometer else None,
            noise_ug,
            self._self_test[1],
        )

    def _trust(
        self, blocks: "list[Any]", good: "list[Any]", rate_hz: float, noise_ug: "Any"
    ) -> "Trust":
        """The worst that is to be said; of equals the first."""
        facts = self._facts
        raw = b"".join(block.raw for block in good)
        said = [self._self_test[0]]
        said += [(block.status, block.reason) for block in blocks[1:]]  # the first may have waited
        if not raw:
            said.append((FAILURE, ("nothing", {})))
        elif facts.range_g is None:
            said += [frames_trust(raw, facts.layout), _plausible(good, facts.layout)]
        else:
            said.append(window_trust(raw, facts.layout, facts.range_g, rate_hz)[0])
            said.append(density_trust(noise_ug, known_chips()[facts.chip].driver.NOISE_UG))
        status = GOOD
        for one in said:
            status = worse(status, one[0])
        return next((one for one in said if one[0] == status), SOUND)


def _plausible(blocks: "list[Any]", layout: "Any") -> "Trust":
    state = Thermocouple(finest_step_degc(layout))
    for block in blocks:
        if block.frames:
            hot, cold = (float(value) for value in decode(block.raw, layout)[-1])
            state = state.after(hot, cold, block.t0_ns, False)
    return state.trust


def _channels(values: "Any", layout: "Any") -> "dict[str, tuple[float, float, str]]":
    if not len(values):
        return {}
    means, swings = values.mean(axis=0), values.std(axis=0)
    return {
        channel.name: (float(means[place]), float(swings[place]), channel.unit)
        for place, channel in enumerate(layout.channels)
    }


def self_tests(settings: "Any", ending: "threading.Event") -> "dict[str, tuple[Trust, Any]]":
    """{sensor: (trust, [(change, low, high) in g])} of every accelerometer, one after another.

    Once `ending` is set the rest is left out, and the chip at hand is put back.
    """
    agent = app.Agent(settings)
    buses = {bus.name: bus for bus in settings.buses}
    found = {}
    for sensor in settings.sensors:
        chip, bus = known_chips()[sensor.chip], buses[sensor.bus]
        if chip.measures != "vibration" or ending.is_set():
            continue
        address = address_on(bus, sensor, chip)
        port = agent.bus_port(bus).device(sensor, chip, address)
        found[sensor.name] = _self_test(chip.driver(port, sensor.rate_hz, address), ending)
    return found


def _self_test(driver: "Any", ending: "threading.Event") -> "tuple[Trust, Any]":
    try:
        driver.identify()
        _waiting(driver.start(), ending)
        changes = _waiting(driver.self_test(), ending)
        if changes is None:
            _waiting(driver.start(), None)  # its settings, without the force
        driver.stop()
    except (OSError, SensorFault) as error:
        return (FAILURE, reason_of(error)), None
    for axis, (change_g, low_g, high_g) in enumerate(changes or ()):
        if not low_g <= change_g <= high_g:
            facts = {"axis": axis, "change_g": round(change_g, 2)}
            limits = {"low_g": round(low_g, 2), "high_g": round(high_g, 2)}
            return (CHECK, ("self_test", {**facts, **limits})), changes
    return SOUND, changes


def _waiting(steps: "Any", ending: "threading.Event | None") -> "Any":
    """A driver's generator to its end, waiting as it asks; its value, None once `ending` is set."""
    while True:
        try:
            wait_s = next(steps) / 1000
        except StopIteration as end:
            return end.value
        if ending is None:
            time.sleep(wait_s)
        elif ending.wait(wait_s):
            return None
