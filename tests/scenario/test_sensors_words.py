"""`latido sensors` through the kernel's door: who answers, is it sound, which wire to check."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hw.machines.part import PARTS, felt_by
from hw.machines.pump import Pump
from hw.sim.adxl345 import SimAdxl345
from hw.sim.faults import Faulty
from hw.sim.lis2dw12 import SimLis2dw12
from hw.sim.lis3dh import SimLis3dh
from hw.sim.max31855 import SimMax31855
from tests.door.door import PI_4, Door, I2cNode, SpiNode

ROOT = Path(__file__).resolve().parents[2]
CONFIG: dict[str, Any] = {
    "schema": 1,
    "device": {"site": "s", "name": "d"},
    "buses": [
        {"name": "spi0", "kind": "spidev", "speed_hz": 5000000},
        {"name": "i2c1", "kind": "smbus2", "number": 1, "speed_hz": 400000},
    ],
    "sensors": [
        {"name": "de", "chip": "adxl345", "bus": "spi0", "rate_hz": 800},
        {"name": "t", "chip": "max31855", "bus": "spi0", "chip_select": 1},
        {"name": "nde", "chip": "lis3dh", "bus": "i2c1", "rate_hz": 400},
    ],
    "machines": [{"name": "M", "vibration": "de", "temperature": "t"}],
}


class Bench:
    """Three chips behind nodes, and `latido sensors` before them."""

    def __init__(self, folder: Path) -> None:
        pump = Pump(1, 1770)
        self.de = Faulty(SimAdxl345(felt_by(PARTS["adxl345"], pump, 1)))
        self.nde = Faulty(SimLis3dh(felt_by(PARTS["lis3dh"], pump, 2)))
        self.t = SimMax31855(lambda t_s: (44.0, 27.0, ""))
        self.i2c = I2cNode({0x18: self.nde}, PI_4)
        self.first_select = SpiNode(self.de, (0, 3))
        self.second_select = SpiNode(self.t, (0, 3))
        self._door = Door(
            folder,
            {
                "/dev/spidev0.0": self.first_select,
                "/dev/spidev0.1": self.second_select,
                "/dev/i2c-1": self.i2c,
            },
        )
        self.printed = ""
        self._config = folder / "c.json"
        self._folder = folder
        self.configure()

    def configure(self, **more: Any) -> None:
        held = {**CONFIG, "state_dir": str(self._folder), **more}
        self._config.write_text(json.dumps(held))

    def begin(self, action: str, *words: str, wait: bool = True) -> subprocess.Popen[str]:
        """`latido sensors` in the background; with `wait` it has printed its first line."""
        command = [sys.executable, "-m", "agent", "sensors", action, *words]
        process = subprocess.Popen(
            [*command, "--lang", "en", "--config", str(self._config)],
            cwd=ROOT,
            env={**os.environ, **self._door.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        if wait:
            process.stdout.readline()
        return process

    def say(self, action: str, *words: str) -> tuple[int, list[dict[str, Any]], str]:
        """(exit code, the objects that were printed, what stderr said)."""
        command = [sys.executable, "-m", "agent", "sensors", action, *words]
        command += [] if "--lang" in words else ["--json", "--lang", "en"]
        done = subprocess.run(
            [*command, "--config", str(self._config)],
            cwd=ROOT,
            env={**os.environ, **self._door.environment},
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.printed = done.stdout
        objects = [json.loads(line) for line in done.stdout.splitlines() if line[0] == "{"]
        return done.returncode, objects, done.stderr

    def close(self) -> None:
        self._door.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def test_scan_names_each_chip_by_its_id(bench: Bench) -> None:
    code, found, error = bench.say("scan")
    assert code == 0, error
    chips = {(one["bus"], one["place"]): one["chip"] for one in found}
    assert chips == {
        ("spi0", "chip select 0"): "adxl345",
        ("spi0", "chip select 1"): "max31855",
        ("i2c1", "address 0x18"): "lis3dh",
    }


def test_scan_names_the_wire_of_a_chip_that_is_not_there(bench: Bench) -> None:
    bench.de.pulled = True
    code, found, error = bench.say("scan")
    assert code == 1 and found[0]["chip"] == ""
    assert "de: adxl345: expected device id" in error and "MISO" in error
    assert "nobody drives MISO" in found[0]["hint"], "0xff is a line at rest"
    bench.de.pulled, bench.de.garbled = False, 0x71
    code, found, _ = bench.say("scan")
    assert code == 1 and "crossed" in found[0]["hint"]


def test_scan_finds_two_chips_that_were_swapped_in_both_languages(bench: Bench) -> None:
    bench.first_select.chip, bench.second_select.chip = bench.t, bench.de
    code, _, error = bench.say("scan", "--lang", "es")
    assert code == 1
    assert "de: se esperaba adxl345: contesta un max31855; en spi0, chip select 1 contesta" in error
    assert "t: se esperaba max31855: contesta un adxl345; en spi0, chip select 0 contesta" in error
    code, _, error = bench.say("scan", "--lang", "en")
    assert code == 1 and "a max31855 answers; a adxl345 answers at spi0, chip select 1" in error


def test_scan_finds_a_chip_that_answers_at_its_other_address(bench: Bench) -> None:
    bench.i2c.chips[0x19] = bench.i2c.chips.pop(0x18)
    code, found, error = bench.say("scan")
    (missing,) = [one for one in found if one["sensor"] == "nde"]
    assert code == 1 and "i2c1, address 0x19" in missing["hint"]
    assert "nobody answers" in error and "change the wires or the configuration" in error


def test_a_missing_chip_select_is_not_blamed_on_the_bus(bench: Bench) -> None:
    bench.second_select.there = False
    code, found, _ = bench.say("scan")
    (missing,) = [one for one in found if one["place"] == "chip select 1"]
    assert code == 1 and "spi=on" not in missing["fault"] and "spi0-2cs" in missing["fault"]


def test_the_pin_to_check_is_named_where_the_board_is(bench: Bench) -> None:
    bench.de.pulled = True
    bench.configure(board="raspberry-pi-4")
    code, _, error = bench.say("scan", "--lang", "es")
    assert code == 1 and "MISO (pin 21)" in error


def test_test_says_that_all_is_well_and_shows_gravity(bench: Bench) -> None:
    code, heard, error = bench.say("test", "--seconds", "2")
    assert code == 0, error
    by_name = {one["name"]: one for one in heard}
    assert set(by_name) == {"de", "t", "nde"}
    assert by_name["de"]["rate_hz"] == pytest.approx(800, rel=0.01)
    assert by_name["de"]["channels"]["z"]["mean"] == pytest.approx(1.0, abs=0.05)
    assert by_name["t"]["channels"]["hot"]["mean"] == pytest.approx(44.0, abs=0.26)


@pytest.mark.parametrize(
    ("what", "said"),
    [("pulled", "121"), ("frozen", "frozen"), ("dead axis", "gravity"), ("repeats", "repeats")],
)
def test_test_finds_the_fault_and_names_it(bench: Bench, what: str, said: str) -> None:
    if what == "pulled":
        bench.nde.pulled = True
    elif what == "frozen":
        bench.nde.chip.sampler.source = lambda t0_s, period_s, count: [0.0, 0.0, 1.0] * count
    elif what == "dead axis":
        source = bench.nde.chip.sampler.source

        def without_z(t0_s: float, period_s: float, count: int) -> list[float]:
            values = list(source(t0_s, period_s, count))
            return [value if n % 3 < 2 else 0.01 * (n % 2) for n, value in enumerate(values)]

        bench.nde.chip.sampler.source = without_z
    else:
        bench.nde.chip.sampler.duplicate_every = 3
    code, heard, error = bench.say("test", "--seconds", "2")
    assert len(heard) == 3, error
    (faulty,) = [one for one in heard if one["status"] != "good"]
    assert code == 1 and faulty["name"] == "nde" and said in str(faulty["reason"])


def test_a_free_chip_select_is_free_and_no_chip_is_blamed(bench: Bench) -> None:
    bench.de.pulled = True
    bench.configure(sensors=CONFIG["sensors"][1:], machines=[{"name": "M", "vibration": "nde"}])
    code, found, _ = bench.say("scan")
    assert code == 0 and found[0]["chip"] == "" and "adxl345" not in found[0]["fault"]
    assert bench.say("scan", "--lang", "es")[0] == 0
    assert "nadie contesta" in bench.printed.splitlines()[0] and "lis" not in bench.printed[:90]


def test_simulated_buses_are_scanned_as_they_are_configured(tmp_path: Path) -> None:
    held = {**CONFIG, "state_dir": str(tmp_path), "buses": [{"name": "spi0", "kind": "sim_spi"}]}
    held["sensors"] = CONFIG["sensors"][:2]
    (tmp_path / "c.json").write_text(json.dumps(held))
    command = [sys.executable, "-m", "agent", "sensors", "scan", "--config", "c.json"]
    paths = os.pathsep.join((str(ROOT), os.environ["PYTHONPATH"]))
    environment = {**os.environ, "PYTHONPATH": paths}
    command += ["--lang", "en"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [line.split()[-2] for line in done.stdout.splitlines()] == ["adxl345", "max31855"]


def test_scan_names_another_chip_that_answers_in_both_languages(bench: Bench) -> None:
    pump = Pump(1, 1770)
    bench.i2c.chips[0x18] = SimLis2dw12(felt_by(PARTS["lis2dw12"], pump, 2))
    code, found, error = bench.say("scan")
    (other,) = [one for one in found if one["place"] == "address 0x18"]
    assert code == 1 and (other["chip"], other["expected"]) == ("lis2dw12", "lis3dh")
    assert "nde: expected lis3dh: a lis2dw12 answers" in error
    code, _, error = bench.say("scan", "--lang", "es")
    assert code == 1 and "nde: se esperaba lis3dh: contesta un lis2dw12" in error
    assert "dirección 0x18" in bench.printed


def test_scan_shows_the_id_of_a_chip_that_nobody_knows(bench: Bench) -> None:
    bench.nde.garbled = 0x71
    code, found, error = bench.say("scan")
    (strange,) = [one for one in found if one["place"] == "address 0x18"]
    assert code == 1 and strange["chip"] == "" and "found 0x71" in strange["fault"]
    assert "0x71" in error and "SDA" in error


def test_test_finds_a_dead_axis_by_its_self_test(bench: Bench) -> None:
    bench.nde.chip.sampler.stuck[1] = 0.0
    code, heard, error = bench.say("test", "--seconds", "1")
    (nde,) = [one for one in heard if one["name"] == "nde"]
    assert code == 1, error
    assert nde["status"] in ("check", "failure") and nde["self_test_g"][1] == 0.0
    assert nde["self_test_g"][0] == pytest.approx(0.5, abs=0.2)


def test_test_tells_rate_noise_and_gravity_in_spanish(bench: Bench) -> None:
    code, _, error = bench.say("test", "--seconds", "2", "--lang", "es")
    assert code == 0, error
    assert "autoprueba" in bench.printed and "gravedad 1.0" in bench.printed
    assert "ruido" in bench.printed and "±" in bench.printed and "bien" in bench.printed


def test_two_programs_on_one_bus_are_refused_and_told_apart(bench: Bench) -> None:
    with bench.begin("watch") as watch:
        code, heard, error = bench.say("test", "--seconds", "1")
        assert code == 1 and heard == []
        assert f"in use by latido sensors watch ({watch.pid})" in error
        assert "systemctl stop latido" in error
        code, _, error = bench.say("scan", "--lang", "es")
        assert code == 1 and "lo usa latido sensors watch" in error
        watch.send_signal(signal.SIGINT)


@pytest.mark.parametrize("action", ["watch", "test"])
def test_ctrl_c_ends_it_at_once_with_the_chips_asleep(bench: Bench, action: str) -> None:
    """`test` is in the middle of the first self-test: the force must be off again."""
    process = bench.begin(action, "--seconds", "20", wait=False)
    registers = bench.de.chip.registers
    forced = 0x80 if action == "test" else 0
    deadline = time.monotonic() + 60
    while not registers[0x2D] & 0x08 or registers[0x31] & 0x80 != forced:
        assert time.monotonic() < deadline and process.poll() is None
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=20)
    took_s = time.monotonic() - began
    assert process.returncode == 130 and "ended before there was a result" in error
    assert "Traceback" not in error
    assert not registers[0x2D] & 0x08 and not registers[0x31] & 0x80
    assert took_s < 5, took_s  # about 1 s on a machine of one's own
