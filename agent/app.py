"""Composition root: settings to adapters to stages to supervised tasks. Alone imports adapters.

It also owns the order of stopping: sensors first, then what was judged is recorded, then the link
and the store are closed.
"""

import asyncio

from agent import __version__
from agent.adapters.clock_os import OsClock
from agent.adapters.sampling_process import SamplingProcess
from agent.adapters.store_sqlite import SqliteStore
from agent.adapters.upstream_aiomqtt import AiomqttUpstream
from agent.analysis.anomaly import StatisticsModel
from agent.analysis.features import FEATURE_VERSION
from agent.analysis.fitted import Fitted
from agent.analysis.fitted import from_json as fitted_from_json
from agent.analysis.known import from_json, to_json
from agent.analysis.severity import of_site, read_tables, table_for
from agent.buses import Buses, facts_of, plant_for
from agent.chips import known_chips
from agent.core.alarm_state import from_json as alarms_from_json
from agent.core.bulletin import DEGRADED, UNSAVED_ALARMS, Bulletin
from agent.core.mailbox import Mailbox
from agent.core.operating_state import unseen_machine, with_usage
from agent.limits import (
    BLOCKS_QUEUED,
    RECORDS_QUEUED,
    SETTLE_WINDOWS,
)
from agent.page.app import PageServer
from agent.ports import ModelFault, StoreFault
from agent.resources import default_model_dir, severity_tables_text
from agent.stages.acquire import Acquirer
from agent.stages.analyse import Analyser
from agent.stages.capture import Capturer
from agent.stages.control import Control
from agent.stages.date import Dater
from agent.stages.deliver import Deliverer
from agent.stages.health import Health
from agent.stages.keep import Keeper
from agent.stages.machine import MachineWatch, alarms_key, baseline_key, fitted_key, usage_key
from agent.stages.record import Recorder
from agent.supervisor import Supervisor
from agent.worker import Worker

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from agent.config import Settings


STATUS_KEYS = ("device", "config", DEGRADED, UNSAVED_ALARMS, "uplink", "store", "clock")


class Agent:
    """One agent by its settings. `start`, then `serve` until told to stop, then `summary`.

    `apart`: the sensors are sampled in a process of their own.
    """

    def __init__(self, settings: "Settings", apart: bool = False) -> None:
        self.settings = settings
        self.clock = OsClock()
        self._apart = apart
        self._plant = plant_for(settings, self.clock.monotonic_ns())
        self._buses = Buses(settings, self.clock, self._plant)
        self._sampling: "SamplingProcess | None" = None
        self.bulletin = Bulletin()
        self.store = SqliteStore(settings.state_dir, settings.store.limit_mb)
        self._records = Mailbox(RECORDS_QUEUED)
        self._recorder = Recorder(self.store, self.clock, self.bulletin, self._records)
        self._supervisor = Supervisor(self.clock, self.bulletin)
        self._health = Health(
            self.clock, self.bulletin, self._drops, self._frames, self._recoveries
        )
        self._aside = Worker("examine")
        self._ports: "dict[str, Any]" = {}
        self._acquirers: "list[Acquirer]" = []
        self._analysers: "list[Analyser]" = []
        self.sensors: "dict[str, Any]" = {}
        self._readers: "dict[str, list[Mailbox]]" = {}
        self._queues: "dict[str, Mailbox]" = {"records": self._records}
        self.page: "PageServer | None" = None
        self.found: "tuple[str, ...]" = ()  # what was wrong with the store's files, sentences

    async def start(self) -> None:
        """Opens store, model, buses and page. StoreFault, OSError for what cannot be had."""
        self.found = await self.store.open()
        for text in self.found:
            self.bulletin.degrade("store", text)
        settings = self.settings
        self.bulletin.post("device", self._device())
        page = settings.page
        self.page = PageServer(self.bulletin, self.clock, page.host, page.port, settings.language)
        try:
            await self.page.start()
        except OSError as error:
            place = f"page {page.host} port {page.port}"
            raise OSError(error.errno, f"{place}: {error.strerror or error}")
        model, notes = open_model(settings.model_dir)
        for note in notes:
            self.bulletin.degrade("model", note)
        self.open_sensors()
        for machine in settings.machines:
            await self._watch(machine, model)
        self._acquire()
        dater = Dater(self.store, self.clock, self.bulletin, self._records)
        self._supervisor.add("date", dater.run)
        self._supervisor.add("keep", Keeper(self.store, self.clock, self.bulletin).run)
        self._supervisor.add("record", self._recorder.run)
        if settings.broker is not None:
            self._supervisor.add("deliver", self._deliverer().run)
        self._supervisor.add("control", Control(settings.version, self.bulletin, self._records).run)
        self._supervisor.add("health", self._health.run)

    async def serve(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set or a task failed too often; then all is stopped, in order."""
        await self._supervisor.run(stop)

    async def close(self) -> "dict[str, Any]":
        """Buses to sleep, what was judged recorded, page and store closed; what the run came to."""
        self._buses.stop()
        if self._sampling is not None:
            self._sampling.stop()
        if self.page is not None:
            await self.page.stop()
        self._aside.stop()
        self.clock.close()
        if not self.store.is_open:
            return {}
        await self._recorder.finish()
        summary = await self._summary()
        await self.store.close()
        return summary

    @property
    def port(self) -> int:
        """The page's port, once started."""
        return self.page.port if self.page is not None else 0

    @property
    def failure(self) -> str:
        """What failed too often to go on, a sentence; "" after a stop that was asked for."""
        return self._supervisor.failure

    def _device(self) -> "dict[str, Any]":
        settings = self.settings
        return {
            "site": settings.device.site,
            "name": settings.device.name,
            "version": __version__,
            "simulated": self._plant is not None,
            "config_version": settings.version,
        }

    def open_sensors(self) -> None:
        """Makes each sensor's adapter, none of them started; {name: (adapter, facts)}."""
        if self._apart:
            self._sampling = SamplingProcess(self.settings, self.clock.monotonic_ns())
            adapters: "dict[str, Any]" = dict(self._sampling.sensors)
        else:
            adapters = dict(self._buses.open())
        for name, facts in facts_of(self.settings).items():
            self.sensors[name] = (adapters[name], facts)
            self._readers[name] = []

    def bus_port(self, bus: "Any") -> "Any":
        """The adapter of a bus in this process, made once: chips on one I2C bus share it."""
        return self._buses.port(bus)

    async def _watch(self, machine: "Any", model: "Any") -> None:
        table = severity_table(machine)
        known = await self._known(machine, table, model)
        book = await self._held(alarms_key(machine), machine, self._alarms)
        blank = unseen_machine(SETTLE_WINDOWS, machine.stopped_below_mm_s)
        operating = await self._held(
            usage_key(machine), machine, lambda text: with_usage(blank, text)
        )
        watch = MachineWatch(machine, table, model, known, book, operating)
        blocks = Mailbox(BLOCKS_QUEUED)
        names = [n for n in (machine.vibration, machine.temperature) if n is not None]
        facts = {name: self.sensors[name][1] for name in names}
        key = fitted_key(machine, facts[machine.vibration])
        fitted = await self._held(key, machine, fitted_from_json) or Fitted()
        analyser = Analyser(
            machine,
            watch,
            facts,
            blocks,
            self._records,
            self.bulletin,
            self.clock,
            self.store.put_setting,
            self._aside.call,
            fitted,
        )
        self._queues[f"blocks of {machine.name}"] = blocks
        self._analysers.append(analyser)
        self._supervisor.add(f"analyse {machine.name}", analyser.run)
        self._queues[f"captures of {machine.name}"] = analyser.captures
        capturer = Capturer(self.store, self.bulletin, analyser.captures, self._aside.call)
        self._supervisor.add(f"capture {machine.name}", capturer.run)
        for name in names:
            self._readers[name].append(blocks)

    def _acquire(self) -> None:
        """One task a sensor that somebody reads; two machines may share a thermocouple."""
        for name, readers in self._readers.items():
            adapter, facts = self.sensors[name]
            self._queues[f"batches of {name}"] = adapter.mailbox
            acquirer = Acquirer(adapter, facts.rate_hz, readers, facts.polled, self.clock)
            self._acquirers.append(acquirer)
            self._supervisor.add(f"acquire {name}", acquirer.run)

    async def _known(self, machine: "Any", table: "Any", model: "Any") -> "Any":
        """What was learned of a machine; a simulated one may learn ahead."""
        key = baseline_key(machine, model)
        known = await self._held(key, machine, from_json)
        simulated = self.sensors[machine.vibration][1].simulated
        ahead = simulated and self.settings.simulation.learn_ahead_s
        if known is None and ahead and await self.store.get_setting(key) is None:
            known = [self._learn_ahead(machine, table, model)]
            await self._kept_ahead(machine, key, to_json(known))
        return known

    async def _kept_ahead(self, machine: "Any", key: str, text: str) -> None:
        """What the disk refuses is learned ahead once more at the next start."""
        try:
            await self.store.put_setting(key, text)
        except StoreFault as fault:
            words = f"{machine.name}: not kept yet ({fault})"
            self.bulletin.degrade(f"baseline {machine.name}", words)

    async def _held(self, key: str, machine: "Any", read: "Any") -> "Any":
        """A kept setting, as `read` makes it of its text; None without one or when damaged."""
        text = await self.store.get_setting(key)
        if text is None:
            return None
        try:
            return read(text)
        except ValueError as error:
            mode = f"baseline {machine.name}"
            self.bulletin.degrade(mode, f"{machine.name}: {error}; learning again")
            return None

    def _alarms(self, text: str) -> "Any":
        return alarms_from_json(text, self.clock.monotonic_ns())

    def _learn_ahead(self, machine: "Any", table: "Any", model: "Any") -> "Any":
        """A simulated machine is known already: its healthy past, faster than real time."""
        from agent.simulated.learn import learn_healthy

        facts = self.sensors[machine.vibration][1]
        return learn_healthy(
            known_chips()[facts.chip],
            self._plant.healthy(facts.chip),
            facts.rate_hz,
            self.settings.simulation,
            (table, machine, model),
        )

    def _deliverer(self) -> "Deliverer":
        return deliverer_for(self.settings, self.store, self.clock, self.bulletin, self._status)

    def _status(self) -> "dict[str, Any]":
        """What the retained status message tells."""
        held = self.bulletin.snapshot()
        return {key: held[key] for key in STATUS_KEYS if key in held}

    def _drops(self) -> "dict[str, int]":
        return {name: queue.dropped for name, queue in self._queues.items()}

    def _frames(self) -> "tuple[int, int]":
        """(taken, lost) of all sensors; lost also for a machine whose analysis did not keep up."""
        makers = [acquirer.maker for acquirer in self._acquirers]
        dropped = sum(analyser.frames_dropped for analyser in self._analysers)
        return sum(m.frames_total for m in makers), sum(m.lost_total for m in makers) + dropped

    def _recoveries(self) -> "dict[str, dict[str, int]]":
        """Steps of the recovery ladder so far, of each sensor that needed one."""
        steps = {name: adapter.recoveries() for name, (adapter, _) in self.sensors.items()}
        return {name: counts for name, counts in steps.items() if counts}

    async def _summary(self) -> "dict[str, Any]":
        stats = await self.store.stats()
        samples, lost = self._frames()
        verdicts: "dict[str, int]" = {}
        for analyser in self._analysers:
            for state, count in analyser.verdicts.items():
                verdicts[state] = verdicts.get(state, 0) + count
        return {
            "samples": samples,
            "lost_samples": lost,
            "windows": sum(a.windows for a in self._analysers),
            "verdicts": verdicts,
            "rows_produced": self._recorder.produced_rows,
            "rows_carried_over": stats.carried_rows,
            "rows_delivered": stats.delivered_rows,
            "rows_backlog": stats.backlog_rows,
            "rows_unwritten": self._recorder.unwritten_rows,
            "alarms": sum(a.alarms for a in self._analysers),
            "recoveries": self._recoveries(),
            "degraded": sorted(self.bulletin.get("degraded")),
            "failed": bool(self.failure) or self._recorder.unwritten_rows > 0,
            "lag_p99_ms": round(self._health.lag_p99_ms(), 2),
        }


def severity_table(machine: "Any") -> "Any":
    """The standard's zones for a machine, or what its site set instead."""
    tables = read_tables(severity_tables_text())
    chosen = table_for(
        tables, machine.power_kw, machine.support, machine.kind, machine.pump_category
    )
    return of_site(chosen, machine.limits_mm_s, machine.limits_um)


def open_model(directory: "str | None") -> "tuple[Any, list[str]]":
    """(the model to run, notes on what is degraded); statistics alone when no model file loads."""
    from agent.adapters.model_tflite import load_model

    try:
        return load_model(directory or default_model_dir(), FEATURE_VERSION), []
    except ModelFault as fault:
        return StatisticsModel(), [f"rules and statistics only: {fault}"]


def upstream_for(settings: "Settings", extra: str = "") -> "tuple[AiomqttUpstream, str]":
    """(the broker, this device's root of topics). With `extra` under a name of its own, and the
    will beside the agent's rows instead of in its status.
    """
    device = settings.device
    root = f"latido/{device.site}/{device.name}"
    identifier = f"latido-{device.site}-{device.name}"
    if extra:
        will = f"{root}/data/{extra}"
        return AiomqttUpstream(settings.broker, f"{identifier}-{extra}", will), root
    return AiomqttUpstream(settings.broker, identifier, f"{root}/status"), root


def deliverer_for(
    settings: "Settings", store: "Any", clock: "Any", bulletin: "Bulletin", facts: "Any"
) -> "Deliverer":
    """The stage between a store and the broker of these settings."""
    upstream, root = upstream_for(settings)
    return Deliverer(store, upstream, clock, bulletin, root, settings.broker.receipt, facts)


def clock_and_store(settings: "Settings") -> "tuple[OsClock, SqliteStore]":
    """Of an agent that does not run; the store is not open yet."""
    return OsClock(), SqliteStore(settings.state_dir)


def embedded_broker() -> "Any":
    """The demo's own broker, in a process of its own."""
    from agent.adapters.broker_amqtt import EmbeddedBroker

    return EmbeddedBroker()
