"""The demo's own MQTT broker (amqtt) in a process of its own; never on a device.

Its own process, because on a real installation the broker is another machine: what it costs is not
the agent's. It ends with the agent, however the agent ends.
"""

import asyncio
import logging
import multiprocessing
import os
import signal
import socket
from multiprocessing import resource_tracker

from agent.ports import BrokerFault

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

START_WITHIN_S = 20.0
HOST = "127.0.0.1"
GROUP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # sent to a group, meant for us


class EmbeddedBroker:
    """`start` returns the port; `stop` ends the process."""

    def __init__(self) -> None:
        self._child: "Any" = None
        self._pipe: "Any" = None

    async def start(self) -> int:
        port = _free_port()
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._child = spawn.Process(target=_serve, args=(port, theirs), daemon=True)
        resource_tracker.ensure_running()  # it would unblock what is blocked here
        before = signal.pthread_sigmask(signal.SIG_BLOCK, GROUP_SIGNALS)  # the child keeps it
        try:
            self._child.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(None, _first_word, self._pipe)
        if answer != "ready":
            await self.stop()
            raise BrokerFault(f"the demo's own broker did not start: {answer}")
        return port

    async def stop(self) -> None:
        """Asks it to end, then ends it."""
        if self._child is None:
            return
        self._pipe.close()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._child.join, 1.0)
        if self._child.is_alive():
            self._child.kill()
        self._child = None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _first_word(pipe: "Any") -> str:
    if not pipe.poll(START_WITHIN_S):
        return f"no answer within {START_WITHIN_S:g} s"
    try:
        return str(pipe.recv())
    except EOFError:
        return "its process ended"


def _serve(port: int, pipe: "Any") -> None:
    """The child: serves until the agent closes its end of the pipe."""
    logging.disable(logging.CRITICAL)
    try:
        from amqtt.broker import Broker
    except ImportError as error:
        pipe.send(f"{error} (pip install 'latido[demo]', or use --broker HOST:PORT)")
        return
    asyncio.run(_serve_until_closed(Broker, port, pipe))
    os._exit(0)


async def _serve_until_closed(broker_type: "Any", port: int, pipe: "Any") -> None:
    plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    listeners = {"default": {"type": "tcp", "bind": f"{HOST}:{port}"}}
    broker = broker_type({"listeners": listeners, "plugins": plugins})
    try:
        await broker.start()
    except OSError as error:
        pipe.send(str(error))
        return
    pipe.send("ready")
    closed = asyncio.Event()
    asyncio.get_running_loop().add_reader(pipe.fileno(), closed.set)
    await closed.wait()
