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
        self._selected: "dict[int, Any]" = {}
        self._asked_only = False  # `wire` was called: a device asks, it does not bring its chip

    def device(self, sensor: "Any", chip: "Any", address: "int | None") -> "Any":
        """The sensor's own chip; once `wire` was called, what is wired to its place."""
        if not self._asked_only:
            self._put(sensor, chip, address)
        if address is None:
            simulated = self._selected.get(sensor.chip_select, _Nothing())
            speed_hz = min(self._settings.speed_hz, chip.speed_hz_max)
            return SimSpi(simulated, self._now_ns, speed_hz)
        speed_hz = min(self._settings.speed_hz, I2C_SPEED_HZ_MAX)
        return SimI2c(self._chips, self._now_ns, speed_hz)

    def wire(self, sensor: "Any", chip: "Any", address: "int | None") -> "Any":
        """A chip at the sensor's place, for whoever asks there; the simulated chip."""
        self._asked_only = True
        return self._put(sensor, chip, address)

    def _put(self, sensor: "Any", chip: "Any", address: "int | None") -> "Any":
        simulated = chip.simulated(self._plant.source(chip.name), self._plant.clock_error)
        if address is None:
            self._selected[sensor.chip_select] = simulated
        else:
            self._chips[address] = simulated
        return simulated


class _Nothing:
    """A chip select without a chip: the line stays low."""

    def advance(self, now_ns: int) -> None:
        return

    def transfer(self, sent: "Any", received: "Any") -> None:
        for place in range(len(received)):
            received[place] = 0
