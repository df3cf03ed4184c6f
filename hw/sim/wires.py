"""The two wires of an I2C bus as far as they can hang: a chip left in mid-byte holds SDA low.

A master that was reset, or a cable that was pulled, leaves a chip waiting to send the rest of its
byte. It lets go of SDA only after enough clocks (UM10204 3.1.16: within nine), or without supply.
"""

ETIMEDOUT = 110  # what Linux gives for a transfer that cannot begin
UNTIL_POWER_CYCLE = -1
WITHIN_CLOCKS = 9


class I2cWires:
    """Levels of SDA and SCL, 1 unless somebody pulls; what holds SDA, and what frees it."""

    def __init__(self) -> None:
        self._clocks_needed = 0
        self._scl = 1
        self._driven_low = False
        self.clocks = 0

    def hold_sda(self, clocks: int = WITHIN_CLOCKS) -> None:
        """From now on SDA is low, for so many more clocks or UNTIL_POWER_CYCLE."""
        self._clocks_needed = clocks

    def power_cycle(self) -> None:
        self._clocks_needed = 0

    @property
    def sda(self) -> int:
        return 0 if self._clocks_needed or self._driven_low else 1

    def drive_sda(self, level: int) -> None:
        """A master's own pull on SDA, open drain."""
        self._driven_low = not level

    def drive_scl(self, level: int) -> None:
        """A rising edge is a clock: the chip puts out its next bit."""
        if level and not self._scl:
            self.clocks += 1
            if self._clocks_needed > 0:
                self._clocks_needed -= 1
        self._scl = level

    def need_free(self) -> None:
        """OSError as a transfer gives it on wires that are held."""
        if not self.sda:
            raise OSError(ETIMEDOUT, "SDA is held low")
