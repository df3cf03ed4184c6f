"""Every driver against its simulated chip: the contract that a new sensor must keep."""

from drivers.device import SensorFault, broken_check, decode_frame
from hw.sim.faults import Faulty
from tests.contract.rig import ACCELEROMETERS, THERMOCOUPLES, Rig, epsilon, rigs
from tests.contract.tools import near, raised

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any


def test_frames_decode_to_what_the_chip_feels() -> None:
    for rig in rigs():
        rig.start()
        rig.time.pass_ms(5 * 1000 / rig.rate_hz)
        drained = rig.drain()
        assert drained.frames >= 1 and not drained.overrun
        for place in range(drained.frames):
            assert broken_check(rig.frame(place), rig.driver.layout) is None
            values = decode_frame(rig.frame(place), rig.driver.layout)
            for value, expected, one in zip(values, rig.expected, rig.driver.layout.channels):
                assert near(value, expected, epsilon(rig, one)), (rig.driver.CHIP, values)


def test_a_silent_line_is_a_fault_that_names_the_wire() -> None:
    for rig in rigs():
        rig.chip.transfer = _silence
        rig.chip.read_registers = _silent_registers
        text = raised(SensorFault, rig.driver.identify)
        assert rig.driver.CHIP in text and "check" in text
        assert "MISO" in text or "SDA" in text, text


def _silence(sent: "Any", received: "Any") -> None:
    for place in range(len(received)):
        received[place] = 0


def _silent_registers(register: int, buffer: "Any") -> None:
    _silence(buffer, buffer)


def test_a_bus_error_passes_through_with_its_number() -> None:
    for rig in rigs():
        rig.start()
        rig.bus.fail_with = OSError(110, "timed out")
        for call in (rig.driver.identify, rig.drain):
            try:
                call()
            except OSError as error:
                assert error.errno == 110
            else:
                raise AssertionError("no OSError")


def test_a_rate_that_the_chip_does_not_have_is_refused() -> None:
    for rig in rigs():
        assert "3000" in raised(ValueError, rig.driver_type, rig.bus, 3000)


def test_a_missing_chip_on_i2c_is_a_bus_error() -> None:
    rig = Rig("adxl345", "i2c", 800)
    driver = rig.driver_type(rig.bus, 800, 0x1D)
    assert "0x1d" in raised(OSError, driver.identify)


def test_every_frame_between_two_drains_arrives_once() -> None:
    for rig in rigs(ACCELEROMETERS):
        rig.chip.sampler.source = _counting
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


def _counting(t0_s: float, period_s: float, count: int) -> "list[float]":
    """Each frame is one step of 1/64 g above the last, within 2 g: more than any chip's count."""
    first = int(t0_s / period_s + 0.5)
    values: list[float] = []
    for place in range(count):
        values += [((first + place) % 128) / 64.0, 0.0, 0.0]
    return values


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


def test_each_channel_is_right_over_its_whole_range() -> None:
    for rig in rigs(ACCELEROMETERS):
        range_g = rig.driver_type.RANGE_G
        rig.start()
        for share in (-0.999, -0.5, -0.01, -0.0001, 0.0, 0.0001, 0.01, 0.5, 0.99):
            for axis in range(3):
                felt = [0.0, 0.0, 0.0]
                felt[axis] = share * range_g
                rig.chip.sampler.source = lambda t0_s, period_s, count, felt=felt: felt * count
                rig.time.pass_ms(3 * 1000 / rig.rate_hz + 1)
                frames = rig.drain().frames
                values = decode_frame(rig.frame(frames - 1), rig.driver.layout)
                for value, expected, one in zip(values, felt, rig.driver.layout.channels):
                    assert near(value, expected, epsilon(rig, one)), (rig.driver.CHIP, values)


def test_beyond_its_range_a_chip_clips_and_keeps_the_sign() -> None:
    for rig in rigs(ACCELEROMETERS):
        rig.chip.sampler.source = lambda t0_s, period_s, count: [99.0, -99.0, 0.0] * count
        rig.start()
        rig.time.pass_ms(3 * 1000 / rig.rate_hz + 1)
        rig.drain()
        x, y, _ = decode_frame(rig.frame(0), rig.driver.layout)
        limit = rig.driver_type.RANGE_G
        assert near(x, limit, 0.6) and near(y, -limit, 0.6), (rig.driver.CHIP, x, y)


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
            rig.chip.sampler.source = _counting
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


def test_a_thermocouple_is_right_over_its_range() -> None:
    for rig in rigs(THERMOCOUPLES):
        rig.start()
        for hot, cold in (
            (-200.0, -40.0),
            (-0.25, -0.0625),
            (0.0, 0.0),
            (99.75, 25.0),
            (1200.0, 80.0),
        ):
            rig.chip.source = lambda t_s, hot=hot, cold=cold: (hot, cold, "")
            rig.time.pass_ms(400)
            rig.drain()
            assert broken_check(rig.frame(0), rig.driver.layout) is None, rig.driver.CHIP
            values = decode_frame(rig.frame(0), rig.driver.layout)
            for value, expected, one in zip(values, (hot, cold), rig.driver.layout.channels):
                assert near(value, expected, epsilon(rig, one)), (rig.driver.CHIP, values)


def test_each_fault_of_a_thermocouple_is_named() -> None:
    cases = (
        ("max31855", "open", "open"),
        ("max31855", "short_gnd", "ground"),
        ("max31855", "short_vcc", "supply"),
        ("max31856", "open", "open"),
        ("max31856", "voltage", "voltage"),
        ("mcp9600", "open", "open"),
        ("mcp9600", "short", "shorted"),
    )
    for name, fault, named in cases:
        (rig,) = rigs((name,))
        rig.start()
        rig.chip.source = lambda t_s, fault=fault: (20.0, 20.0, fault)
        rig.time.pass_ms(400)
        rig.drain()
        check = broken_check(rig.frame(0), rig.driver.layout)
        assert check is not None and named in check.reason and check.status == "failure", name


def test_a_hot_junction_beyond_its_type_is_out_of_spec() -> None:
    (rig,) = rigs(("max31856",))
    rig.chip.source = lambda t_s: (1500.0, 30.0, "")
    rig.start()
    rig.drain()
    check = broken_check(rig.frame(0), rig.driver.layout)
    assert check is not None and check.status == "out_of_spec"


def test_the_type_of_a_thermocouple_is_a_closed_choice() -> None:
    rig = Rig("max31856")
    assert "Q" in raised(ValueError, rig.driver_type, rig.bus, 10, None, "Q")
    driver = rig.driver_type(rig.bus, 10, None, "T", 50)
    list(driver.start())
    assert rig.chip.registers[1] == 7 and rig.chip.registers[0] == 0x91


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


def test_a_flip_in_the_registers_read_with_the_level_is_a_fault() -> None:
    for byte, mask in ((1, 0x01), (1, 0x80), (2, 0x40), (2, 0x80)):
        rig = Rig("adxl345")
        rig.bus._chip = faulty = Faulty(rig.chip)
        rig.start()
        faulty.flip_every, faulty.flip_byte, faulty.flip_mask = 1, byte, mask
        assert "MISO" in raised(SensorFault, rig.drain)


def test_a_write_that_does_not_arrive_is_a_fault() -> None:
    rig = Rig("adxl345")
    rig.chip._write = _deaf
    text = raised(SensorFault, lambda: list(rig.driver.start()))
    assert "MOSI" in text and "register 0x" in text, text


def _deaf(register: int, value: int) -> None:
    """A chip whose MOSI is cut."""


def test_the_datasheets_words_of_a_thermocouple() -> None:
    layout = Rig("max31855").driver.layout
    words = ((0x1900, 1600.0), (0x3FFF, -0.25), (0x3FFC, -1.0), (0x3C18, -250.0), (0x0191, 100.25))
    for field, degc in words:
        frame = _word_bytes(field << 18)
        assert decode_frame(frame, layout)[0] == degc
    for field, degc in ((0x7F0, 127.0), (0x649, 100.5625), (0xFFF, -0.0625), (0xC90, -55.0)):
        assert decode_frame(_word_bytes(field << 4), layout)[1] == degc


def _word_bytes(word: int) -> bytes:
    return bytes(word >> shift & 0xFF for shift in (24, 16, 8, 0))


def test_a_chip_that_was_reset_in_mid_stream_is_noticed() -> None:
    for rig in rigs():
        rig.start()
        rig.driver.verify()
        if rig.driver.CHIP in ("max31855", "mcp9600"):
            continue  # no settings to lose; type K at 18 bits is what it wakes up with
        rig.chip.reset()
        text = raised(SensorFault, rig.driver.verify)
        assert rig.driver.CHIP in text and "supply" in text, text


def test_a_pulled_chip_is_a_fault_and_comes_back() -> None:
    for rig in rigs():
        faulty = Faulty(rig.chip)
        if hasattr(rig.bus, "_chips"):
            for address in rig.bus._chips:
                rig.bus._chips[address] = faulty
        else:
            rig.bus._chip = faulty
        rig.start()
        for floats in (0x00, 0xFF):
            faulty.pulled, faulty.floats = True, floats
            raised((SensorFault, OSError), rig.driver.identify)
            faulty.pulled = False
            faulty.brown_out()
            rig.start()
            rig.time.pass_ms(5 * 1000 / rig.rate_hz)
            assert rig.drain().frames >= 1


def test_a_frozen_chip_gives_the_same_frame_for_ever() -> None:
    rig = Rig("lis3dh")
    rig.bus._chip = faulty = Faulty(rig.chip)
    rig.chip.sampler.source = _counting
    rig.start()
    seen = []
    for frozen in (False, True):
        faulty.frozen = frozen
        for _ in range(3):
            rig.time.pass_ms(10)
            if rig.drain().frames:
                seen.append(decode_frame(rig.frame(0), rig.driver.layout)[0])
    assert seen[0] != seen[1] and seen[-1] == seen[-2]


def test_flipped_bits_break_frames_where_a_constant_is_sent_along() -> None:
    for name, byte in (("adxl345", 4), ("lis3dh", 1), ("adxl355", 3), ("iis3dwb", 1)):
        rig = Rig(name)
        rig.bus._chip = faulty = Faulty(rig.chip)
        rig.start()
        faulty.flip_every, faulty.flip_byte, faulty.flip_mask = 1, byte, 0x08
        if name == "adxl345":
            faulty.flip_mask = 0x20
        if name == "adxl355":
            faulty.flip_mask = 0x02
        if name == "iis3dwb":
            faulty.flip_mask = 0x80
        rig.time.pass_ms(5 * 1000 / rig.rate_hz)
        broken = 0
        try:
            for place in range(rig.drain().frames):
                broken += broken_check(rig.frame(place), rig.driver.layout) is not None
        except SensorFault:
            broken = 1
        assert broken, name
