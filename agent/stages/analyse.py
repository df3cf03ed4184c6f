"""Analyse: one machine's blocks to windows to verdicts, for the record stage and the bulletin."""

import asyncio

from agent.analysis.decode import decode
from agent.analysis.evidence import Heat, machine_facts
from agent.analysis.examine import examine
from agent.analysis.features import shortest_window
from agent.analysis.fitted import Fitted
from agent.analysis.fitted import to_json as fitted_to_json
from agent.analysis.known import to_json
from agent.analysis.spectra import iso_band_hz
from agent.analysis.trust import SOUND, frames_trust, window_trust
from agent.core.alarm import ALARM, NORMAL, UNKNOWN, WARNING
from agent.core.alarm_state import to_json as alarms_to_json
from agent.core.block import CHECK, GOOD, OUT_OF_SPEC, judgeable
from agent.core.channel import SIMULATED, Channel
from agent.core.mailbox import Mailbox
from agent.core.operating_state import RUNNING, STOPPED, usage_to_json
from agent.core.thermocouple import STEP_DEGC, Thermocouple, finest_step_degc
from agent.core.window import WindowCutter
from agent.limits import (
    CAPTURES_QUEUED,
    EXAMINE_S,
    GLITCH_WINDOWS_MAX,
    GLITCH_WINDOWS_OF,
    RATE_TRUSTED,
    USAGE_KEPT_S,
    WINDOW_OVERLAP,
)
from agent.stages.capture import Taken
from agent.stages.machine import (
    Temperature,
    alarms_key,
    baseline_key,
    fitted_key,
    usage_key,
)
from agent.stages.notebook import Notebook
from agent.stages.record import Record
from agent.stages.tell import alarm_body, card, row_body

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from agent.core.block import Block
    from agent.core.bulletin import Bulletin
    from agent.core.window import Window
    from agent.ports import Clock
    from agent.stages.machine import MachineWatch, Verdict


NOT_SEEN = Fitted()


class Analyser:
    """`sensors`: {name: SensorFacts} of this machine's sensors, all feeding `blocks`.

    `keep(key, text)`: into the store. `fitted`: the accelerometer as it was learned to be, before.
    `aside(function, *arguments)`: on another thread.
    """

    def __init__(
        self,
        machine: "Any",
        watch: "MachineWatch",
        sensors: "dict[str, Any]",
        blocks: "Mailbox",
        records: "Mailbox",
        bulletin: "Bulletin",
        clock: "Clock",
        keep: "Callable[[str, str], Awaitable[None]]",
        aside: "Callable[..., Awaitable[Any]]",
        fitted: "Fitted" = NOT_SEEN,
    ) -> None:
        self._machine = machine
        self._watch = watch
        self._sensors = sensors
        self._blocks = blocks
        self._records = records
        self._bulletin = bulletin
        self._clock = clock
        self._aside = aside
        vibration = sensors[machine.vibration]
        frames = shortest_window(vibration.rate_hz, iso_band_hz(machine.rpm)[0])
        self._cutter = WindowCutter(frames, frames // WINDOW_OVERLAP, vibration.layout.frame_bytes)
        stretch = int(EXAMINE_S * vibration.rate_hz)
        self._stretches = WindowCutter(stretch, stretch, vibration.layout.frame_bytes)
        self._facts = machine_facts(machine)
        self._channels = {name: Channel(GLITCH_WINDOWS_MAX, GLITCH_WINDOWS_OF) for name in sensors}
        self.fitted = fitted
        self._kept_fitted = fitted_to_json(fitted)
        warm = sensors.get(machine.temperature)
        self._thermocouple = Thermocouple(finest_step_degc(warm.layout) if warm else STEP_DEGC)
        self._operating = UNKNOWN
        self._kept_version = watch.states.version
        self._key = baseline_key(machine, watch.model)
        self._usage_ns = 0
        self._usage_state = watch.operating.name
        self._mode = f"baseline {machine.name}"
        self._notebook = Notebook(machine.name, self._mode, keep, bulletin)
        self.verdicts: "dict[str, int]" = {}
        self._judged = NORMAL
        self._shown: "Verdict | None" = None
        self.captures = Mailbox(CAPTURES_QUEUED)
        self.windows = 0
        self.alarms = 0

    @property
    def frames_dropped(self) -> int:
        """Frames that never came to be judged: the queue was full."""
        return self._blocks.dropped_frames

    async def run(self) -> None:
        while True:
            block = await self._blocks.get()
            if block.sensor == self._machine.temperature:
                self._feel(block)
            else:
                await self._listen(block)
                await asyncio.sleep(0)  # a backlog of blocks must not hold the loop

    def _feel(self, block: "Block") -> None:
        """The last frame of a thermocouple's block is its reading."""
        facts = self._sensors[block.sensor]
        trust, degc = (block.status, block.reason), None
        if judgeable(block) and block.frames:
            last = block.raw[-facts.layout.frame_bytes :]
            trust = frames_trust(last, facts.layout)
            if trust == SOUND:
                hot, cold = (float(value) for value in decode(last, facts.layout)[0])
                running = self._operating == RUNNING
                self._thermocouple = self._thermocouple.after(hot, cold, block.t0_ns, running)
                trust, degc = self._thermocouple.trust, self._thermocouple.degc
            channel = self._channels[block.sensor].after("block", (block.status, block.reason))
            self._say(block.sensor, channel.after_window(trust))
        elif not judgeable(block):
            self._say(block.sensor, self._channels[block.sensor].after_break(trust))
        status, reason = self._channels[block.sensor].trust
        self._watch.feel(Temperature(degc, status, reason), block.t0_ns)

    async def _listen(self, block: "Block") -> None:
        trust = (block.status, block.reason)
        channel = self._channels[block.sensor]
        windows = self._cutter.take(block)
        if not judgeable(block):
            self._say(block.sensor, channel.after_break(trust))
            self._tell(self._watch.distrust(block.sensor, *trust, block.t0_ns))
        elif block.frames:
            self._say(block.sensor, channel.after("block", trust))
        for window in windows:
            self.windows += 1
            verdict = self._judge(window)
            self._tell(verdict)
            self._set_apart(verdict, window)
            await self._keep_baseline(window.end_ns)
            await self._keep_fitted(window.end_ns)
            await self._keep_usage(window.end_ns)
        for stretch in self._stretches.take(block):
            await self._examine(stretch)
        await self._keep_alarms(block.t0_ns)
        await self._notebook.again(block.t0_ns)

    def _set_apart(self, verdict: "Verdict", window: "Window") -> None:
        """The window that turned the machine's state to worse is kept as it was."""
        if verdict.changed is not None and verdict.state in (WARNING, ALARM):
            layout = self._sensors[window.sensor].layout
            body = row_body(verdict, self._clock.utc_ns(), self._clock.synced())
            self.captures.put(Taken(verdict.machine, window, layout, body))

    def _say(self, name: str, channel: "Channel") -> None:
        self._channels[name] = channel

    def _judge(self, window: "Window") -> "Verdict":
        facts = self._sensors[window.sensor]
        trust, values = window_trust(window.raw, facts.layout, facts.range_g, window.rate_hz)
        if trust == SOUND and window.rate_error > RATE_TRUSTED:
            trust = CHECK, ("rate_unsure", {"percent": round(100 * window.rate_error, 1)})
        channel = self._channels[window.sensor].after_window(trust)
        if trust != SOUND:
            self._say(window.sensor, channel)
            return self._watch.distrust(window.sensor, *channel.said("window"), window.end_ns)
        verdict = self._watch.take(values, window.rate_hz, window.end_ns)
        self._operating = verdict.operating_state
        stands = self._operating == STOPPED
        self.fitted = self.fitted.after(values, stands)
        off = (OUT_OF_SPEC, ("machine_off", {})) if stands else SOUND
        self._say(window.sensor, channel.after("fitted", self.fitted.trust).after("machine", off))
        return verdict

    def _said(self, name: str) -> "dict[str, Any]":
        """One sensor of the card; a simulated one says so when there is nothing else to say."""
        facts, trust = self._sensors[name], self._channels[name].trust
        if facts.simulated and trust[0] == GOOD:
            trust = SIMULATED
        return {"name": name, "chip": facts.chip, "status": trust[0], "reason": list(trust[1])}

    def _tell(self, verdict: "Verdict") -> None:
        self.verdicts[verdict.state] = self.verdicts.get(verdict.state, 0) + 1
        channels = [self._said(name) for name in self._sensors]
        utc_ns, synced = self._clock.utc_ns(), self._clock.synced()
        told = verdict.assessment is not None or verdict.state != UNKNOWN
        if told or not self._watch.holds(verdict.mono_ns):
            self._shown = verdict
        if self._shown is not None:
            facts = card(self._machine, self._shown, channels, utc_ns, synced)
            self._bulletin.post(f"machine/{verdict.machine}", facts)
        body = row_body(verdict, utc_ns, synced)
        self._records.put(Record("verdict", body, verdict.machine, False))
        if verdict.changed is not None:
            change = {**body, "from": verdict.changed}
            self._records.put(Record("state_change", change, None, True))
        self._count_alarm(verdict)

    def _count_alarm(self, verdict: "Verdict") -> None:
        """An alarm that a moment of distrust interrupts is still the same alarm."""
        if verdict.state != UNKNOWN:
            self.alarms += verdict.state == ALARM and self._judged != ALARM
            self._judged = verdict.state

    async def _examine(self, stretch: "Window") -> None:
        """A stretch is looked at on a thread of its own: a tenth of a second must not hold us."""
        facts = self._sensors[stretch.sensor]
        trust, values = window_trust(stretch.raw, facts.layout, facts.range_g, stretch.rate_hz)
        if trust != SOUND or stretch.rate_error > RATE_TRUSTED:
            return
        if self._watch.in_doubt:
            turning = await self._aside(self._watch.listen, values, stretch.rate_hz, self._facts)
            self._watch.turned(turning)
        if self._watch.operating.name == STOPPED:
            return
        heat = Heat(self._thermocouple.degc, self._watch.heat.rate_degc_min())
        found = await self._aside(
            examine,
            values,
            stretch.rate_hz,
            self._facts,
            facts.bandwidth_hz,
            self._watch.evidence,
            heat,
        )
        self._watch.stretched(values, stretch.rate_hz, found)

    async def _keep_baseline(self, mono_ns: int) -> None:
        """What was learned survives a restart."""
        version = self._watch.states.version
        if version != self._kept_version:
            self._bulletin.recover(self._mode)
            await self._notebook.write(self._key, to_json(self._watch.states.known()), mono_ns)
            self._kept_version = version
            self.fitted = Fitted()  # learned anew: as it is fitted now
        elif self._watch.rejected and self._watch.baseline is None:
            words = f"{self._machine.name}: {self._watch.rejected}; learning again"
            self._bulletin.degrade(self._mode, words)

    async def _keep_fitted(self, mono_ns: int) -> None:
        """What the sensor is like is learned once for a mounting: a restart must not excuse it."""
        text = fitted_to_json(self.fitted)
        if text and text != self._kept_fitted:
            self._kept_fitted = text
            key = fitted_key(self._machine, self._sensors[self._machine.vibration])
            await self._notebook.write(key, text, mono_ns)

    async def _keep_usage(self, mono_ns: int) -> None:
        """Run hours and starts: now and then, and when the machine comes to rest."""
        operating = self._watch.operating
        came_to_rest = operating.name == STOPPED and self._usage_state != STOPPED
        self._usage_state = operating.name
        if came_to_rest or mono_ns - self._usage_ns > USAGE_KEPT_S * 1e9:
            self._usage_ns = mono_ns
            await self._notebook.write(usage_key(self._machine), usage_to_json(operating), mono_ns)

    async def _keep_alarms(self, mono_ns: int) -> None:
        """Each change of an alarm is a row, and all of them survive a restart."""
        book = self._watch.book
        if not book.changes:
            return
        utc_ns, synced = self._clock.utc_ns(), self._clock.synced()
        for change in book.changes:
            body = alarm_body(self._machine.name, change, utc_ns, synced)
            self._records.put(Record("alarm_change", body, None, True))
        book.changes.clear()
        await self._notebook.write(
            alarms_key(self._machine), alarms_to_json(book, mono_ns), mono_ns
        )
