"""A simulated LIS3DH, written from the datasheet: 12 bits left-justified, FIFO of 32."""

from hw.sim.sampler import rounded
from hw.sim.st_family import StChip

CTRL1, CTRL4, CTRL5, FIFO_CTRL, FIFO_SRC, WHO_AM_I = 0x20, 0x23, 0x24, 0x2E, 0x2F, 0x0F
RATES_HZ = (0, 1, 10, 25, 50, 100, 200, 400, 1620, 1344)  # by ODR code; 1620 is low-power only
MG_PER_DIGIT = (1, 2, 4, 12)  # by FS, high resolution
FULL_SCALE_MG = (2000, 4000, 8000, 16000)
PUSH_G = (0.0, 0.5, -0.5, 0.0)  # by ST


class SimLis3dh(StChip):
    """High-resolution mode when CTRL4's HR is set, else 10 bits."""

    DEFAULTS = {WHO_AM_I: 0x33, CTRL1: 0x07}
    READ_ONLY = (WHO_AM_I, 0x27, 0x28, 0x29, 0x2A, 0x2B, 0x2C, 0x2D, FIFO_SRC)
    SPI_INCREMENT = 0x40
    I2C_INCREMENT = 0x80

    def counts(self, g: float) -> int:
        full_scale = self.registers[CTRL4] >> 4 & 0x03
        scaled, top = g * 1000 / MG_PER_DIGIT[full_scale], FULL_SCALE_MG[full_scale]
        counts = rounded(scaled, top // MG_PER_DIGIT[full_scale])  # it saturates at full scale
        return counts if self.registers[CTRL4] & 0x08 else counts & ~0x03

    def push(self) -> float:
        return PUSH_G[self.registers[CTRL4] >> 1 & 0x03]

    def epsilon(self) -> float:
        """What a value may be off by, in g."""
        return MG_PER_DIGIT[self.registers[CTRL4] >> 4 & 0x03] / 1000

    def rate_hz(self) -> float:
        code = self.registers[CTRL1] >> 4
        return float(RATES_HZ[code]) if code < len(RATES_HZ) else 0.0

    def streaming(self) -> bool:
        return bool(self.registers[CTRL5] & 0x40) and self.registers[FIFO_CTRL] >> 6 == 2

    def status(self, register: int) -> "int | None":
        if register != FIFO_SRC:
            return None
        held = self.sampler.held if self.streaming() else 0
        full = 0x40 if held >= self.ENTRIES_MAX else 0
        watermark = 0x80 if held > (self.registers[FIFO_CTRL] & 0x1F) else 0
        return watermark | full | (0 if held else 0x20) | min(held, 31)

    def frame(self) -> "tuple[int, ...]":
        x, y, z = self.sampler.frame()
        return x << 4, y << 4, z << 4


SIMULATED = SimLis3dh
RANGES = {"x": (-15.98, 15.98), "y": (-15.98, 15.98), "z": (-15.98, 15.98)}
# ±16 g: 12 bits of 12 mg, left-justified in 16 (Table 4).
_WORDS = (
    (0xACB0, -15.996),
    (0xFFF0, -0.012),
    (0x0000, 0.0),
    (0x0010, 0.012),
    (0x0530, 0.996),
    (0x5350, 15.996),
)
WORDS = {"x": _WORDS, "y": _WORDS, "z": _WORDS}
# Noise of x, y, z in g RMS (220 ug/rtHz) at a rate in Hz, and the bandwidth as a share of it.
FELT = ((0.0057, 0.0057, 0.0057), 1344.0, 0.5)
