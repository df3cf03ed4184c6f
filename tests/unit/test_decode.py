"""Decoding a block with numpy and frame by frame, as a small board does: the same to the bit."""

import os

import numpy as np
import pytest

from agent.analysis.decode import broken_frames, decode
from agent.chips import known_chips
from drivers.device import Channel, Layout, broken_check, decode_frame, jumps

LAYOUTS = {name: chip.driver.layout for name, chip in known_chips().items()}


@pytest.mark.parametrize("name", list(LAYOUTS))
def test_a_block_decodes_as_its_frames_do(name: str) -> None:
    layout = LAYOUTS[name]
    size = layout.frame_bytes
    raw = bytes(size) + b"\xff" * size + os.urandom(size * 500)
    one_by_one = [decode_frame(raw[at : at + size], layout) for at in range(0, len(raw), size)]
    assert np.array_equal(decode(raw, layout), np.array(one_by_one))
    assert decode(b"", layout).shape == (0, len(layout.channels))


@pytest.mark.parametrize("name", list(LAYOUTS))
def test_broken_frames_are_counted_alike(name: str) -> None:
    layout = LAYOUTS[name]
    size = layout.frame_bytes
    raw = os.urandom(size * 300)
    broken = [broken_check(raw[at : at + size], layout) for at in range(0, len(raw), size)]
    counted = broken_frames(raw, layout)
    assert any(count for _, _, count in counted) == any(check is not None for check in broken)


def test_words_of_every_kind_keep_their_sign() -> None:
    channels = (
        Channel("a", "g", 0, 2, "little", 0, 16, 0.5, 0, 1),
        Channel("b", "g", 2, 2, "big", 4, 12, 0.25, 3, 1),
        Channel("c", "g", 4, 4, "big", 18, 14, 1.0, -1, 1),
        Channel("d", "g", 8, 3, "big", 4, 20, 2.0, 0, 1),
        Channel("e", "g", 11, 4, "little", 4, 12, 1.0, 0, 1),
    )
    layout = Layout(15, channels, (), None, None)
    raw = os.urandom(15 * 400)
    one_by_one = [decode_frame(raw[at : at + 15], layout) for at in range(0, len(raw), 15)]
    assert np.array_equal(decode(raw, layout), np.array(one_by_one))


def test_half_a_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="not a whole number"):
        decode(b"\0" * 10, LAYOUTS["adxl345"])


def test_a_counter_that_jumps_is_counted_as_the_small_board_counts_it() -> None:
    layout = LAYOUTS["iis3dwb"]
    tags = (0x11, 0x12, 0x14, 0x17)
    frames = [bytes((tags[n % 4],)) + bytes(6) for n in range(40)]
    assert broken_frames(b"".join(frames), layout) == []
    raw = b"".join(frames[:10] + frames[12:20] + frames[19:])  # two lost, one twice
    ((status, reason, count),) = broken_frames(raw, layout)
    assert status == "out_of_spec" and "missing" in reason
    assert count == jumps(raw, layout) == 2
    assert jumps(os.urandom(7 * 300), layout) > 0 and jumps(b"", layout) == 0


def test_a_thermocouple_block_is_corrected_as_its_frames_are() -> None:
    raw = bytes.fromhex("01900190") * 3
    hot, cold = decode(raw, LAYOUTS["max31855"])[2]
    assert cold == 1.5625 and hot == decode_frame(raw[:4], LAYOUTS["max31855"])[0] != 25.0
