"""Each sample once and in order, losses told, whatever the chip's own clock does."""

from drivers.device import broken_check, decode_frame
from tests.contract.rig import ACCELEROMETERS, Rig, counting, rigs
from tests.contract.tools import near


def test_every_frame_between_two_drains_arrives_once() -> None:
    for rig in rigs(ACCELEROMETERS):
        rig.chip.sampler.source = counting
        rig.start()
        step_ms = 0.4 * 1000 * rig.driver.fifo_frames / rig.rate_hz
        channel = rig.driver.layout.channels[0]
        seen = 0
        last = None
        for _ in range(60):
            rig.time.pass_ms(step_ms)
            drained = rig.drain()
            assert drained.frames == drained.level and not drained.overrun, rig.driver.CHIP
            for place in range(drained.frames):
                assert broken_check(rig.frame(place), rig.driver.layout) is None
                step = round(64 * decode_frame(rig.frame(place), rig.driver.layout)[0])
                assert last is None or step == (last + 1) % 128, (rig.driver.CHIP, last, step)
                last = step
                seen += 1
        expected = 60 * step_ms * rig.rate_hz / 1000
        assert near(seen, expected, 3), (rig.driver.CHIP, seen, expected, channel)


def test_full_fifo_is_reported_as_overrun_once() -> None:
    for rig in rigs(ACCELEROMETERS):
        full_ms = 1000 * rig.driver.fifo_frames / rig.rate_hz
        rig.start()
        rig.time.pass_ms(0.8 * full_ms)
        assert not rig.drain().overrun, rig.driver.CHIP
        rig.time.pass_ms(1.4 * full_ms)
        drained = rig.drain()
        assert drained.overrun and drained.frames >= rig.driver.fifo_frames, rig.driver.CHIP
        assert rig.chip.sampler.overruns > 0
        rig.time.pass_ms(0.4 * full_ms)
        assert not rig.drain().overrun, rig.driver.CHIP


def test_the_clock_of_the_chip_may_be_off() -> None:
    for rig in rigs(ACCELEROMETERS):
        for speed in (0.96, 1.02):
            rig.chip.sampler.speed = speed
            rig.start()
            step_ms = 0.4 * 1000 * rig.driver.fifo_frames / rig.rate_hz
            total = 0
            for _ in range(50):
                rig.time.pass_ms(step_ms)
                total += rig.drain().frames
            expected = 50 * step_ms * rig.rate_hz * speed / 1000
            assert near(total, expected, 3), (rig.driver.CHIP, total, expected)


def test_a_stopped_chip_samples_no_more() -> None:
    for rig in rigs(ACCELEROMETERS):
        rig.start()
        rig.driver.stop()
        held = rig.chip.sampler.held
        rig.time.pass_ms(100)
        rig.bus.fail_with = None
        rig.driver.identify()
        assert rig.chip.sampler.held <= held, rig.driver.CHIP


def test_a_torn_frame_of_the_adxl355_is_dropped_and_told() -> None:
    for torn in (1, 2):
        for way in ("spi", "i2c"):
            rig = Rig("adxl355", way, 1000)
            rig.chip.sampler.source = counting
            rig.start()
            rig.time.pass_ms(10)
            rig.chip.advance(rig.time.now_ns)
            for _ in range(torn):
                for _ in range(3):
                    rig.chip._fifo_byte()
            drained = rig.drain()
            assert drained.overrun and drained.frames >= 8
            assert broken_check(rig.frame(0), rig.driver.layout) is None
            rig.time.pass_ms(10)
            drained = rig.drain()
            assert not drained.overrun
            for place in range(drained.frames):
                assert broken_check(rig.frame(place), rig.driver.layout) is None


def test_an_overrun_of_the_iis3dwb_after_its_level_was_read_is_told_by_the_next_drain() -> None:
    rig = Rig("iis3dwb")
    rig.start()
    rig.drain()
    rig.time.pass_ms(8)
    read_levels = rig.driver._registers.reader(0x3A, 2)[0]
    read_levels()
    rig.time.pass_ms(30)
    rig.chip.advance(rig.time.now_ns)
    rig.driver._registers.read_into(0x78, rig.buffer, 7 * 213)
    assert not rig.chip.sampler.overrun, "reading has cleared what is not latched"
    assert rig.drain().overrun
    rig.time.pass_ms(8)
    assert not rig.drain().overrun
