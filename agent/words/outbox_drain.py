"""`latido outbox drain`: sends what the store of a stopped agent holds, and says how far it is.

The same stage, store and adapter as the agent's. An agent that runs keeps its store: then
nothing is done. Exit codes: 0 nothing is left, 1 store (or none is there), 2 configuration, 3
broker not reachable, or no receiver that confirms where its receipt is what frees a row.
"""

import asyncio
import os
import sys
from pathlib import Path

from agent import app
from agent.core.bulletin import DEGRADED, Bulletin
from agent.limits import DRAIN_AWAY_S, TELL_INTERVAL_S
from agent.page.words import language_of, link_sentence, phrase, text
from agent.ports import StoreFault
from agent.stages.deliver import TOO_LARGE_MODE
from agent.stages.drain import RECEIVER
from agent.words import start
from agent.words.exits import AWAY, DONE, FAILED, USAGE
from agent.words.outbox import unread

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from typing import Any

    from agent.config import Settings

RECEIPT: "list[Any]" = ["receipt", {"place": "", "detail": ""}]  # what is waited for


def run(options: "argparse.Namespace", print_object: "Callable[[object], None]") -> int:
    """`options`: config, lang, json, seconds."""
    if options.config is None:
        words = text("outbox.no_config", options.lang or language_of(os.environ))
        print(f"latido outbox: {words}", file=sys.stderr)
        return USAGE
    settings, code, language = start.settings_with_broker(options, "outbox")
    if settings is None:
        return code
    missing = unread(Path(settings.state_dir) / "telemetry.db", language)
    if missing:  # a store that is made anew would have nothing to send, and look as if all went
        print(f"latido outbox: {missing}", file=sys.stderr)
        return FAILED
    try:
        return asyncio.run(_drain(settings, options, language, print_object))
    except StoreFault as fault:
        print(f"latido outbox: {phrase(str(fault), language)}", file=sys.stderr)
        return FAILED


async def _drain(
    settings: "Settings",
    options: "argparse.Namespace",
    language: str,
    print_object: "Callable[[object], None]",
) -> int:
    stop = asyncio.Event()
    start.stop_on_signals(stop)
    bulletin = Bulletin()
    clock, store = app.clock_and_store(settings)
    try:
        for note in await store.open():
            print(f"latido outbox: {phrase(note, language)}", file=sys.stderr)
        deliverer = app.deliverer_for(settings, store, clock, bulletin, lambda: _facts(bulletin))
        delivering = asyncio.ensure_future(deliverer.run())
        if options.seconds:
            asyncio.get_running_loop().call_later(options.seconds, stop.set)
        try:
            code = await _watch(store, bulletin, stop, _Progress(options, language, print_object))
            for _, words in sorted(bulletin.get(DEGRADED).items()):
                print(f"latido outbox: {phrase(words, language)}", file=sys.stderr)
            return code
        finally:
            delivering.cancel()
            await asyncio.gather(delivering, return_exceptions=True)
    finally:
        await store.close()


async def _watch(
    store: "Any", bulletin: "Bulletin", stop: "asyncio.Event", progress: "_Progress"
) -> int:
    """Until all is sent or told to stop, or broker, receiver's word or a larger packet limit
    stays away too long.
    """
    away_s, before = 0.0, None
    while True:
        left = (await store.stats()).backlog_rows
        uplink = bulletin.get("uplink") or {"reason": [], "connected": False}
        waits = uplink["connected"] and uplink["promise"] == RECEIVER
        moved = before is None or left < before
        progress.tell(left, RECEIPT if waits and not moved else uplink["reason"])
        if left <= 0:
            return DONE
        stuck = any(mode.startswith(TOO_LARGE_MODE) for mode in bulletin.get(DEGRADED))
        lives = moved if waits or stuck else uplink["connected"]
        away_s, before = 0.0 if lives else away_s + TELL_INTERVAL_S, left
        if away_s > DRAIN_AWAY_S or stop.is_set():
            return AWAY
        try:
            await asyncio.wait_for(stop.wait(), TELL_INTERVAL_S)
        except TimeoutError:
            continue


class _Progress:
    """One line that grows on a terminal; a line a change elsewhere."""

    def __init__(
        self, options: "argparse.Namespace", language: str, print_object: "Callable[[object], None]"
    ) -> None:
        self._json = options.json
        self._language = language
        self._print_object = print_object
        self._all: "int | None" = None
        self._told: "Any" = None

    def tell(self, left: int, reason: "list[Any]") -> None:
        self._all = left if self._all is None else max(left, self._all)
        told = (left, reason)
        if told == self._told:
            return
        self._told = told
        if self._json:
            self._print_object({"left": left, "sent": self._all - left, "reason": reason})
            return
        words = text("outbox.progress", self._language, sent=self._all - left, all=self._all)
        why = link_sentence(reason, self._language) if left else ""
        print(f"{words} {why}".rstrip(), flush=True)


def _facts(bulletin: "Bulletin") -> "dict[str, Any]":
    held = bulletin.snapshot()
    return {"uplink": held["uplink"]} if "uplink" in held else {}
