"""What a frame says: values over each channel's range, the datasheet's own words, flipped bits."""

from drivers.device import Layout, broken_check, decode_frame, jumps
from hw.sim.faults import Faulty
from tests.contract.rig import ACCELEROMETERS, Rig, epsilon, facts, rigs
from tests.contract.tools import near

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

SHARES = (0.0, 0.0005, 0.25, 0.4999, 0.5, 0.5001, 0.51, 0.75, 0.9995, 1.0)


def test_frames_decode_to_what_the_chip_feels() -> None:
    for rig in rigs():
        rig.start()
        rig.time.pass_ms(5 * 1000 / rig.rate_hz)
        drained = rig.drain()
        assert drained.frames >= 1 and not drained.overrun
        for place in range(drained.frames):
            assert broken_check(rig.frame(place), rig.driver.layout) is None
            assert_felt(rig, place, rig.expected)


def assert_felt(rig: "Rig", place: int, expected: "Any") -> None:
    values = decode_frame(rig.frame(place), rig.driver.layout)
    for value, wanted, channel in zip(values, expected, rig.driver.layout.channels):
        told = (rig.driver.CHIP, channel.name, value, wanted)
        assert near(value, wanted, epsilon(rig, channel.name)), told


def test_each_channel_is_right_over_its_whole_range() -> None:
    for rig in rigs():
        names = [channel.name for channel in rig.driver.layout.channels]
        rig.start()
        for swept, name in enumerate(names):
            low, high = facts(rig).RANGES[name]
            for share in SHARES:
                felt = list(rig.expected)
                felt[swept] = low + share * (high - low)
                rig.feel(felt)
                rig.time.pass_ms(4 * 1000 / rig.rate_hz + 1)
                frames = rig.drain().frames
                assert broken_check(rig.frame(frames - 1), rig.driver.layout) is None
                assert_felt(rig, frames - 1, felt)


def test_the_words_of_the_datasheet_are_read_as_it_says() -> None:
    for rig in rigs():
        size, channels, checks, counter, _ = rig.driver.layout
        layout = Layout(size, channels, checks, counter, None)
        for place, channel in enumerate(channels):
            words = facts(rig).WORDS[channel.name]
            assert len(words) >= 4 and words[0][1] < 0, "negative ones first"
            for word, value in words:
                found = decode_frame(frame_of(word, channel, size), layout)[place]
                assert near(found, value, 1e-9), (rig.driver.CHIP, channel.name, word, found)


def frame_of(word: int, channel: "Any", size: int) -> bytearray:
    """A frame of zeros with one channel's `word` in its place."""
    frame = bytearray(size)
    shifted = word << channel.shift
    for place in range(channel.size):
        index = channel.size - 1 - place if channel.order == "big" else place
        frame[channel.offset + index] = shifted >> (8 * place) & 0xFF
    return frame


def test_beyond_its_range_a_chip_clips_and_keeps_the_sign() -> None:
    for rig in rigs(ACCELEROMETERS):
        rig.feel((99.0, -99.0, 0.0))
        rig.start()
        rig.time.pass_ms(3 * 1000 / rig.rate_hz + 1)
        rig.drain()
        x, y, _ = decode_frame(rig.frame(0), rig.driver.layout)
        limit = rig.driver_type.RANGE_G
        assert near(x, limit, 0.6) and near(y, -limit, 0.6), (rig.driver.CHIP, x, y)


def test_a_flip_among_the_sign_bits_breaks_the_frame() -> None:
    rig = Rig("adxl345")
    rig.start()
    rig.time.pass_ms(5)
    rig.drain()
    for high in (2, 4, 6):
        for mask in (0x10, 0x20, 0x40, 0x80):
            assert broken_check(rig.frame(0), rig.driver.layout) is None
            rig.buffer[high] ^= mask
            check = broken_check(rig.frame(0), rig.driver.layout)
            assert check is not None and "sign bits" in check.reason
            rig.buffer[high] ^= mask


def test_any_flip_of_a_tag_breaks_the_frame() -> None:
    rig = Rig("iis3dwb")
    rig.start()
    rig.time.pass_ms(1)
    frames = rig.drain().frames
    assert frames >= 4
    for place in range(frames):
        for bit in range(8):
            rig.frame(place)[0] ^= 1 << bit
            assert broken_check(rig.frame(place), rig.driver.layout) is not None, (place, bit)
            rig.frame(place)[0] ^= 1 << bit


def test_flipped_bits_on_the_wire_break_frames() -> None:
    flips = (("adxl345", 4, 0x20), ("lis3dh", 1, 0x08), ("lis2dw12", 1, 0x02))
    for name, byte, mask in flips + (("adxl355", 3, 0x02), ("iis3dwb", 1, 0x80)):
        rig = Rig(name)
        rig.bus._chip = faulty = Faulty(rig.chip)
        rig.start()
        faulty.flip_every, faulty.flip_byte, faulty.flip_mask = 1, byte, mask
        rig.time.pass_ms(5 * 1000 / rig.rate_hz)
        broken = 0
        for place in range(rig.drain().frames):
            broken += broken_check(rig.frame(place), rig.driver.layout) is not None
        assert broken, name


def test_a_record_that_the_chip_lost_is_a_jump_of_its_counter() -> None:
    rig = Rig("iis3dwb")
    rig.start()
    rig.time.pass_ms(5)
    assert run_of(rig) == 0
    rig.chip.sampler.drop_every = 40
    rig.time.pass_ms(5)
    assert run_of(rig) == 3  # of 133 samples
    rig.chip.sampler.drop_every = 0
    rig.chip.sampler.duplicate_every = 100
    rig.time.pass_ms(5)
    assert 1 <= run_of(rig) <= 2


def run_of(rig: "Rig") -> int:
    """The jumps of the counter in what one drain brings."""
    end = rig.drain().frames * rig.driver.layout.frame_bytes
    assert end > 0
    return jumps(memoryview(rig.buffer)[:end], rig.driver.layout)
