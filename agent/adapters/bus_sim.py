"""Simulated buses: the calls of the real ones, to simulated chips in memory."""

from hw.sim.bus import SimI2c, SimSpi

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

I2C_SPEED_HZ_MAX = 400_000


def open_bus(settings: "Any", plant: "Any", clock: "Any") -> "SimBus":
    """`settings`: agent.config.Bus of kind sim_spi or sim_i2c; `plant`: what chips feel."""
    return SimBus(settings, plant, clock)


class SimBus:
    """Gives each sensor its device on this bus."""

    def __init__(self, settings: "Any", plant: "Any", clock: "Any") -> None:
        self._settings = settings
        self._plant = plant
        self._now_ns = clock.monotonic_ns
        self._chips: "dict[int, Any]" = {}

    def device(self, sensor: "Any", chip: "Any", address: "int | None") -> "Any":
        simulated = chip.simulated(self._plant.source(chip.name), self._plant.clock_error)
        if address is None:
            speed_hz = min(self._settings.speed_hz, chip.speed_hz_max)
            return SimSpi(simulated, self._now_ns, speed_hz)
        self._chips[address] = simulated
        speed_hz = min(self._settings.speed_hz, I2C_SPEED_HZ_MAX)
        return SimI2c(self._chips, self._now_ns, speed_hz)
