"""A simulated IIS3DWB, written from the datasheet: 26 667 Hz, tagged FIFO of 512 words, SPI."""

from hw.sim.sampler import rounded
from hw.sim.st_family import StChip

FIFO_CTRL3, FIFO_CTRL4, WHO_AM_I, CTRL1_XL, CTRL3_C, CTRL5_C = 0x09, 0x0A, 0x0F, 0x10, 0x12, 0x14
FIFO_STATUS1, FIFO_STATUS2, FIFO_DATA_OUT_TAG = 0x3A, 0x3B, 0x78
RATE_HZ = 26667.0
MG_PER_DIGIT = (0.061, 0.488, 0.122, 0.244)  # by FS: 2, 16, 4, 8 g
TAG_ACCELEROMETER = 0x02
PUSH_G = (0.0, 1.6, 0.0, -1.6)  # by ST_XL


class SimIis3dwb(StChip):
    """A word is tag, x, y, z; the tag carries a counter of 2 bits and even parity."""

    DEFAULTS = {WHO_AM_I: 0x7B, CTRL3_C: 0x04}
    READ_ONLY = (WHO_AM_I, FIFO_STATUS1, FIFO_STATUS2)
    OUT_FIRST, OUT_LAST = FIFO_DATA_OUT_TAG, FIFO_DATA_OUT_TAG + 6
    FRAME = "<Bhhh"
    ENTRIES_MAX = 512

    def counts(self, g: float) -> int:
        full_scale = self.registers[CTRL1_XL] >> 2 & 0x03
        return rounded(g * 1000 / MG_PER_DIGIT[full_scale], 32768)

    def push(self) -> float:
        return PUSH_G[self.registers[CTRL5_C] & 0x03]

    def epsilon(self) -> float:
        """What a value may be off by, in g."""
        return MG_PER_DIGIT[self.registers[CTRL1_XL] >> 2 & 0x03] / 1000

    def rate_hz(self) -> float:
        on = self.registers[CTRL1_XL] >> 5 == 5
        batched = self.registers[FIFO_CTRL3] & 0x0F == 0x0A
        return RATE_HZ if on and batched else 0.0

    def streaming(self) -> bool:
        return self.registers[FIFO_CTRL4] & 0x07 == 6

    def status(self, register: int) -> "int | None":
        held = self.sampler.held if self.streaming() else 0
        if register == FIFO_STATUS1:
            return held & 0xFF
        if register == FIFO_STATUS2:
            overrun = 0x40 if self.sampler.overrun else 0
            full = 0x20 if held >= self.ENTRIES_MAX else 0
            latched = 0x08 if self.sampler.latched else 0
            self.sampler.latched = False
            return overrun | full | latched | held >> 8
        return None

    def frame(self) -> "tuple[int, ...]":
        return (self._tag(),) + self.sampler.frame()

    def _tag(self) -> int:
        bits = TAG_ACCELEROMETER << 3 | (self.sampler.number() & 0x03) << 1
        ones = 0
        for place in range(1, 8):
            ones += bits >> place & 1
        return bits | ones & 1

    def written(self, register: int, value: int) -> None:
        if register == CTRL3_C and value & 0x01:
            self.reset()


SIMULATED = SimIis3dwb
RANGES = {"x": (-15.98, 15.98), "y": (-15.98, 15.98), "z": (-15.98, 15.98)}
# ±16 g: 16 bits of 0.488 mg (Table 3).
_WORDS = (
    (0x8000, -15.990784),
    (0xFFFF, -0.000488),
    (0x0000, 0.0),
    (0x0001, 0.000488),
    (0x0801, 0.999912),
    (0x7FFF, 15.990296),
)
WORDS = {"x": _WORDS, "y": _WORDS, "z": _WORDS}
# Noise of x, y, z in g RMS (75 ug/rtHz) at a rate in Hz, and the bandwidth as a share of it.
FELT = ((0.0060, 0.0060, 0.0060), 26667.0, 0.236)
