"""Every driver against its simulated chip: the contract that a new sensor must keep."""

from drivers.device import SensorFault, broken_check, decode_frame
from hw.sim.bus import SimI2c, SimSpi
from tests.contract.tools import Time, near, raised

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

DRIVERS = ("adxl345", "max31855")
WAYS = ("spi", "i2c")

# What each simulated chip is made to feel, and what its channels must then say.
FELT = {
    "adxl345": (lambda t0_s, period_s, count: [0.5, -0.25, 1.0] * count, (0.5, -0.25, 1.0)),
    "max31855": (lambda t_s: (-7.25, 27.5, ""), (-7.25, 27.5)),
}


class Rig:
    """One driver, its chip, a bus and time."""

    def __init__(self, name: str, way: str = "spi", rate_hz: "int | None" = None) -> None:
        self.driver_type = __import__(f"drivers.{name}", None, None, ("DRIVER",)).DRIVER
        simulated = __import__(f"hw.sim.{name}", None, None, ("SIMULATED",)).SIMULATED
        source, self.expected = FELT[name]
        self.time = Time()
        self.chip = simulated(source, 0.0)
        address = None
        self.bus: Any = SimSpi(self.chip, self.time)
        if way == "i2c":
            address = self.driver_type.ADDRESSES[0]
            self.bus = SimI2c({address: self.chip}, self.time)
        self.rate_hz = rate_hz or self.driver_type.RATES_HZ[-1]
        self.driver = self.driver_type(self.bus, self.rate_hz, address)
        size = self.driver.layout.frame_bytes
        self.buffer = bytearray((self.driver.fifo_frames + 1) * size)

    def start(self) -> None:
        self.driver.identify()
        for wait_ms in self.driver.start():
            assert wait_ms >= 0
            self.time.pass_ms(wait_ms)

    def drain(self) -> "Any":
        return self.driver.drain_into(self.buffer)

    def frame(self, place: int) -> "Any":
        size = self.driver.layout.frame_bytes
        return memoryview(self.buffer)[place * size : (place + 1) * size]


def rigs() -> "list[Rig]":
    """Every driver on every bus that it can be on."""
    made = []
    for name in DRIVERS:
        for way in WAYS:
            rig = Rig(name) if way == "spi" else None
            if way == "i2c" and Rig(name).driver_type.ADDRESSES:
                rig = Rig(name, "i2c", Rig(name).driver_type.RATES_HZ[0])
            if rig is not None:
                made.append(rig)
    return made


def test_frames_decode_to_what_the_chip_feels() -> None:
    for rig in rigs():
        rig.start()
        rig.time.pass_ms(5 * 1000 / rig.rate_hz)
        drained = rig.drain()
        assert drained.frames >= 1 and not drained.overrun
        for place in range(drained.frames):
            assert broken_check(rig.frame(place), rig.driver.layout) is None
            values = decode_frame(rig.frame(place), rig.driver.layout)
            for value, expected in zip(values, rig.expected):
                assert near(value, expected, 1e-6), (rig.driver.CHIP, values)


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
    for rate_hz in (100, 3200):
        rig = Rig("adxl345", "spi", rate_hz)
        rig.chip._source = _counting
        rig.start()
        seen = 0
        last = None
        for _ in range(200):
            rig.time.pass_ms(4)
            drained = rig.drain()
            assert drained.frames == drained.level and not drained.overrun
            for place in range(drained.frames):
                step = round(128 * decode_frame(rig.frame(place), rig.driver.layout)[0])
                assert last is None or step == (last + 1) % 256, (seen, last, step)
                last = step
                seen += 1
        assert seen > 75 * rate_hz // 100


def _counting(t0_s: float, period_s: float, count: int) -> "list[float]":
    """Each frame is one step of 1/128 g above the last, within 2 g."""
    first = int(t0_s / period_s + 0.5)
    values: list[float] = []
    for place in range(count):
        values += [((first + place) % 256) / 128.0, 0.0, 0.0]
    return values


def test_full_fifo_is_reported_as_overrun() -> None:
    rig = Rig("adxl345", "spi", 3200)
    rig.start()
    rig.drain()
    rig.time.pass_ms(9)
    assert not rig.drain().overrun
    rig.time.pass_ms(12)
    drained = rig.drain()
    assert drained.overrun and drained.frames == 33
    assert rig.chip.overruns > 0
    rig.time.pass_ms(4)
    assert not rig.drain().overrun


def test_the_clock_of_the_chip_may_be_off() -> None:
    rig = Rig("adxl345", "spi", 3200)
    rig.chip._speed = 1.02
    rig.start()
    rig.drain()
    total = 0
    for _ in range(250):
        rig.time.pass_ms(4)
        total += rig.drain().frames
    assert near(total, 3264, 2), total


def test_full_scale_is_clipped_and_negative_values_keep_their_sign() -> None:
    rig = Rig("adxl345", "spi", 800)
    rig.chip._source = lambda t0_s, period_s, count: [99.0, -99.0, -1 / 256] * count
    rig.start()
    rig.time.pass_ms(5)
    rig.drain()
    x, y, z = decode_frame(rig.frame(0), rig.driver.layout)
    assert near(x, 4095 / 256, 1e-9) and near(y, -16.0, 1e-9) and near(z, -1 / 256, 1e-9)


def test_a_flipped_constant_register_breaks_the_frame() -> None:
    rig = Rig("adxl345")
    rig.start()
    rig.time.pass_ms(5)
    rig.drain()
    assert broken_check(rig.frame(0), rig.driver.layout) is None
    rig.buffer[7] ^= 0x10
    check = broken_check(rig.frame(0), rig.driver.layout)
    assert check is not None and "FIFO_CTL" in check.reason


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


def test_each_thermocouple_fault_is_named() -> None:
    for fault, named in (("open", "open"), ("short_gnd", "ground"), ("short_vcc", "supply")):
        rig = Rig("max31855")
        rig.chip._source = lambda t_s, fault=fault: (20.0, 20.0, fault)
        rig.start()
        rig.drain()
        check = broken_check(rig.frame(0), rig.driver.layout)
        assert check is not None and named in check.reason and check.status == "failure"
