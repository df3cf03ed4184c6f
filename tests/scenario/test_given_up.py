"""What the kills are judged by: each thing that may not be given up is named when it is."""

import asyncio
import json
from typing import Any

import pytest

from agent.limits import COMMIT_INTERVAL_S, EXPRESS_ROWS
from agent.ports import ALARM, CUT, HISTORY, LIVE
from firmware_tools.ledger.account import Account, Row
from tests.proxy import Proxy
from tests.scenario.given_up import LATE_S, Ends, GivenUp, cuts
from tests.scenario.overheard import Overheard, published

DEVICE, BOOT = "s/d", 7
KILL_NS = 100 * 10**9
OLD_NS = KILL_NS - int((COMMIT_INTERVAL_S[LIVE] + LATE_S + 0.1) * 1e9)


def part(lane: str = LIVE, first: int = 4, last: int = 35, reason: str = CUT) -> dict[str, Any]:
    return {"lane": lane, "boot": BOOT, "seq_from": first, "seq_to": last, "reason": reason}


def rig(sent: dict[int, int], *parts: dict[str, Any], lane: str = LIVE) -> GivenUp:
    """Rows 1 to 5 came; `sent`: {seq: mono_ns} of what was put on the wire."""
    account = Account()
    rows = [Row(DEVICE, BOOT, lane, seq, 0, 0, "verdict", "{}") for seq in range(1, 6)]
    account.take(DEVICE, {"boot": BOOT, "lane": lane, "freed_to": 0}, rows)
    for one in parts:
        account.bury(DEVICE, one)
    body = {**parts[0], "also": list(parts[1:])} if parts else part(reason="limit")
    ends = Ends([1, KILL_NS], {(BOOT, lane, seq): at_ns for seq, at_ns in sent.items()})
    return GivenUp(cuts([(DEVICE, json.dumps(body))]), account, ends)


def test_what_is_promised_is_counted_and_not_complained_of() -> None:
    made = rig({3: 5, 5: 6, 6: KILL_NS - 10**9, 7: KILL_NS - 5 * 10**8}, part())
    assert made.broken() == []
    assert made.lines()[LIVE] == {
        "ends": 1, "numbers": EXPRESS_ROWS, "came": 2, "sent": 2, "oldest_s": 1.0
    }  # fmt: skip
    assert made.lines()[ALARM]["numbers"] == 0
    assert "1.00 s old" in made.broken(interval_s=-0.1)[0], "by a shorter bound it would be too old"


@pytest.mark.parametrize(
    ("sent", "parts", "words"),
    [
        ({}, [part(ALARM)], "costs nothing"),
        ({}, [part(HISTORY)], "costs nothing"),
        ({}, [part(last=4 + EXPRESS_ROWS)], "more than the 32 numbers"),
        ({}, [part(), part(first=50, last=51)], "given up twice"),
        ({6: OLD_NS, 7: KILL_NS - 1}, [part()], "2.10 s old was not on the disk"),
        ({9: KILL_NS - 1}, [], "live 9: was sent, and nobody knows of it"),
    ],
)
def test_what_is_beyond_the_promise_is_named(
    sent: dict[int, int], parts: list[dict[str, Any]], words: str
) -> None:
    (complaint,) = rig(sent, *parts).broken()
    assert words in complaint


def test_rows_that_gave_way_for_another_reason_are_no_cut() -> None:
    made = rig({}, part(HISTORY, 1, 500, "limit"))
    assert made.broken() == [] and made.lines()[HISTORY]["ends"] == 0


@pytest.mark.parametrize("properties", [b"", b"\0"])
@pytest.mark.parametrize("step", [1, 3, 10_000])
def test_rows_are_overheard_however_their_bytes_come(properties: bytes, step: int) -> None:
    rows = [{"seq": seq, "mono_ns": 10 * seq} for seq in (1, 2)]
    text = json.dumps({"boot": BOOT, "lane": LIVE, "filler": "x" * 300, "rows": rows}).encode()
    told = packet(b"latido/s/d/status", properties, b'{"schema":1}')
    stream = b"\x10\x02\0\0" + told + packet(b"latido/s/d/data/live", properties, text) + b"\xc0\0"
    heard = Overheard()
    hear = heard.connection()
    for place in range(0, len(stream), step):
        hear(stream[place : place + step])
    assert heard.rows == {(BOOT, LIVE, 1): 10, (BOOT, LIVE, 2): 20}
    assert published(told) == ("latido/s/d/status", b'{"schema":1}')


def packet(topic: bytes, properties: bytes, payload: bytes) -> bytes:
    """A PUBLISH of QoS 1."""
    rest = len(topic).to_bytes(2, "big") + topic + b"\0\1" + properties + payload
    size = len(rest)
    length = bytes([size]) if size < 128 else bytes([size % 128 | 128, size // 128])
    return b"\x32" + length + rest


def test_the_proxy_lets_hear_what_a_black_hole_swallows() -> None:
    heard: list[bytes] = []

    async def scene() -> None:
        server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
        proxy = Proxy(server.sockets[0].getsockname()[1])
        proxy.overhear = lambda: heard.append
        proxy.start()
        proxy.black_hole()
        _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"row")
        while not heard:
            await asyncio.sleep(0)
        writer.close()
        proxy.close()
        server.close()

    asyncio.run(asyncio.wait_for(scene(), 10))
    assert b"".join(heard) == b"row"
