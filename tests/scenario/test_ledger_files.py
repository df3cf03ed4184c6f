"""The agent's way out, a real broker and the real ledger, when a device's file goes or comes back.

The feeder is the agent without its sensors (tests/scenario/feeder.py): recorder, store, MQTT.
"""

import argparse
import asyncio
import contextlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.adapters.store_sqlite import SqliteStore
from agent.ports import HISTORY, NewRow
from firmware_tools.ledger.cli import main
from firmware_tools.ledger.keep import Keeper
from firmware_tools.ledger.receive import Receiver
from firmware_tools.ledger.show import summary
from tests.mosquitto import Mosquitto
from tests.mosquitto import Receiver as Witness

REPOSITORY = Path(__file__).resolve().parents[2]
DEVICE = "chaos/feeder"
WITHIN_S = 30.0
QUIET_S = 0.7
WAITING = 3000  # rows in the store before the feeder's first life
pytestmark = pytest.mark.mosquitto


class Listening:
    """A ledger at the broker; `turn_until` is its life."""

    def __init__(self, path: Path, port: int, receipts: bool) -> None:
        self._keeper = Keeper(str(path))
        self.account = self._keeper.load()
        names = ("username", "password", "tls_ca", "tls_certificate", "tls_key")
        options = argparse.Namespace(
            host="127.0.0.1", port=port, name="ledger", site="+", tls=False,
            **dict.fromkeys(names),
        )  # fmt: skip
        self._receiver = Receiver(self.account, self._keeper, options, receipts)

    @property
    def rows(self) -> int:
        return int(summary(self.account)["rows"])

    @property
    def files(self) -> list[str]:
        return self.account.files.get(DEVICE, [])

    def turn_until(self, reached: Callable[[], bool]) -> None:
        end_s = time.monotonic() + WITHIN_S
        while not reached():
            assert time.monotonic() < end_s, f"not within {WITHIN_S} s: {summary(self.account)}"
            self._receiver.turn()

    def turn_until_rows(self, count: int) -> None:
        """Until it has more than `count`."""
        self.turn_until(lambda: self.rows > count)

    def turn_for(self, seconds: float) -> None:
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self._receiver.turn()

    def close(self) -> None:
        self._receiver.close()
        self._keeper.close()


class Scene:
    def __init__(self, folder: Path, promise: str) -> None:
        self.state, self.db, self._promise = folder / "state", folder / "ledger.db", promise
        self.broker = Mosquitto(folder)
        self.broker.start()

    @contextlib.contextmanager
    def life(self) -> Iterator[None]:
        """Of the feeder, until it is killed."""
        words = ["tests.scenario.feeder", str(self.state), str(self.broker.port), self._promise]
        process = subprocess.Popen([sys.executable, "-m", *words, "feeder"], cwd=REPOSITORY)
        try:
            yield
        finally:
            process.kill()
            process.wait(timeout=10)

    def unheard_of(self, rows: int) -> None:
        """Until `rows` have gone to somebody who is not the ledger."""
        witness = Witness(self.broker.port)
        try:
            witness.wait_for(lambda held: len(held.rows) > rows, WITHIN_S)
        finally:
            witness.close()

    def two_lives(self, ledger: Listening) -> None:
        """The second one tells of what the first one made."""
        for _ in range(2):
            before = ledger.rows
            with self.life():
                ledger.turn_until_rows(before + 50)
            ledger.turn_for(QUIET_S)

    @contextlib.contextmanager
    def ledger(self, receipts: bool = True) -> Iterator[Listening]:
        made = Listening(self.db, self.broker.port, receipts and self._promise == "receiver")
        try:
            yield made
        finally:
            made.close()

    def fill(self, rows: int) -> None:
        """The store, before the agent's life."""

        async def work() -> None:
            store = SqliteStore(str(self.state))
            await store.open()
            bodies = (f'{{"n":{n}}}' for n in range(rows))
            await store.append([NewRow(HISTORY, 5, "corrupt", body) for body in bodies], [])
            await store.close()

        asyncio.run(work())

    def produced(self) -> int:
        async def work() -> int:
            store = SqliteStore(str(self.state))
            await store.open()
            stats = await store.stats()
            await store.close()
            return sum(lane.produced for lane in stats.lanes)

        return asyncio.run(work())

    def checked(self, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = main(["--db", str(self.db), "--check"])
        return code, json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.fixture
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path, request.param)
    yield made
    made.broker.stop()


@pytest.mark.parametrize("scene", ["receiver"], indirect=True)
def test_a_backlog_that_went_with_its_state_folder_is_missed(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without receipts it keeps its rows; what is under way at most comes to the ledger."""
    scene.fill(WAITING)
    with scene.ledger(receipts=False) as ledger:
        with scene.life():
            ledger.turn_until_rows(50)
        ledger.turn_for(QUIET_S)
        shutil.rmtree(scene.state)
        with scene.life():
            ledger.turn_until(lambda: len(ledger.files) == 2)
        ledger.turn_for(QUIET_S)
        came = sum(s.received.count for k, s in ledger.account.streams.items() if k.lane == HISTORY)
    code, told = scene.checked(capsys)
    lost = {line["lane"]: line["rows"] for line in told["lost_with_file"]}
    assert code == 1 and not told["complete"]
    assert 0 < came < WAITING and lost[HISTORY] == WAITING - came, (came, lost)


@pytest.mark.parametrize("scene", ["broker"], indirect=True)
def test_a_life_that_nobody_heard_after_the_state_was_deleted_is_missed(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    """It makes fewer rows than the file before had told of."""
    with scene.ledger() as ledger:
        for rows in (300, 350):
            with scene.life():
                ledger.turn_until_rows(rows)
    scene.broker.kill()
    scene.broker.forget()
    scene.broker.start()
    shutil.rmtree(scene.state)
    with scene.life():
        scene.unheard_of(40)
    assert 0 < scene.produced() < 300
    with scene.ledger() as ledger:
        with scene.life():
            ledger.turn_until(lambda: len(ledger.files) == 2)
            ledger.turn_for(QUIET_S)
        ledger.turn_for(QUIET_S)
    code, told = scene.checked(capsys)
    assert code == 1 and told["unaccounted"].get(DEVICE, 0) > 0, told


@pytest.mark.parametrize("scene", ["broker"], indirect=True)
def test_a_ledger_that_comes_to_a_running_device_misses_nothing(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    """The status that the broker keeps is of the beginning of its life."""
    with scene.life():
        scene.unheard_of(80)
        with scene.ledger() as ledger:
            ledger.turn_until_rows(50)
    with scene.ledger() as ledger:
        scene.two_lives(ledger)
    code, told = scene.checked(capsys)
    assert code == 0 and told["complete"], told


@pytest.mark.parametrize("scene", ["receiver"], indirect=True)
def test_an_image_that_was_put_back_sends_copies_and_nothing_is_missed(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.fill(100)
    image = scene.state.with_name("image")
    shutil.copytree(scene.state, image)
    with scene.ledger() as ledger:
        for rows in (250, 300):  # the second one tells of what the first one made
            with scene.life():
                ledger.turn_until_rows(rows)
            ledger.turn_for(QUIET_S)
        shutil.rmtree(scene.state)
        shutil.copytree(image, scene.state)
        scene.two_lives(ledger)
    code, told = scene.checked(capsys)
    assert told["duplicates"] >= 100 and told["unaccounted"] == {}, told
    assert sum(line["rows"] for line in told["lost_with_file"]) == 0 and code == 0, told
