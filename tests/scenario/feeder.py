"""The agent's way out without its sensors: recorder, store, deliverer, MQTT; rows are made up.

For kills by the hundred: it is up in a moment. `python -m tests.scenario.feeder STATE_DIR PORT
PROMISE`. Every tenth row is urgent, a setting is written all the time, until it is killed.
"""

import asyncio
import itertools
import sys

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
ROW_S = 0.01


async def feed(state_dir: str, port: int, promise: str) -> None:
    clock, bulletin, store = OsClock(), Bulletin(), SqliteStore(state_dir)
    await store.open()
    plain = dict.fromkeys(Broker._fields)
    broker = Broker(**{**plain, "host": "127.0.0.1", "port": port, "receipt": promise})
    records = Mailbox(RECORDS_QUEUED)
    recorder = Recorder(store, clock, bulletin, records)
    deliverer = Deliverer(
        store,
        AiomqttUpstream(broker, "feeder", ROOT),
        clock,
        bulletin,
        ROOT,
        promise,
        lambda: {"uplink": bulletin.get("uplink")},
    )
    await asyncio.gather(recorder.run(), deliverer.run(), make(records, store))


async def make(records: Mailbox, store: SqliteStore) -> None:
    for number in itertools.count():
        records.put(Record("corrupt", {"n": number}, None, number % 10 == 0))
        if number % 20 == 0:
            await store.put_setting("baseline", f'{{"n":{number},"filler":"{"x" * 500}"}}')
        await asyncio.sleep(ROW_S)


if __name__ == "__main__":
    asyncio.run(feed(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
