"""A driver, its simulated chip, a bus and time: what every contract test arranges."""

from hw.sim.bus import SimI2c, SimSpi
from tests.contract.tools import Time

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

DRIVERS = (
    "adxl345",
    "adxl355",
    "iis3dwb",
    "lis2dw12",
    "lis3dh",
    "max31855",
    "max31856",
    "mcp9600",
)
ACCELEROMETERS = ("adxl345", "adxl355", "iis3dwb", "lis2dw12", "lis3dh")
THERMOCOUPLES = ("max31855", "max31856", "mcp9600")


def _steady(t0_s: float, period_s: float, count: int) -> "list[float]":
    return [0.5, -0.25, 1.0] * count


# What each simulated chip is made to feel, and what its channels must then say.
FELT: "dict[str, Any]" = {}
for _name in ACCELEROMETERS:
    FELT[_name] = (_steady, (0.5, -0.25, 1.0))
for _name in THERMOCOUPLES:
    FELT[_name] = (lambda t_s: (-7.25, 27.5, ""), (-7.25, 27.5))


class Rig:
    """One driver, its chip, a bus and time."""

    def __init__(self, name: str, way: str = "spi", rate_hz: "int | None" = None) -> None:
        self.driver_type = type_of(name)
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
        self.drain()  # what was sampled while it settled

    def drain(self) -> "Any":
        return self.driver.drain_into(self.buffer)

    def frame(self, place: int) -> "Any":
        size = self.driver.layout.frame_bytes
        return memoryview(self.buffer)[place * size : (place + 1) * size]


def rigs(names: "tuple[str, ...]" = DRIVERS) -> "list[Rig]":
    """Every driver on every bus that it can be on."""
    made = []
    for name in names:
        driver = type_of(name)
        if driver.SPI_MODE is not None:
            made.append(Rig(name))
        if driver.ADDRESSES:
            made.append(Rig(name, "i2c", driver.RATES_HZ[0]))
    return made


def type_of(name: str) -> "Any":
    return __import__(f"drivers.{name}", None, None, ("DRIVER",)).DRIVER


def epsilon(rig: "Rig", channel: "Any") -> float:
    """What a rounded value may be off by, and a little for floats."""
    count = rig.chip.epsilon() if hasattr(rig.chip, "epsilon") else channel.scale
    return 1.001 * float(count)
