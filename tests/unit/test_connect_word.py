"""The right to publish where the broker has no word for it: proved, in doubt, or refused."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from agent.page.words import text
from agent.ports import LinkDown
from agent.words.connect import line
from agent.words.connect_trial import ECHO_S, hears
from agent.words.connect_trial import published as published_by
from tests.links import PlainLink
from tests.sim_loop import simulated

TOPIC = "latido/a/b/data/test"


class Link(PlainLink):
    """A session of MQTT 3.1.1: every message is confirmed; `comes` says what comes of it."""

    tells_refusals = False

    def __init__(self, comes: Callable[[bytes], list[bytes]], grants: bool = True) -> None:
        self._comes = comes
        self._grants = grants
        self._inbox: list[bytes] = []
        self.ends = False

    async def subscribe(self, topics: list[str]) -> None:
        assert topics == [TOPIC]
        if not self._grants:
            raise LinkDown("subscribe_right", "broker:1883", f"{TOPIC}: 128")

    async def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        assert topic == TOPIC
        self._inbox += self._comes(payload)

    async def messages(self) -> tuple[str, bytes]:
        while not self._inbox:
            if self.ends:
                raise LinkDown("lost", "broker:1883", "gone")
            await asyncio.sleep(ECHO_S / 10)
        return TOPIC, self._inbox.pop(0)


def published(link: Any) -> list[Any]:
    async def scene() -> list[Any]:
        return await published_by(link, TOPIC)

    return simulated(scene())


def test_the_message_that_comes_back_proves_the_right() -> None:
    assert published(Link(lambda sent: [sent])) == []


def test_what_others_send_there_proves_nothing() -> None:
    older = b'{"schema":2,"lane":"test","token":"0000000000000000"}'
    assert published(Link(lambda sent: [older, b"", b"\xff"] * 3))[0] == "silent"
    assert published(Link(lambda sent: [older, sent])) == []


def test_a_user_who_may_not_read_leaves_it_in_doubt() -> None:
    assert published(Link(lambda sent: [sent], grants=False))[0] == "deaf"


def test_a_broker_that_ends_the_connection_has_refused() -> None:
    link = Link(lambda sent: [])
    link.ends = True
    with pytest.raises(LinkDown) as caught:
        published(link)
    assert caught.value.code == "publish_right" and TOPIC in caught.value.detail


@pytest.mark.parametrize("code", ["deaf", "silent"])
def test_each_doubt_names_the_topic_in_both_languages(code: str) -> None:
    spanish, english = (text(f"connect.{code}", lang, topic=TOPIC) for lang in ("es", "en"))
    assert TOPIC in spanish and TOPIC in english and spanish != english


def test_a_doubt_is_no_failure_and_says_so_in_its_line() -> None:
    said = line("publish", "unknown", ["silent", {"topic": TOPIC}], "es")
    assert said.startswith("? Permiso para publicar: no se puede saber") and TOPIC in said


FACTS = {"topic": TOPIC, "detail": "Not authorized", "limit": 1200, "wanted": 8192, "bytes": 16000}


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("limited", "small_packets"),
        ("limited", "size_refused"),
        ("limited", "status_refused"),
        ("limited", "no_retain"),
        ("unknown", "runs"),
        ("unknown", "unheard"),
    ],
)
def test_what_is_no_failure_is_a_sentence_in_both_languages(state: str, code: str) -> None:
    spanish, english = (line("status", state, [code, FACTS], lang) for lang in ("es", "en"))
    assert spanish[0] == english[0] == {"limited": "!", "unknown": "?"}[state]
    assert spanish != english and "{" not in spanish + english and "Not auth" not in spanish


@pytest.mark.parametrize("tells", [True, False])
def test_receipts_are_heard_when_one_of_ours_comes_back(tells: bool) -> None:
    """A broker may grant the subscription and then deliver nothing."""

    async def scene(link: Link) -> Any:
        return await hears(link, TOPIC)

    link = Link(lambda sent: [b"{}", sent])
    link.tells_refusals = tells
    assert simulated(scene(link)) == ("ok", [])
    deaf = Link(lambda sent: [])
    deaf.tells_refusals = tells
    if tells:
        with pytest.raises(LinkDown) as caught:
            simulated(scene(deaf))
        assert caught.value.code == "subscribe_right" and caught.value.detail == TOPIC
    else:
        assert simulated(scene(deaf)) == ("unknown", ["unheard", {"topic": TOPIC}])
