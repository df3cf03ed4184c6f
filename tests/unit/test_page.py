"""The page's server on a real socket: hostile requests, hostile names, two languages."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

import agent.page
from agent.adapters.upstream_aiomqtt import CONNACK_CODES
from agent.core.alarm_state import STATES
from agent.core.bulletin import Bulletin
from agent.limits import PAGE_CONNECTIONS, PAGE_EVENT_CLIENTS, PAGE_HEAD_S
from agent.page.app import PageServer
from agent.page.render import main_part
from agent.page.words import link_sentence, sentence, text
from agent.ports import LIVE, LaneStats, StoreStats
from agent.stages.keep import facts
from tests.doubles import FastClock
from tests.sim_loop import simulated

ROOT = Path(__file__).resolve().parents[2]
GET = "GET {} HTTP/1.1\r\nHost: pi\r\n\r\n"


class RealClock(FastClock):
    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def card(**changes: Any) -> dict[str, Any]:
    held = {
        "name": "Bomba 1",
        "kind": "pump",
        "state": "normal",
        "reason": ["like_baseline", {}],
        "velocity_rms_mm_s": 0.41,
        "zone": "A",
        "displacement_rms_um": 3.1,
        "zone_by": "velocity",
        "edition": "ISO 10816-1",
        "group": "class I",
        "informative": True,
        "temperature_degc": 44.25,
        "operating_state": "running",
        "rate_hz": 3264.0,
        "anomaly": {"score": 0.9, "threshold": 1.8, "verdict": "normal", "model": "autoencoder 1"},
        "sensors": [{"name": "de", "chip": "adxl345", "status": "good", "reason": ""}],
        "speed": None,
        "bearing": None,
        "findings": [],
        "cannot_see": [],
        "alarms": [],
        "run_hours": 12.5,
        "starts": 3,
        "windows": 5,
        "mono_ns": 1_000_000_000,
        "utc_ns": 0,
        "clock_synced": False,
    }
    return {**held, **changes}


def bulletin_with(**changes: Any) -> Bulletin:
    bulletin = Bulletin()
    bulletin.post(
        "device",
        {"site": "s", "name": "d", "version": "1", "simulated": False, "config_version": 3},
    )
    bulletin.post("machine/Bomba 1", card(**changes))
    return bulletin


def served(
    scene: Callable[[int], Awaitable[None]],
    bulletin: Bulletin | None = None,
    play: Callable[[Coroutine[Any, Any, None]], None] = asyncio.run,
) -> None:
    """Runs `scene(port)` against a page; `play`: in real time, or `simulated`."""

    async def run() -> None:
        page = PageServer(bulletin or bulletin_with(), RealClock(), "127.0.0.1", 0, "es")
        await page.start()
        try:
            await asyncio.wait_for(scene(page.port), 30)
        finally:
            await page.stop()

    play(run())


async def asked(port: int, request: str | bytes) -> tuple[int, str, str]:
    """(status, head, body) of one raw request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode() if isinstance(request, str) else request)
    content = await reader.read()
    writer.close()
    head, _, body = content.decode().partition("\r\n\r\n")
    return int(head.split(" ")[1]), head, body


def test_the_page_is_whole_without_a_script_and_asks_nobody_else() -> None:
    async def scene(port: int) -> None:
        status, head, body = await asked(port, GET.format("/"))
        assert status == 200 and "default-src 'self'" in head
        assert "Bomba 1" in body and "0.41 mm/s" in body and "44.2 °C" in body
        assert "Vibra como en su línea base." in body and 'lang="es"' in body
        assert re.findall(r'(?:src|href)="(?!/)', body) == []
        for path in ("/static/page.css", "/static/page.js", "/static/icon.svg"):
            status, _, content = await asked(port, GET.format(path))
            assert status == 200
            assert "http" not in content.replace("http://www.w3.org/2000/svg", "")

    served(scene)


def test_the_language_is_asked_for_and_remembered() -> None:
    async def scene(port: int) -> None:
        _, head, body = await asked(port, GET.format("/?lang=en"))
        assert "It vibrates as in its baseline." in body and "Set-Cookie: lang=en" in head
        cookie = "GET / HTTP/1.1\r\nCookie: lang=en\r\n\r\n"
        assert "It vibrates" in (await asked(port, cookie))[2]
        assert "Vibra" in (await asked(port, GET.format("/?lang=xx")))[2]

    served(scene)


@pytest.mark.parametrize(
    ("evicted", "unsure", "said", "not_said"),
    [
        (0, 0, "Almacenamiento", "costaron"),
        (64, 64, "costaron a lo más 64 registros en vivo", "descartados"),
        (70, 64, "6 registros descartados", "70"),
        (6, 0, "6 registros descartados", "costaron"),
    ],
)
def test_what_power_cuts_left_behind_is_not_told_as_rows_that_were_given_up(
    evicted: int, unsure: int, said: str, not_said: str
) -> None:
    lane = LaneStats(LIVE, 100, 30, evicted, 0, 0, 0, unsure)
    stats = StoreStats(0, 0, 0, None, 2**20, 0, 0, (lane,), 2**26)
    bulletin = bulletin_with()
    bulletin.post("store", {**facts(stats), "written_mb_a_day": None, "card_life_years": None})
    page = main_part(bulletin.snapshot(), "es", 0)
    card_of_store = page[page.index('class="card store"') :]
    assert said in card_of_store and not_said not in card_of_store


def test_a_hostile_name_is_shown_and_not_run() -> None:
    name = '<script>alert("1")</script>'
    bulletin = bulletin_with(
        name=name, reason=["sensor", {"name": name, "status": "failure", "reason": name}]
    )
    bulletin.degrade("store", name)

    async def scene(port: int) -> None:
        _, _, body = await asked(port, GET.format("/"))
        assert "<script>alert" not in body and "&lt;script&gt;alert" in body

    served(scene, bulletin)


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        ("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 405),
        ("GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 413),
        ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 413),
        ("GET / HTTP/1.1\r\nX: " + "x" * 9000 + "\r\n\r\n", 431),
        ("GET / HTTP/1.1\r\n" + "a: b\r\n" * 70 + "\r\n", 431),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        ("nonsense\r\n\r\n", 400),
        ("GET http://elsewhere/ HTTP/1.1\r\n\r\n", 400),
        ("GET /\xff HTTP/1.1\r\n\r\n", 400),
        (GET.format("/static/../app.py"), 404),
        (GET.format("/static/%2e%2e/app.py"), 404),
        (GET.format("/etc/passwd"), 404),
        (GET.format("/?lang=%zz"), 400),
        (GET.format("/?lang=%ff"), 400),
        (GET.format("/%"), 400),
    ],
)
def test_what_does_not_belong_is_refused(request_text: str, status: int) -> None:
    async def scene(port: int) -> None:
        found, _, body = await asked(port, request_text.encode("latin-1"))
        assert found == status and body
        assert (await asked(port, GET.format("/")))[0] == 200

    served(scene)


def test_a_slow_sender_is_let_go_and_too_many_are_refused() -> None:
    async def scene(port: int) -> None:
        slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(PAGE_CONNECTIONS)]
        for _, writer in slow:
            writer.write(b"GET / HT")
        await asyncio.sleep(0.2)
        assert (await asked(port, GET.format("/")))[0] == 503
        began_s = asyncio.get_running_loop().time()
        assert b"408" in await slow[0][0].read()
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(PAGE_HEAD_S, abs=0.5)
        assert (await asked(port, GET.format("/")))[0] == 200

    served(scene, play=simulated)


def test_events_bring_the_newest_and_only_so_many_may_listen() -> None:
    bulletin = bulletin_with()

    async def scene(port: int) -> None:
        listening = [
            await asyncio.open_connection("127.0.0.1", port) for _ in range(PAGE_EVENT_CLIENTS)
        ]
        for _, writer in listening:
            writer.write(GET.format("/events").encode())
        reader = listening[0][0]
        first = await reader.readuntil(b"\n\n")
        assert b"text/event-stream" in first or b"Bomba 1" in first
        for windows in range(10):
            bulletin.post("machine/Bomba 1", card(windows=windows, velocity_rms_mm_s=windows / 10))
        bulletin.post("machine/Bomba 1", card(state="alarm"))
        while b"data-state" not in (event := await reader.readuntil(b"\n\n")):
            continue
        while "alarm" not in json.loads(event.split(b"data: ", 1)[1]):
            event = await reader.readuntil(b"\n\n")
        assert (await asked(port, GET.format("/events")))[0] == 503
        listening[0][1].close()

    served(scene, bulletin)


def test_both_catalogues_say_the_same_things() -> None:
    folder = Path(agent.page.__file__).parent
    spanish, english = (json.loads((folder / f"{lang}.json").read_text()) for lang in ("es", "en"))
    assert list(spanish) == list(english)
    for key, words in spanish.items():
        assert set(re.findall(r"{(\w+)}", words)) == set(re.findall(r"{(\w+)}", english[key])), key


def test_an_old_verdict_is_called_old() -> None:
    async def scene(port: int) -> None:
        _, _, body = await asked(port, GET.format("/?lang=en"))
        assert "Last verdict 61 s ago" in body

    served(scene, bulletin_with(mono_ns=-60_000_000_000))


@pytest.mark.parametrize("language", ["es", "en"])
def test_every_reason_has_a_sentence(language: str) -> None:
    band = {"feature": "band_14", "times": 3.3, "score": 41.2, "threshold": 1.83}
    reasons: list[Any] = [
        ["learning", {"done": 3, "needed": 200}],
        ["like_baseline", {}],
        ["no_baseline", {"zone": "A"}],
        ["anomaly", {**band, "low_hz": 1028.1, "high_hz": 1263.7}],
        ["anomaly", {**band, "feature": "envelope_rms"}],
        ["severity", {"zone": "D", "velocity": 5.1, "limit": 4.5}],
        ["sensor", {"name": "de", "status": "failure", "reason": "overrun"}],
        ["stopped", {}],
        ["starting", {}],
        ["temperature", {"value": 95.0, "limit": 90.0}],
    ]
    for reason in reasons:
        words = sentence(reason, language)
        assert len(words) > 10 and "{" not in words


def test_a_zone_says_whose_limits_it_is_by_and_what_it_does_not_see() -> None:
    page = main_part({"machine/M": card(edition="site", group="ISO 10816-1 class I")}, "en", 10**9)
    assert "the site&#x27;s own limits (instead of ISO 10816-1 class I)" in page
    assert "Velocity alone does not see early bearing faults." in page
    moved = main_part({"machine/M": card(zone="C", zone_by="displacement")}, "es", 10**9)
    assert "Desplazamiento de vibración" in moved and "3 µm" in moved
    assert "no ve fallas tempranas" not in moved


@pytest.mark.parametrize("language", ["es", "en"])
def test_every_way_to_have_no_connection_has_a_sentence(language: str) -> None:
    sources = [path.read_text() for path in (ROOT / "agent").rglob("*.py")]
    codes = {code for text in sources for code in re.findall(r'LinkDown\(\s*"(\w+)"', text)}
    codes |= set(CONNACK_CODES.values()) | {"refused", "no_answer", "no_route", "taken_over"}
    assert len(codes) > 15
    for code in codes:
        words = link_sentence([code, {"place": "b:1883", "detail": ""}], language)
        assert len(words) > 10 and "{" not in words and "()" not in words
    assert link_sentence([], language) == "" and link_sentence(["starting", {}], language)


def test_the_page_says_who_set_the_clock_and_that_nobody_has() -> None:
    for synced, source, dated, english, spanish in (
        (True, "chronyd", True, "set, says chronyd", "en hora, según chronyd"),
        (False, "", True, "has lost contact", "perdió el contacto"),
        (False, "", False, "nobody has set it yet", "nadie lo ha puesto en hora"),
    ):
        facts = {"clock": {"synced": synced, "source": source, "dated": dated}}
        assert english in main_part(facts, "en", 0)
        assert spanish in main_part(facts, "es", 0)


def test_alarms_and_running_hours_are_shown_in_both_languages() -> None:
    alarms = [{"name": "anomaly", "state": "unacknowledged_active", "level": "alarm"}]
    for language, words in (("en", "active, not acknowledged"), ("es", "activa, sin reconocer")):
        page = main_part({"machine/M": card(alarms=alarms)}, language, 10**9)
        assert words in page and "12.5 h" in page
    assert 'class="alarms"' not in main_part({"machine/M": card()}, "en", 10**9)


@pytest.mark.parametrize("name", STATES[1:])
def test_every_state_of_an_alarm_has_words(name: str) -> None:
    assert text(f"alarm.{name}", "es") and text(f"alarm.{name}", "en")
