"""What every accelerometer's driver shares: the self-test. Its rate is chosen, its FIFO drained."""

from collections import namedtuple

from drivers.device import SensorFault, decode_frame
from drivers.driver import Driver

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from drivers.device import Layout
    from drivers.driver import Settings

# A self-test: settings with the force `off` and `on`, milliseconds until the output has settled,
# what a count then is against the layout's scale, and (lowest, highest) change of x, y, z in g.
SelfTest = namedtuple("SelfTest", ("off", "on", "settle_ms", "scale", "limits_g"))

_MEAN_MS = 200  # 10 samples at 50 Hz: the procedures of both makers ask for 5 to 10
_FRAMES_MIN = 5


class Accelerometer(Driver):
    """As every Driver; `SELF_TEST`: how the proof mass is pushed, and how far it must move."""

    MEASURES = "vibration"
    SELF_TEST: "SelfTest"
    NOISE_UG: "tuple[float, float, float]"  # typical density of x, y, z in ug/rtHz

    def self_test(self) -> "Any":
        """Pushes the proof mass by an electrostatic force; the machine must stand still meanwhile.

        A generator: yields milliseconds to wait and returns [(change_g, low_g, high_g)] of x, y, z;
        a sound axis has low_g <= change_g <= high_g, a dead one changes by 0. The chip must have
        been started and is started anew at the end; whoever breaks off starts it himself.
        """
        plan = self.SELF_TEST
        rest = yield from self._mean_g(plan.off)
        pushed = yield from self._mean_g(plan.on)
        yield from self.start()
        changes = [plan.scale * (b - a) for a, b in zip(rest, pushed)]
        return [(g, low, high) for g, (low, high) in zip(changes, plan.limits_g)]

    def _mean_g(self, settings: "Settings") -> "Any":
        self._put_all(settings)
        buffer = bytearray((self.fifo_frames + 1) * self.layout.frame_bytes)
        yield self.SELF_TEST.settle_ms
        self.drain_into(buffer)  # sampled before it had settled
        yield _MEAN_MS
        frames = self.drain_into(buffer).frames
        if frames < _FRAMES_MIN:
            raise SensorFault(
                self.CHIP,
                f"{_FRAMES_MIN} frames or more in {_MEAN_MS} ms of its self-test",
                f"{frames}",
                "its supply and its clock line",
            )
        return _means(buffer, frames, self.layout)


def _means(buffer: "Any", frames: int, layout: "Layout") -> "list[float]":
    sums = [0.0] * len(layout.channels)
    view = memoryview(buffer)
    size = layout.frame_bytes
    for place in range(frames):
        values = decode_frame(view[place * size : (place + 1) * size], layout)
        sums = [total + value for total, value in zip(sums, values)]
    return [total / frames for total in sums]
