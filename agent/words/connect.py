"""`latido connect --test`: the way to the broker step by step, and the one that fails by its name.

Name, TCP, TLS, session (credentials), the right to publish, and where a receiver's word counts the
right to hear it. By the very adapter that the agent uses, under a name of its own, so that an agent
that runs is not disturbed. MQTT 3.1.1 confirms what it throws away: there the right to publish is
proved by the test message that comes back, else it is "unknown". Exit codes: 0 every step is
proved, 1 the right to publish is unknown, 2 configuration, 3 a step failed.
"""

import asyncio
import binascii
import os
from collections import namedtuple

from agent import app
from agent.page.words import link_sentence, text
from agent.ports import LinkDown, Refused
from agent.words import start
from agent.words.exits import AWAY, DONE, FAILED

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from typing import Any

    from agent.config import Settings
    from agent.ports import Link

TEST_LANE = "test"  # receivers pass it over
ECHO_S = 5.0  # for the test message to come back, over a slow link too
# `failed`: a step or None; `reason`: its own, as `link_sentence` takes it; `doubt`: why nobody
# knows of the right to publish, [] when it is known.
Tried = namedtuple("Tried", ("failed", "reason", "doubt"))
STEPS = ("name", "tcp", "tls", "session", "publish", "receipt")
# Which step a code of LinkDown belongs to; what is not named here is the session's.
STEP_OF = {
    "name": "name",
    "refused": "tcp",
    "no_answer": "tcp",
    "no_route": "tcp",
    "tls_file": "tls",
    "tls_certificate": "tls",
    "tls": "tls",
    "tls_client": "tls",
    "tls_client_missing": "tls",
    "no_mqtt_tls": "tls",
    "publish_right": "publish",
    "no_puback": "publish",
    "refuses_all": "publish",
    "subscribe_right": "receipt",
}


def run(options: "argparse.Namespace", print_object: "Callable[[object], None]") -> int:
    """`options`: config, lang, json."""
    settings, code, language = start.settings_with_broker(options, "connect")
    if settings is None:
        return code
    found = asyncio.run(tried(settings))
    for step in _steps(settings):
        state = _state(step, found)
        if options.json:
            print_object({"step": step, "state": state, **_why(state, found)})
        else:
            print(_line(step, state, found, language))
        if state == "failed":
            return AWAY
    return FAILED if found.doubt else DONE


async def tried(settings: "Settings") -> "Tried":
    """The whole way, once."""
    upstream, root = app.upstream_for(settings, "test")
    at = "session"
    doubt: "list[Any]" = []
    try:
        async with upstream.connect() as link:
            at = "publish"
            doubt = await _published(link, f"{root}/data/{TEST_LANE}")
            if settings.broker.receipt == "receiver":
                at = "receipt"
                await link.subscribe([f"{root}/ack"])
    except LinkDown as down:
        facts = {"place": down.place, "detail": down.detail}
        return Tried(STEP_OF.get(down.code, at), [down.code, facts], doubt)
    except Refused as refused:
        return Tried("publish", ["refuses_all", {"place": "", "detail": str(refused)}], [])
    return Tried(None, [], doubt)


async def _published(link: "Link", topic: str) -> "list[Any]":
    """Sends the test message; [] when it is known to have arrived, else the doubt.

    Without a word of the broker's own it has arrived when it comes back. A broker of MQTT 3.1.1
    that does not allow it may confirm it and throw it away, or end the connection: nothing else.
    """
    token = binascii.hexlify(os.urandom(8)).decode()
    message = f'{{"schema":2,"lane":"{TEST_LANE}","token":"{token}"}}'.encode()
    if link.tells_refusals:
        await link.publish(topic, message)
        return []
    listens = await _listens(link, topic)
    await link.publish(topic, message)
    if not listens:
        return ["deaf", {"topic": topic}]
    try:
        await asyncio.wait_for(_heard(link, message), ECHO_S)
    except TimeoutError:
        return ["silent", {"topic": topic}]
    except LinkDown as down:
        raise LinkDown("publish_right", down.place, f"{topic}: {down.detail}")
    return []


async def _listens(link: "Link", topic: str) -> bool:
    try:
        await link.subscribe([topic])
    except LinkDown as down:
        if down.code != "subscribe_right":
            raise
        return False
    return True


async def _heard(link: "Link", message: bytes) -> None:
    while (await link.messages())[1] != message:
        continue


def _state(step: str, found: "Tried") -> str:
    if step == found.failed:
        return "failed"
    return "unknown" if step == "publish" and found.doubt else "ok"


def _why(state: str, found: "Tried") -> "dict[str, Any]":
    if state == "failed":
        return {"reason": found.reason}
    return {"reason": found.doubt} if state == "unknown" else {}


def _steps(settings: "Settings") -> "list[str]":
    """Those that these settings have."""
    broker = settings.broker
    tls = broker.tls or broker.tls_ca or broker.tls_certificate
    absent = [] if tls else ["tls"]
    absent += [] if broker.receipt == "receiver" else ["receipt"]
    return [step for step in STEPS if step not in absent]


def _line(step: str, state: str, found: "Tried", language: str) -> str:
    sign = {"ok": "✓", "unknown": "?"}.get(state, "✕")
    why = f": {link_sentence(found.reason, language)}" if state == "failed" else ""
    if state == "unknown":
        code, facts = found.doubt
        why = f": {text(f'connect.{code}', language, **facts)}"
    return f"{sign} {text(f'connect.{step}', language)}{why}"
