"""`latido connect --test`: the way to the broker step by step, and the one that fails by its name.

Name, TCP, TLS, session (credentials), the right to publish rows and how large a message may be, the
right to the status topic, retained messages, and where a receiver's word counts the right to hear
it: what the agent will do, as `connect_trial.py` tries it. MQTT 3.1.1 confirms what it throws away:
there a right is proved by the message that comes back, else it is "unknown". Exit codes: 0 every
step is proved, 1 one is unknown or the agent has to do without it, 2 configuration, 3 one failed.
"""

import asyncio

from agent.page.words import link_sentence, phrase, text
from agent.words import start
from agent.words.connect_trial import FAILED as STEP_FAILED
from agent.words.connect_trial import OK, STEPS, Trial
from agent.words.exits import AWAY, DONE, FAILED

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from typing import Any

    from agent.config import Settings

SIGNS = {OK: "✓", "limited": "!", "unknown": "?", STEP_FAILED: "✕"}


def run(options: "argparse.Namespace", print_object: "Callable[[object], None]") -> int:
    """`options`: config, lang, json."""
    settings, code, language = start.settings_with_broker(options, "connect")
    if settings is None:
        return code
    trial = Trial(settings)
    asyncio.run(trial.run())
    states = set()
    for step in _steps(settings):
        state, reason = trial.found.get(step, (OK, []))
        states.add(state)
        if options.json:
            why = {"reason": reason} if reason else {}
            print_object({"step": step, "state": state, **why})
        else:
            print(line(step, state, reason, language))
        if state == STEP_FAILED:
            return AWAY
    return DONE if states == {OK} else FAILED


def _steps(settings: "Settings") -> "list[str]":
    """Those that these settings have."""
    broker = settings.broker
    tls = broker.tls or broker.tls_ca or broker.tls_certificate
    absent = [] if tls else ["tls"]
    absent += [] if broker.receipt == "receiver" else ["receipt"]
    return [step for step in STEPS if step not in absent]


def line(step: str, state: str, reason: "list[Any]", language: str) -> str:
    """A step as a person reads it."""
    why = ""
    if state == STEP_FAILED:
        why = f": {link_sentence(reason, language)}"
    elif reason:
        code, facts = reason
        shown = {name: phrase(value, language) for name, value in facts.items()}
        why = f": {text(f'connect.{code}', language, **shown)}".replace(" ()", "")
    return f"{SIGNS[state]} {text(f'connect.{step}', language)}{why}"
