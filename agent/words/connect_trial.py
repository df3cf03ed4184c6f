"""What `latido connect --test` tries: the whole way to the broker, by the agent's own adapter.

Under a name and with a will of its own, so that an agent that runs is not disturbed. Of its topics
it writes where a message says nothing to anybody (`data/test`, which receivers pass over; `ack`, on
which it is no receipt), and on `status` that the device is offline, not retained and only while no
agent runs. A broker may end the connection on what it does not allow: each has one of its own.
"""

import asyncio
import binascii
import json
import os

from agent import app
from agent.core.wire import OFFLINE, SCHEMA, TRIAL_LANE, payload_room
from agent.limits import BUNDLE_BYTES, PACKET_BYTES_WANTED
from agent.ports import LOST, PUBLISH_RIGHT, LinkDown, Refused

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from agent.config import Settings
    from agent.ports import Link

ECHO_S = 5.0  # for a message to come back, over a slow link too
KEPT_S = 1.0  # for a retained message to come after the subscription
# Of a step: OK it is proved; LIMITED the agent does without it and says so; UNKNOWN; FAILED.
OK, LIMITED, UNKNOWN, FAILED = "ok", "limited", "unknown", "failed"
STEPS = ("name", "tcp", "tls", "session", "publish", "size", "status", "retain", "receipt")
# Which step a code of LinkDown belongs to; what is not named here is that of the step tried.
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
}


class Trial:
    """`found`: {step: (state, reason)} of the steps that were tried, the failed one the last.

    `reason`: of a failed step as `link_sentence` takes it; of LIMITED and UNKNOWN (code, facts),
    whose sentence is "connect." and the code; else [].
    """

    def __init__(self, settings: "Settings") -> None:
        self._settings = settings
        self._upstream, root = app.upstream_for(settings, TRIAL_LANE)
        self._rows, self._status, self._ack = (
            f"{root}/{end}" for end in (f"data/{TRIAL_LANE}", "status", "ack")
        )
        self.found: "dict[str, tuple[str, list[Any]]]" = {}
        self._at = "session"

    async def run(self) -> None:
        """The whole way, until a step fails."""
        try:
            await self._try_rows()
            await self._try("status", self._status_right)
            await self._try("retain", self._retained)
            if self._settings.broker.receipt == "receiver":
                await self._try("receipt", self._receipt)
        except LinkDown as down:
            facts = {"place": down.place, "detail": down.detail}
            self.found[STEP_OF.get(down.code, self._at)] = (FAILED, [down.code, facts])
        except Refused as refused:
            reason = ["refuses_all", {"place": "", "detail": str(refused)}]
            self.found[self._at] = (FAILED, reason)

    async def _try(self, step: str, ask: "Any") -> None:
        self._at = step
        async with self._upstream.connect() as link:
            self.found[step] = await ask(link)

    async def _try_rows(self) -> None:
        """A small message as rows go, then one as large as they come."""
        async with self._upstream.connect() as link:
            self.found["session"] = (OK, [])
            self._at = "publish"
            doubt = await published(link, self._rows)
            self.found["publish"] = (UNKNOWN, doubt) if doubt else (OK, [])
            self._at = "size"
            self.found["size"] = await self._sized(link)

    async def _sized(self, link: "Link") -> "tuple[str, list[Any]]":
        limit = link.packet_bytes_max
        if limit is not None and limit < PACKET_BYTES_WANTED:
            return LIMITED, ["small_packets", {"limit": limit, "wanted": PACKET_BYTES_WANTED}]
        room = payload_room(limit, self._rows)
        size = BUNDLE_BYTES if room is None else min(BUNDLE_BYTES, room)
        try:
            await link.publish(self._rows, trial_message(size))
        except Refused as refused:
            return LIMITED, ["size_refused", {"bytes": size, "detail": str(refused)}]
        except LinkDown as down:
            if down.code != LOST:
                raise
            return LIMITED, ["size_refused", {"bytes": size, "detail": down.detail}]
        return OK, []

    async def _status_right(self, link: "Link") -> "tuple[str, list[Any]]":
        """Proved by an agent that says it is online, or by a message while there is none."""
        listens = await listens_to(link, self._status)
        if listens and await _says_online(link):
            return OK, []
        if agent_runs(self._settings.state_dir):
            return UNKNOWN, ["runs", {"topic": self._status}]
        try:
            await link.publish(self._status, OFFLINE)
        except (LinkDown, Refused) as error:
            return LIMITED, ["status_refused", {"topic": self._status, "detail": _said(error)}]
        wait_s = ECHO_S if self.found["publish"][0] == OK else KEPT_S
        if link.tells_refusals or (listens and await _comes_back(link, OFFLINE, wait_s)):
            return OK, []
        return UNKNOWN, ["silent" if listens else "deaf", {"topic": self._status}]

    async def _retained(self, link: "Link") -> "tuple[str, list[Any]]":
        """A message that the broker is to keep, and then to forget."""
        if not link.retains:
            return LIMITED, ["no_retain", {"detail": ""}]
        try:
            await link.publish(self._rows, trial_message(), retain=True)
            await link.publish(self._rows, b"", retain=True)
        except (LinkDown, Refused) as error:
            return LIMITED, ["no_retain", {"detail": _said(error)}]
        return OK, []

    async def _receipt(self, link: "Link") -> "tuple[str, list[Any]]":
        return await hears(link, self._ack)


def _said(error: "LinkDown | Refused") -> str:
    return str(error.detail if isinstance(error, LinkDown) else error)


async def hears(link: "Link", topic: str) -> "tuple[str, list[Any]]":
    """Brokers grant the right to read and then deliver nothing: only an echo proves it, and most
    devices may not write there. LinkDown where the broker took the message and gave it to nobody.
    """
    await link.subscribe([topic])
    token = trial_message()
    try:
        await link.publish(topic, token)
        if await _comes_back(link, token):
            return OK, []
    except (LinkDown, Refused) as error:
        if isinstance(error, LinkDown) and error.code not in (LOST, PUBLISH_RIGHT):
            raise
        return UNKNOWN, ["unheard", {"topic": topic}]
    if not link.tells_refusals:
        return UNKNOWN, ["unheard", {"topic": topic}]
    raise LinkDown("subscribe_right", detail=topic)


async def published(link: "Link", topic: str) -> "list[Any]":
    """Sends the test message; [] when it is known to have arrived, else the doubt.

    Without a word of the broker's own it has arrived when it comes back. A broker of MQTT 3.1.1
    that does not allow it may confirm it and throw it away, or end the connection: nothing else.
    """
    message = trial_message()
    if link.tells_refusals:
        await link.publish(topic, message)
        return []
    listens = await listens_to(link, topic)
    await link.publish(topic, message)
    if not listens:
        return ["deaf", {"topic": topic}]
    try:
        return [] if await _comes_back(link, message) else ["silent", {"topic": topic}]
    except LinkDown as down:
        raise LinkDown("publish_right", down.place, f"{topic}: {down.detail}")


def trial_message(size: int = 0) -> bytes:
    """Of `size` bytes at least, like no other."""
    token = binascii.hexlify(os.urandom(8)).decode()
    head = f'{{"schema":{SCHEMA},"lane":"{TRIAL_LANE}","token":"{token}","filler":"'
    return f'{head}{"x" * (size - len(head) - 2)}"}}'.encode()


async def listens_to(link: "Link", topic: str) -> bool:
    try:
        await link.subscribe([topic])
    except LinkDown as down:
        if down.code != "subscribe_right":
            raise
        return False
    return True


async def _comes_back(link: "Link", message: bytes, wait_s: float = ECHO_S) -> bool:
    try:
        async with asyncio.timeout(wait_s):
            while (await link.messages())[1] != message:
                continue
    except TimeoutError:
        return False
    return True


async def _says_online(link: "Link") -> bool:
    """Whether the retained status does; what is no status says nothing."""
    try:
        async with asyncio.timeout(KEPT_S):
            held = json.loads((await link.messages())[1])
    except (TimeoutError, ValueError, RecursionError):
        return False
    return isinstance(held, dict) and held.get("state") == "online"


def agent_runs(state_dir: str) -> bool:
    """Whether one keeps its data there now, by the kernel's list of locks: none is taken for it."""
    try:
        inode = os.stat(f"{state_dir}/lock").st_ino
        with open("/proc/locks") as file:
            locks = [line.split() for line in file]
    except OSError:
        return False
    return any("FLOCK" in words and words[5].endswith(f":{inode}") for words in locks)
