"""What an accelerometer's file must say: nothing that needs it may silently leave a chip out."""

import pytest

from agent.chips import known_chips
from tests.bench.null_bus import LEVEL, status_of
from tests.fault_rig import ACCELEROMETERS

CHIPS = {name: chip for name, chip in known_chips().items() if chip.measures == "vibration"}
FACTS = ("BANDWIDTH_OF_RATE", "NOISE_UG", "RANGE_G", "SELF_TEST")


@pytest.mark.parametrize("fact", FACTS)
@pytest.mark.parametrize("name", sorted(CHIPS))
def test_an_accelerometer_declares_what_the_analysis_needs(name: str, fact: str) -> None:
    declared = getattr(CHIPS[name].driver, fact, None)
    assert declared is not None, f"drivers/{CHIPS[name].file}.py: declare {fact}"


@pytest.mark.parametrize("name", sorted(CHIPS))
def test_the_bench_finds_what_a_chip_says_of_its_level(name: str) -> None:
    if CHIPS[name].spi_mode is not None:
        assert any(status_of(CHIPS[name])), f"{name}: nothing read for {LEVEL} frames"


@pytest.mark.parametrize("file", sorted({chip.file for chip in CHIPS.values()}))
def test_faults_are_tried_on_every_accelerometer(file: str) -> None:
    assert file in {place.chip for place in ACCELEROMETERS}, (
        f"drivers/{file}.py: by its RATES_HZ and WIRE_BITS it fits neither SPI nor I2C"
    )
