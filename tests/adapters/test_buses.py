"""The real buses' adapters as far as no bus is needed: what they ask, and its absence."""

import errno
import struct
from collections import namedtuple
from pathlib import Path

import pytest

from agent.adapters.bus_blinka import BlinkaI2c, BlinkaSpi
from agent.adapters.i2c_smbus2 import I2cSmbus2
from agent.adapters.spi_linux import SpiLinux
from tests.shared import needed

Transfer = namedtuple(
    "Transfer",
    (
        "sent",
        "received",
        "length",
        "speed_hz",
        "delay_us",
        "bits",
        "cs_change",
        "tx_nbits",
        "rx_nbits",
        "word_delay_us",
        "pad",
    ),
)


def test_a_batch_is_one_message_of_the_kernels_structure() -> None:
    message = SpiLinux("/dev/spidev0.0", 3, 5_000_000).message(9, 32)
    transfers = [Transfer(*one) for one in struct.iter_unpack("<QQIIHBBBBBB", message)]
    assert len(message) == 32 * 32 and len(transfers) == 32
    first, last = transfers[0], transfers[-1]
    assert (first.length, first.speed_hz, first.bits) == (9, 5_000_000, 8)
    assert [t.cs_change for t in transfers] == [1] * 31 + [0]
    assert [t.delay_us for t in transfers] == [5] * 31 + [0]
    assert len({t.sent for t in transfers}) == 1
    assert last.received - first.received == 31 * 9


def test_a_missing_spi_node_is_named_with_its_cure() -> None:
    needed(not Path("/dev/spidev9.9").exists(), "a machine without /dev/spidev9.9")
    with pytest.raises(OSError, match=r"/dev/spidev9\.9 is not there \(dtparam=spi=on") as caught:
        SpiLinux("/dev/spidev9.9", 0, 1_000_000).write_readinto(b"\0\0", bytearray(2))
    assert caught.value.errno == errno.ENOENT


def test_a_node_that_is_not_spi_is_an_error_of_the_bus(tmp_path: Path) -> None:
    (tmp_path / "node").write_text("")
    bus = SpiLinux(str(tmp_path / "node"), 0, 1_000_000)
    for _ in range(2):  # and it is opened anew each time
        with pytest.raises(OSError, match="node: Inappropriate ioctl"):
            bus.write_readinto(b"\0\0", bytearray(2))


def test_a_missing_i2c_node_is_named_with_its_cure() -> None:
    needed(not Path("/dev/i2c-97").exists(), "a machine without /dev/i2c-97")
    with pytest.raises(OSError, match=r"/dev/i2c-97 is not there \(dtoverlay=i2c-gpio,bus=97"):
        I2cSmbus2(97).readfrom_mem_into(0x53, 0, bytearray(1))


def test_a_board_that_blinka_does_not_know_is_an_error_of_the_bus() -> None:
    needed(not Path("/proc/device-tree/model").exists(), "a machine that is no board")
    with pytest.raises(OSError, match="Blinka does not have this bus") as caught:
        BlinkaI2c().readfrom_mem_into(0x53, 0, bytearray(1))
    assert caught.value.errno == errno.ENODEV
    with pytest.raises(OSError, match="Blinka does not have this bus"):
        BlinkaSpi("CE0", 3, 5_000_000).write_readinto(b"\0", bytearray(1))
