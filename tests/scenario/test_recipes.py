"""The recipes beside the ledger, on what a real agent sends to a real broker.

TimescaleDB's recipe runs on plain PostgreSQL, all but its two calls of the extension. Telegraf is
no package here: its parser json_v2 is followed as its documentation says (names of nested keys are
joined by underscores, nulls are left out, a metric without a field is none).
"""

import json
import tomllib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import paho.mqtt.client as mqtt
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from firmware_tools.ledger.account import Row
from firmware_tools.ledger.keep import Keeper
from firmware_tools.ledger.read import read_bundle
from tests.mosquitto import Mosquitto, Receiver
from tests.postgres import ledger_place
from tests.running import RunningAgent

RECIPES = Path(__file__).resolve().parents[2] / "firmware_tools" / "ledger" / "recipes"
OF_THE_EXTENSION = (
    "CREATE EXTENSION IF NOT EXISTS timescaledb;",
    "SELECT create_hypertable('velocity', 'at', if_not_exists => TRUE);",
)
WITHIN_S = 90.0
ROWS = 4
pytestmark = pytest.mark.mosquitto


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, bytes]]:
    """(topic, payload) of the rows of an agent's first moments, a verdict with a velocity among
    them.
    """
    folder = tmp_path_factory.mktemp("recipes")
    broker = Mosquitto(folder)
    broker.start()
    heard: list[tuple[str, bytes]] = []
    listener = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=uuid.uuid4().hex)
    listener.on_message = lambda c, u, m: heard.append((m.topic, bytes(m.payload)))
    listener.connect("127.0.0.1", broker.port)
    listener.subscribe("latido/+/+/data/+", 1)
    listener.loop_start()
    receiver = Receiver(broker.port)
    agent = RunningAgent(folder, broker.port)
    try:
        agent.start()
        receiver.wait_for(lambda r: len(judged(r.rows.values())) >= ROWS, WITHIN_S)
    finally:
        agent.close()
        receiver.close()
        listener.disconnect()
        listener.loop_stop()
        broker.stop()
    return heard


def judged(rows: Any) -> list[dict[str, Any]]:
    found = [row for row in list(rows) if row["kind"] in ("verdict", "state_change")]
    return [row for row in found if row["body"]["velocity_rms_mm_s"] is not None]


def rows_of(messages: list[tuple[str, bytes]]) -> list[Row]:
    found = []
    for topic, payload in messages:
        _, site, device, _, lane = topic.split("/")
        found += read_bundle(f"{site}/{device}", lane, payload)[1]
    return found


@pytest.fixture
def fleet(messages: list[tuple[str, bytes]]) -> Iterator[tuple[Any, list[Row]]]:
    """(an open PostgreSQL with the agent's rows, the rows)."""
    with ledger_place("postgresql") as place:
        keeper, rows = Keeper(place), rows_of(messages)
        keeper.keep(rows, [], [])
        keeper.close()
        with psycopg.connect(place, autocommit=True) as db:
            yield db, rows


def recipe() -> str:
    """Without the lines that are the extension's own."""
    text = (RECIPES / "timescaledb.sql").read_text()
    for line in OF_THE_EXTENSION:
        assert text.count(line) == 1
        text = text.replace(line, "")
    return text


def test_the_recipe_of_timescaledb_fills_its_table_once_however_often_it_runs(
    fleet: tuple[Any, list[Row]],
) -> None:
    db, rows = fleet
    for _ in range(3):
        db.execute(recipe())
    told = db.execute(
        "SELECT device, boot, lane, seq, machine, state, zone, velocity_rms_mm_s,"
        " EXTRACT(EPOCH FROM at) FROM velocity"
    ).fetchall()
    wanted = {row[:4]: json.loads(row.body) for row in rows if row.kind in KINDS_JUDGED}
    assert len(told) == len(wanted) >= ROWS
    for *key, machine, state, zone, velocity, at_s in told:
        body = wanted[tuple(key)]
        assert [machine, state, zone] == [body[name] for name in ("machine", "state", "zone")]
        assert velocity == body["velocity_rms_mm_s"]
        assert abs(float(at_s) - body["utc_ns"] / 1e9) < 1e-5


KINDS_JUDGED = ("verdict", "state_change")


def test_the_recipe_of_timescaledb_moves_what_is_dated_anew(fleet: tuple[Any, list[Row]]) -> None:
    """An hour later by the boot's clock row; what comes after its reach stays."""
    db, rows = fleet
    db.execute(recipe())
    before = dict(db.execute("SELECT seq, at FROM velocity WHERE lane = 'live'").fetchall())
    live = sorted(row for row in rows if row.lane == "live" and row.kind == "verdict")
    middle = live[len(live) // 2]
    clock = {
        "boot": middle.boot,
        "through_mono_ns": middle.mono_ns,
        "mono_ns": middle.mono_ns,
        "utc_ns": json.loads(middle.body)["utc_ns"] - 3600 * 10**9,
        "rate_ppm": 0.0,
        "reason": "first_sync",
    }
    db.execute(
        "INSERT INTO rows VALUES (%s, %s, 'alarm', 9999, 0, 0, 'clock', %s, NULL)",
        (middle.device, middle.boot, json.dumps(clock)),
    )
    db.execute(recipe())
    after = dict(db.execute("SELECT seq, at FROM velocity WHERE lane = 'live'").fetchall())
    assert after.keys() == before.keys()
    moved_s = {seq: (before[seq] - after[seq]).total_seconds() for seq in before}
    for row in live:
        hour_s = 3600 if row.mono_ns <= middle.mono_ns else 0
        assert abs(moved_s[row.seq] - hour_s) < 0.1, row.seq


def test_the_views_of_the_recipe_show_gaps_and_all_that_tombstones_tell(
    fleet: tuple[Any, list[Row]],
) -> None:
    db, _ = fleet
    gone = {"boot": 1, "lane": "live", "seq_from": 4, "seq_to": 6, "reason": "limit"}
    body = json.dumps({**gone, "also": [{**gone, "lane": "alarm", "seq_to": 4}]})
    raw = [Row("s/d", 1, "live", n, 0, n, "verdict", '{"zone":"A"}') for n in (2, 3, 7)]
    thinned = Row("s/d", 1, "live", 12, 9, 0, "verdict", "{}")
    for row in (*raw, thinned, Row("s/d", 1, "alarm", 1, 0, 0, "tombstone", body)):
        db.execute("INSERT INTO rows VALUES (%s, %s, %s, %s, %s, %s, %s, %s, NULL)", tuple(row))
    db.execute(recipe().split("CREATE TABLE")[0])
    of_it = "WHERE device = 's/d' ORDER BY first, lane"
    gaps = db.execute(f"SELECT first, last FROM gaps {of_it}").fetchall()
    told = db.execute(f"SELECT lane, first, last FROM tombstones {of_it}").fetchall()
    assert gaps == [(1, 1), (4, 6), (8, 8)]
    assert told == [("alarm", 4, 4), ("live", 4, 6)]


class Metric(NamedTuple):
    tags: dict[str, str]
    fields: dict[str, Any]
    at_ns: int | None


def metrics(topic: str, payload: bytes) -> list[Metric]:
    """What Telegraf makes of a message by our configuration."""
    (consumer,) = tomllib.loads((RECIPES / "telegraf.conf").read_text())["inputs"]["mqtt_consumer"]
    (wanted,) = consumer["topics"]
    (topics,) = consumer["topic_parsing"]
    assert topics["topic"] == wanted == "latido/+/+/data/+"
    names, parts = topics["tags"].split("/"), topic.split("/")
    assert len(names) == len(parts) == 5
    of_topic = {name: part for name, part in zip(names, parts, strict=True) if name != "_"}
    (parser,) = consumer["json_v2"]
    (told,) = parser["object"]
    rows = json.loads(payload).get(told["path"])
    assert rows is not None or told["optional"]
    return [metric_of(row, told, of_topic) for row in rows or []]


def metric_of(row: dict[str, Any], told: dict[str, Any], of_topic: dict[str, str]) -> Metric:
    held = {name: value for name, value in flat(row) if name in told["included_keys"]}
    at_ns = held.pop(told["timestamp_key"], None)
    assert told["timestamp_format"] == "unix_ns" and isinstance(at_ns, int | None)
    tags = {name: str(held.pop(name)) for name in told["tags"] if name in held}
    assert all(held[name] == int(held[name]) for name in told["fields"] if name in held)
    return Metric({**of_topic, **tags}, held, at_ns)


def flat(value: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, part in value.items():
        if isinstance(part, dict):
            yield from flat(part, f"{before}{name}_")
        elif part is not None and not isinstance(part, list):
            yield f"{before}{name}", part


def test_the_recipe_of_telegraf_makes_a_point_of_every_row(
    messages: list[tuple[str, bytes]],
) -> None:
    found = [metric for topic, payload in messages for metric in metrics(topic, payload)]
    rows = rows_of(messages)
    assert len(found) == len(rows)
    for metric, row in zip(found, rows, strict=True):
        body = json.loads(row.body)
        assert metric.fields["seq"] == row.seq, "a point without a field is none"
        assert f"{metric.tags['site']}/{metric.tags['device']}" == row.device
        assert metric.tags["lane"] == row.lane and metric.tags["kind"] == row.kind
        assert metric.at_ns == body.get("utc_ns")
        if row.kind in KINDS_JUDGED:
            assert metric.tags["body_machine"] == body["machine"]
            assert metric.fields.get("body_velocity_rms_mm_s") == body["velocity_rms_mm_s"]
            score = None if body["anomaly"] is None else body["anomaly"]["score"]
            assert metric.fields.get("body_anomaly_score") == score


def test_no_row_of_telegraf_is_a_series_of_its_own(messages: list[tuple[str, bytes]]) -> None:
    found = [metric for topic, payload in messages for metric in metrics(topic, payload)]
    states = {(m.tags["lane"], m.tags["kind"], m.tags.get("body_state")) for m in found}
    series = {tuple(sorted(metric.tags.items())) for metric in found}
    assert len(series) <= 2 * len(states), "some zones beside"
    points = [(*sorted(metric.tags.items()), metric.at_ns) for metric in found]
    assert len(set(points)) == len(points), "no row overwrites another"


def test_a_test_message_is_no_error_to_telegraf() -> None:
    assert metrics("latido/s/d/data/test", b'{"schema":2,"lane":"test","token":"00"}') == []
