"""Another device of the same name, told by how connections end; and what is told apart from it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agent.core.bulletin import Bulletin
from agent.page.words import link_sentence, phrase
from agent.ports import LinkDown
from agent.stages.twin import ENDINGS, SOON_S, Twin
from tests.delivery_rig import Broker, Rig
from tests.sim_loop import simulated

LIFE_NS = int(20e9)
LOST = ("lost", "Unspecified error")
CASES = [
    ([LOST] * ENDINGS, LIFE_NS, False, "twin"),
    ([LOST] * (ENDINGS - 1), LIFE_NS, False, "lost"),
    ([LOST] * ENDINGS, int((SOON_S + 1) * 1e9), False, "lost"),
    ([LOST] * (2 * ENDINGS), LIFE_NS, True, "lost"),
    ([LOST, LOST, ("lost", "Packet too large"), LOST], LIFE_NS, False, "lost"),
    ([LOST, LOST, ("no_answer", ""), LOST], LIFE_NS, False, "lost"),
]


@pytest.mark.parametrize(("ends", "life_ns", "under_way", "code"), CASES)
def test_it_is_the_pattern_that_tells(
    ends: list[tuple[str, str]], life_ns: int, under_way: bool, code: str
) -> None:
    twin, bulletin, now_ns, down = None, Bulletin(), 0, None
    twin = Twin(bulletin)
    for said, detail in ends:
        twin.greeted(now_ns)
        now_ns += life_ns
        down = twin.ended(LinkDown(said, "b:1883", detail), now_ns, under_way)
    assert down is not None and down.code == code
    assert ("twin" in bulletin.get("degraded")) is (code == "twin")


@pytest.mark.parametrize(("language", "words"), [("es", "otro equipo"), ("en", "nother device")])
def test_the_page_says_it_as_a_possibility(language: str, words: str) -> None:
    bulletin = Bulletin()
    twin, down = Twin(bulletin), None
    for _ in range(ENDINGS):
        twin.greeted(0)
        down = twin.ended(LinkDown("lost", "b:1883"), LIFE_NS, False)
    assert down is not None
    reason = [down.code, {"place": down.place, "detail": down.detail}]
    assert words in link_sentence(reason, language)
    assert words in phrase(bulletin.get("degraded")["twin"], language)


def test_it_is_taken_back_when_a_connection_lasts() -> None:
    class Flapping(Broker):
        """Of two of one name, as the broker shows it: ends each connection after a while."""

        @contextlib.asynccontextmanager
        async def connect(self) -> AsyncIterator[Any]:
            async with super().connect() as link:
                if self.connections <= ENDINGS:
                    asyncio.get_running_loop().call_later(5.0, self._down.set)
                yield link

    async def scene() -> None:
        broker = Flapping()
        broker._error = LinkDown("lost", "b:1883", "Unspecified error")
        rig = Rig(broker)
        running = asyncio.ensure_future(rig.deliverer.run())
        await asyncio.sleep(ENDINGS * 8.0)
        assert broker.connections == ENDINGS + 1 and "twin" in rig.bulletin.get("degraded")
        await asyncio.sleep(2 * SOON_S)
        assert "twin" not in rig.bulletin.get("degraded")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    simulated(scene())
