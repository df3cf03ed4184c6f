"""A simulated LIS2DW12, written from the datasheet: 14 bits left-justified, FIFO of 32."""

from hw.sim.sampler import rounded
from hw.sim.st_family import StChip

WHO_AM_I, CTRL1, CTRL2, CTRL3, CTRL6 = 0x0F, 0x20, 0x21, 0x22, 0x25
FIFO_CTRL, FIFO_SAMPLES = 0x2E, 0x2F
RATES_HZ = (0.0, 12.5, 12.5, 25.0, 50.0, 100.0, 200.0, 400.0, 800.0, 1600.0)  # high performance
MG_PER_DIGIT = (0.244, 0.488, 0.976, 1.952)  # by FS, 14 bits
PUSH_G = (0.0, 0.6, -0.6, 0.0)  # by ST


class SimLis2dw12(StChip):
    """CTRL2's soft reset puts the registers back."""

    REGISTERS = 0x40
    DEFAULTS = {WHO_AM_I: 0x44, CTRL2: 0x04}
    READ_ONLY = (WHO_AM_I, 0x27, 0x28, 0x29, 0x2A, 0x2B, 0x2C, 0x2D, FIFO_SAMPLES)

    def counts(self, g: float) -> int:
        full_scale = self.registers[CTRL6] >> 4 & 0x03
        counts = rounded(g * 1000 / MG_PER_DIGIT[full_scale], 8192)
        return counts if self.registers[CTRL1] & 0x0C else counts & ~0x03

    def push(self) -> float:
        return PUSH_G[self.registers[CTRL3] >> 6]

    def epsilon(self) -> float:
        """What a value may be off by, in g."""
        return MG_PER_DIGIT[self.registers[CTRL6] >> 4 & 0x03] / 1000

    def rate_hz(self) -> float:
        code = self.registers[CTRL1] >> 4
        return RATES_HZ[code] if code < len(RATES_HZ) else 0.0

    def streaming(self) -> bool:
        return self.registers[FIFO_CTRL] >> 5 == 6

    def status(self, register: int) -> "int | None":
        if register != FIFO_SAMPLES:
            return None
        held = self.sampler.held if self.streaming() else 0
        overrun = 0x40 if self.sampler.overrun else 0
        watermark = 0x80 if held >= (self.registers[FIFO_CTRL] & 0x1F) else 0
        return watermark | overrun | held

    def frame(self) -> "tuple[int, ...]":
        x, y, z = self.sampler.frame()
        return x << 2, y << 2, z << 2

    def written(self, register: int, value: int) -> None:
        if register == CTRL2 and value & 0x40:
            self.reset()


SIMULATED = SimLis2dw12
RANGES = {"x": (-15.98, 15.98), "y": (-15.98, 15.98), "z": (-15.98, 15.98)}
# ±16 g: 14 bits of 1.952 mg, left-justified in 16 (Table 3).
_WORDS = (
    (0x8000, -15.990784),
    (0xFFFC, -0.001952),
    (0x0000, 0.0),
    (0x0004, 0.001952),
    (0x0800, 0.999424),
    (0x7FFC, 15.988832),
)
WORDS = {"x": _WORDS, "y": _WORDS, "z": _WORDS}
# Noise of x, y, z in g RMS (90 ug/rtHz) at a rate in Hz, and the bandwidth as a share of it.
FELT = ((0.0025, 0.0025, 0.0025), 1600.0, 0.5)
