"""Analyse: one machine's blocks to windows to verdicts, for the record stage and the bulletin."""

import asyncio

from agent.analysis.anomaly import to_json
from agent.analysis.decode import decode
from agent.analysis.features import shortest_window
from agent.analysis.spectra import iso_band_hz
from agent.analysis.trust import frames_trust, temperature_trust, window_trust
from agent.core.alarm import ALARM, NORMAL, UNKNOWN
from agent.core.block import CHECK, GOOD
from agent.core.window import WindowCutter
from agent.limits import RATE_TRUSTED, WINDOW_OVERLAP
from agent.ports import StoreFault
from agent.stages.machine import Temperature, baseline_key
from agent.stages.record import Record
from agent.stages.tell import card, row_body

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from agent.core.block import Block
    from agent.core.bulletin import Bulletin
    from agent.core.mailbox import Mailbox
    from agent.core.window import Window
    from agent.ports import Clock
    from agent.stages.machine import MachineWatch, Verdict


class Analyser:
    """`sensors`: {name: SensorFacts} of this machine's sensors, all feeding `blocks`."""

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
    ) -> None:
        self._machine = machine
        self._watch = watch
        self._sensors = sensors
        self._blocks = blocks
        self._records = records
        self._bulletin = bulletin
        self._clock = clock
        self._keep = keep
        vibration = sensors[machine.vibration]
        frames = shortest_window(vibration.rate_hz, iso_band_hz(machine.rpm)[0])
        self._cutter = WindowCutter(frames, frames // WINDOW_OVERLAP, vibration.layout.frame_bytes)
        self._status = {name: (GOOD, "") for name in sensors}
        self._kept = watch.baseline
        self._key = baseline_key(machine, watch.model)
        self._mode = f"baseline {machine.name}"
        self.verdicts: "dict[str, int]" = {}
        self._judged = NORMAL
        self._felt: "dict[str, tuple[float, float]]" = {}
        self._shown: "Verdict | None" = None
        self.windows = 0
        self.alarms = 0

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
        status, reason, degc = block.status, block.reason, None
        if block.status == GOOD and block.frames:
            last = block.raw[-facts.layout.frame_bytes :]
            status, reason = frames_trust(last, facts.layout)
            if status == GOOD:
                hot, cold = (float(value) for value in decode(last, facts.layout)[0])
                status, reason = temperature_trust((hot, cold), self._felt.get(block.sensor))
                self._felt[block.sensor] = (hot, cold)
                degc = hot if status == GOOD else None
        self._status[block.sensor] = (status, reason)
        self._watch.feel(Temperature(degc, status, reason))

    async def _listen(self, block: "Block") -> None:
        self._status[block.sensor] = (block.status, block.reason)
        windows = self._cutter.take(block)
        if block.status != GOOD:
            verdict = self._watch.distrust(block.sensor, block.status, block.reason, block.t0_ns)
            self._tell(verdict)
        for window in windows:
            if window.rate_error <= RATE_TRUSTED:
                self.windows += 1
                self._tell(self._judge(window))
                await self._keep_baseline()

    def _judge(self, window: "Window") -> "Verdict":
        facts = self._sensors[window.sensor]
        status, reason = frames_trust(window.raw, facts.layout)
        values = decode(window.raw, facts.layout)
        if status == GOOD:
            status, reason = window_trust(values, facts.range_g)
        self._status[window.sensor] = (status, reason)
        if status != GOOD:
            return self._watch.distrust(window.sensor, status, reason, window.end_ns)
        return self._watch.take(values, window.rate_hz, window.end_ns)

    def _tell(self, verdict: "Verdict") -> None:
        self.verdicts[verdict.state] = self.verdicts.get(verdict.state, 0) + 1
        channels = [
            {
                "name": name,
                "chip": facts.chip,
                "status": CHECK
                if facts.simulated and self._status[name][0] == GOOD
                else self._status[name][0],
                "reason": self._status[name][1] or ("simulated" if facts.simulated else ""),
            }
            for name, facts in self._sensors.items()
        ]
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

    async def _keep_baseline(self) -> None:
        """What was learned survives a restart."""
        if self._watch.baseline is not None and self._watch.baseline is not self._kept:
            baseline = self._watch.baseline
            try:
                await self._keep(self._key, to_json(baseline))
            except StoreFault as fault:
                self._bulletin.degrade(self._mode, f"{self._machine.name}: not kept yet ({fault})")
                return
            self._kept = baseline
            self._bulletin.recover(self._mode)
        elif self._watch.baseline is None and self._watch.rejected:
            words = f"{self._machine.name}: {self._watch.rejected}; learning again"
            self._bulletin.degrade(self._mode, words)
