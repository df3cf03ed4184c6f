"""`latido sensors scan` asks who is there, and changes nothing in whoever it is."""

import json
from pathlib import Path
from typing import Any

import pytest

from agent import app
from agent.chips import known_chips
from agent.config import Sensor, read_settings
from agent.words.scan import NOTHING, Place, asked_in_order, scan_by

CHIPS = known_chips()
SPI = sorted(name for name, chip in CHIPS.items() if chip.spi_mode is not None)
I2C = sorted(name for name, chip in CHIPS.items() if chip.addresses)
HELD = 0x5A  # in every register of the chip that is asked: whatever is written is seen


def scanned(folder: Path, configured: str, wired: str, i2c: bool) -> tuple[Place, Any, list[str]]:
    """(the place, the simulated chip, what was written to it) with `wired` where another should be.

    The free chip select next to it, and every free address, is asked too.
    """
    kind = "sim_i2c" if i2c else "sim_spi"
    agent = app.Agent(read_settings(json.dumps(config(folder, configured, kind))))
    (bus,) = agent.settings.buses[:1]
    chip = CHIPS[wired]
    address = CHIPS[configured].addresses[0] if i2c else None
    place = Sensor("w", wired, bus.name, address, chip.rates_hz[-1], 0, ())
    there = agent.bus_port(bus).wire(place, chip, address)
    if hasattr(there, "sampler"):  # its registers may let it measure: what it feels is no matter
        there.sampler.source = lambda t0_s, period_s, count: [0.0, 0.0, 1.0] * count
        there.advance(agent.clock.monotonic_ns())
        there.sampler.begin()  # now, and not when the machine was switched on
    written = watched(there, i2c)
    found = {place.at: place for place in scan_by(agent) if place.bus == bus.name}
    return found[0 if address is None else address], there, written


def config(folder: Path, configured: str, kind: str) -> dict[str, Any]:
    chip = CHIPS[configured]
    sensor = {"name": "s", "chip": configured, "bus": "b", "rate_hz": chip.rates_hz[0]}
    other = {"name": "v", "chip": "adxl345", "bus": "o", "rate_hz": 100}
    speed_hz = 100_000 if kind == "sim_i2c" else 5_000_000
    return {
        "schema": 1,
        "device": {"site": "s", "name": "d"},
        "state_dir": str(folder),
        "buses": [
            {"name": "b", "kind": kind, "speed_hz": speed_hz},
            {"name": "o", "kind": "sim_spi", "number": 9},
        ],
        "sensors": [sensor, other],
        "machines": [{"name": "m", "vibration": "v"}],
    }


def watched(chip: Any, i2c: bool) -> list[str]:
    """What changes in the chip's registers from now on, transfer by transfer."""
    seen: list[str] = []
    call = "read_registers" if i2c else "transfer"
    asked = getattr(chip, call)

    def and_compare(sent: Any, received: Any) -> None:
        before = held(chip)
        asked(sent, received)
        if held(chip) != before:
            seen.append(f"{sent if i2c else bytes(sent).hex()}")

    setattr(chip, call, and_compare)
    if i2c:
        chip.write_registers = lambda register, values: seen.append(f"write 0x{register:02x}")
    elif hasattr(chip, "registers"):
        for register in range(len(chip.registers)):
            if chip.registers[register] == 0:
                chip.registers[register] = HELD
    return seen


def held(chip: Any) -> Any:
    """A copy of its registers; what is in a FIFO is not one of them."""
    registers = getattr(chip, "registers", None)
    return dict(registers) if isinstance(registers, dict) else bytes(registers or b"")


@pytest.mark.parametrize("wired", SPI)
@pytest.mark.parametrize("configured", SPI)
def test_no_question_changes_a_register_over_spi(
    tmp_path: Path, configured: str, wired: str
) -> None:
    place, _, written = scanned(tmp_path, configured, wired, i2c=False)
    assert written == []
    if place.chip:
        assert CHIPS[place.chip].answers_as == CHIPS[wired].answers_as


@pytest.mark.parametrize("wired", I2C)
@pytest.mark.parametrize("configured", I2C)
def test_no_question_changes_a_register_over_i2c(
    tmp_path: Path, configured: str, wired: str
) -> None:
    _, _, written = scanned(tmp_path, configured, wired, i2c=True)
    assert written == []


@pytest.mark.parametrize("name", SPI)
def test_a_chip_is_named_where_it_is_configured(tmp_path: Path, name: str) -> None:
    place, _, _ = scanned(tmp_path, name, name, i2c=False)
    assert (place.chip, place.reason, place.unasked) == (name, NOTHING, ())


@pytest.mark.parametrize("name", SPI)
def test_whatever_is_in_an_adxl345s_place_is_named(tmp_path: Path, name: str) -> None:
    place, _, _ = scanned(tmp_path, "adxl345", name, i2c=False)
    assert CHIPS[place.chip].answers_as == CHIPS[name].answers_as


@pytest.mark.parametrize("name", SPI)
def test_what_a_chip_hears_as_a_write_keeps_no_other_from_being_asked(name: str) -> None:
    """Where none is configured, all are asked, whichever of them is thought of first."""
    _, unasked = asked_in_order([CHIPS[other] for other in SPI], "")
    others = [CHIPS[other] for other in SPI if CHIPS[other].file != CHIPS[name].file]
    assert not unasked or asked_in_order(others, "")[1], (
        f"drivers/{CHIPS[name].file}.py: scan cannot ask for {[one.name for one in unasked]}, as"
        " that would write to this chip: declare which registers are READ_ONLY, or SPI_WRITES"
    )


def test_a_chip_that_may_be_there_is_not_written_to_and_that_is_said(tmp_path: Path) -> None:
    place, _, _ = scanned(tmp_path, "lis3dh", "adxl345", i2c=False)
    assert place.chip == "" and "adxl345" in place.unasked
