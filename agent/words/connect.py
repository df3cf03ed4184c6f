"""`latido connect --test`: the way to the broker step by step, and the one that fails by its name.

Name, TCP, TLS, session (credentials), the right to publish, and where a receiver's word counts the
right to hear it. By the very adapter that the agent uses, under a name of its own, so that an agent
that runs is not disturbed. MQTT 3.1.1 confirms what it throws away: there the right to publish is
"unknown". Exit codes: 0 nothing failed, 2 configuration, 3 the broker is not reachable.
"""

import asyncio

from agent import app
from agent.page.words import link_sentence, text
from agent.ports import LinkDown, Refused
from agent.words import start
from agent.words.exits import AWAY, DONE

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from typing import Any

    from agent.config import Settings

TEST_LANE = "test"  # receivers pass it over
TEST_MESSAGE = b'{"schema":2,"lane":"test"}'
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
    failed, reason, blind = asyncio.run(tried(settings))
    for step in _steps(settings):
        state = "ok" if failed is None or STEPS.index(step) < STEPS.index(failed) else "failed"
        if state == "ok" and step == "publish" and blind:
            state = "unknown"
        if options.json:
            fault = {"reason": reason} if state == "failed" else {}
            print_object({"step": step, "state": state, **fault})
        else:
            print(_line(step, state, reason, language))
        if state == "failed":
            return AWAY
    return DONE


async def tried(settings: "Settings") -> "tuple[str | None, list[Any], bool]":
    """(the step that failed or None, its reason as `link_sentence` takes it, blind).

    `blind`: nothing tells whether the test message was thrown away.
    """
    upstream, root = app.upstream_for(settings, "test")
    at, blind = "session", False
    try:
        async with upstream.connect() as link:
            at, blind = "publish", not link.tells_refusals
            await link.publish(f"{root}/data/{TEST_LANE}", TEST_MESSAGE)
            if settings.broker.receipt == "receiver":
                at = "receipt"
                await link.subscribe([f"{root}/ack"])
    except LinkDown as down:
        facts = {"place": down.place, "detail": down.detail}
        return STEP_OF.get(down.code, at), [down.code, facts], blind
    except Refused as refused:
        return "publish", ["refuses_all", {"place": "", "detail": str(refused)}], blind
    return None, [], blind


def _steps(settings: "Settings") -> "list[str]":
    """Those that these settings have."""
    broker = settings.broker
    tls = broker.tls or broker.tls_ca or broker.tls_certificate
    absent = [] if tls else ["tls"]
    absent += [] if broker.receipt == "receiver" else ["receipt"]
    return [step for step in STEPS if step not in absent]


def _line(step: str, state: str, reason: "list[Any]", language: str) -> str:
    sign = {"ok": "✓", "unknown": "?"}.get(state, "✕")
    why = f": {link_sentence(reason, language)}" if state == "failed" else ""
    if state == "unknown":
        why = f": {text('connect.unknown', language)}"
    return f"{sign} {text(f'connect.{step}', language)}{why}"
