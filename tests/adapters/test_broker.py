"""The demo's own broker: not ended by what is meant for the demo, and missed in words."""

import asyncio
import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from agent.adapters.broker_amqtt import EmbeddedBroker
from agent.cli import main
from agent.words.exits import FAILED


async def interrupt_the_child() -> None:
    """As a terminal does with its whole group, before the child runs a line of ours."""
    while not (children := multiprocessing.active_children()):
        await asyncio.sleep(0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(children[0].pid or 0, number)


def test_what_ends_a_whole_group_leaves_it_to_the_demo() -> None:
    async def scene() -> None:
        broker = EmbeddedBroker()
        port, _ = await asyncio.gather(broker.start(), interrupt_the_child())
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        await broker.stop()
        assert multiprocessing.active_children() == []

    asyncio.run(asyncio.wait_for(scene(), 30))


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("es", "el broker de la propia demostración no arrancó: no está (pip install"),
        ("en", "the demo's own broker did not start: no está (pip install"),
    ],
)
def test_without_its_package_the_demo_says_what_to_install(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    language: str,
    said: str,
) -> None:
    (tmp_path / "amqtt.py").write_text("raise ImportError('no está')", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    words = ["demo", "--state-dir", str(tmp_path / "s"), "--port", "0", "--lang", language]
    code = main(words)
    assert code == FAILED and said in capsys.readouterr().err
