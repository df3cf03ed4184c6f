"""The status message: what a broker has against it is said, and holds up no row."""

import asyncio
from collections.abc import Callable

import pytest

from agent.limits import STATUS_INTERVAL_S, STATUS_LEFT_OUT_S
from agent.page.words import phrase
from agent.ports import LIVE, LinkDown, Refused
from tests.delivery_rig import ROOT, Broker, Rig
from tests.sim_loop import simulated

SHORT_BYTES = 60


def no_right(payload: bytes) -> Exception:
    return LinkDown("publish_right", "broker:1883", "Not authorized")


def too_large(payload: bytes) -> Exception | None:
    return Refused("Packet too large") if len(payload) > SHORT_BYTES else None


def rig(fault: Callable[[bytes], Exception | None]) -> Rig:
    made = Rig(Broker())
    made.broker.status_fault = fault
    made.deliverer._facts = lambda: {"device": {"name": "x" * 100}}
    return made


def modes(of: Rig) -> dict[str, str]:
    held: dict[str, str] = of.bulletin.get("degraded")
    return held


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (no_right, "Not authorized"),
        (too_large, "Packet too large"),
        (lambda payload: Refused("Quota exceeded"), "Quota exceeded"),
    ],
)
def test_a_refused_status_message_is_a_sentence_and_holds_up_no_row(
    fault: Callable[[bytes], Exception | None], why: str
) -> None:
    async def scene() -> None:
        held = rig(fault)
        await held.produce(live=200)
        running = asyncio.ensure_future(held.deliverer.run())
        await asyncio.sleep(5.0)
        assert len(held.broker.seqs(LIVE)) == 200 and held.broker.connections == 1
        words = modes(held)["status"]
        assert why in words and f"{ROOT}/status" in words
        assert phrase(words, "es") != words and "mensaje de estado" in phrase(words, "es")
        held.broker.status_fault = lambda payload: None
        later_s = STATUS_LEFT_OUT_S if fault is no_right else 0.0
        await asyncio.sleep(STATUS_INTERVAL_S + later_s + 1.0)
        assert "status" not in modes(held) and held.broker.status[-1]["device"]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    simulated(scene())


def test_a_broker_that_takes_small_ones_only_hears_that_the_device_is_there() -> None:
    async def scene() -> None:
        held = rig(too_large)
        running = asyncio.ensure_future(held.deliverer.run())
        await asyncio.sleep(5.0)
        assert held.broker.status[-1] == {"schema": 1, "state": "online", "boot": 1}
        assert "a short one" in modes(held)["status"]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert held.broker.status[-1]["state"] == "offline"

    simulated(scene())


def test_a_stop_while_it_is_refused_is_a_clean_stop() -> None:
    async def scene() -> None:
        held = rig(lambda payload: Refused("no"))
        running = asyncio.ensure_future(held.deliverer.run())
        await asyncio.sleep(5.0)
        running.cancel()
        (ended,) = await asyncio.gather(running, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError)

    simulated(scene())


def test_where_connections_end_on_it_it_is_left_out_for_a_time() -> None:
    """MQTT 3.1.1 has no word for a refusal: nothing was ever delivered."""
    tries: list[float] = []

    def ends(payload: bytes) -> Exception:
        tries.append(asyncio.get_running_loop().time())
        return LinkDown("lost", "broker:1883")

    async def scene() -> None:
        held = rig(ends)
        await held.produce(live=200)
        running = asyncio.ensure_future(held.deliverer.run())
        await asyncio.sleep(60.0)
        assert len(held.broker.seqs(LIVE)) == 200 and len(tries) == 3
        assert "the connection ends" in modes(held)["status"]
        assert "se corta" in phrase(modes(held)["status"], "es")
        await asyncio.sleep(STATUS_LEFT_OUT_S)
        assert len(tries) == 4, "and then it is tried once"
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    simulated(scene())


def test_a_broker_that_keeps_nothing_gets_it_all_the_same() -> None:
    async def scene() -> None:
        held = rig(lambda payload: None)
        held.broker.retains = False
        await held.produce(live=10)
        running = asyncio.ensure_future(held.deliverer.run())
        await asyncio.sleep(5.0)
        assert len(held.broker.seqs(LIVE)) == 10 and held.broker.status
        assert "no guarda mensajes" in phrase(modes(held)["retain"], "es")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    simulated(scene())
