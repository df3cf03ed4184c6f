"""The agent's way out without its sensors: recorder, store, deliverer, MQTT; rows are made up.

For kills by the hundred: it is up in a moment. `python -m tests.scenario.feeder STATE_DIR PORT
PROMISE PACE`. A setting is written all the time, until it is killed. An urgent row takes all that
waits in memory to the disk: where they are rare, a life ends with rows that are in memory alone.
"""

import asyncio
import itertools
import sys
from collections import namedtuple

from agent.adapters.clock_os import OsClock
from agent.adapters.store_sqlite import SqliteStore
from agent.adapters.upstream_aiomqtt import AiomqttUpstream
from agent.config import Broker
from agent.core.bulletin import Bulletin
from agent.core.mailbox import Mailbox
from agent.limits import RECORDS_QUEUED
from agent.stages.deliver import Deliverer
from agent.stages.record import Record, Recorder

ROOT = "latido/chaos/feeder"
# Seconds between rows, which of them is urgent, and which writes a setting.
Pace = namedtuple("Pace", ("row_s", "urgent", "setting"))
PACES = {"feeder": Pace(0.01, 10, 20), "quiet": Pace(0.05, 100, 4)}


async def feed(state_dir: str, port: int, promise: str, pace: Pace) -> None:
    clock, bulletin, store = OsClock(), Bulletin(), SqliteStore(state_dir)
    await store.open()
    plain = dict.fromkeys(Broker._fields)
    broker = Broker(**{**plain, "host": "127.0.0.1", "port": port, "receipt": promise})
    records = Mailbox(RECORDS_QUEUED)
    recorder = Recorder(store, clock, bulletin, records)
    deliverer = Deliverer(
        store,
        AiomqttUpstream(broker, "feeder", f"{ROOT}/status"),
        clock,
        bulletin,
        ROOT,
        promise,
        lambda: {"uplink": bulletin.get("uplink")},
    )
    await asyncio.gather(recorder.run(), deliverer.run(), make(records, store, pace))


async def make(records: Mailbox, store: SqliteStore, pace: Pace) -> None:
    for number in itertools.count():
        records.put(Record("corrupt", {"n": number}, None, number % pace.urgent == 0))
        if number % pace.setting == 0:
            await store.put_setting("baseline", f'{{"n":{number},"filler":"{"x" * 500}"}}')
        await asyncio.sleep(pace.row_s)


if __name__ == "__main__":
    where, port, promise, pace = sys.argv[1:]
    asyncio.run(feed(where, int(port), promise, PACES[pace]))
