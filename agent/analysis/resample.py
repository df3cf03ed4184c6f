"""Band-limited change of rate for whole recordings, by their spectrum. Never invents content."""

import numpy as np

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

PASS_OF_NYQUIST = 0.9  # the filter falls from here to the new Nyquist frequency


def to_rate(acceleration_g: "Floats", rate_hz: float, wanted_hz: float) -> "Floats":
    """The recording, shape (n, axes), at `wanted_hz`; shape (n * wanted / rate, axes).

    The ends are padded with their own mirror image, so that the jump from end to start that a
    spectrum implies does not ring into the recording.
    """
    if wanted_hz == rate_hz:
        return acceleration_g
    n = len(acceleration_g)
    edge = min(n - 1, 2048)
    padded = np.pad(acceleration_g, ((edge, edge), (0, 0)), mode="reflect", reflect_type="odd")
    ratio = wanted_hz / rate_hz
    made = round(len(padded) * ratio)
    lines = np.fft.rfft(padded, axis=0)
    hz = np.fft.rfftfreq(len(padded), 1 / rate_hz)
    top_hz = min(rate_hz, wanted_hz) / 2
    fall = np.clip((top_hz - hz) / ((1 - PASS_OF_NYQUIST) * top_hz), 0, 1)
    shaped = lines * (0.5 - 0.5 * np.cos(np.pi * fall))[:, None]
    out = np.fft.irfft(shaped[: made // 2 + 1], n=made, axis=0) * (made / len(padded))
    start = round(edge * ratio)
    resampled: Floats = out[start : start + int(n * ratio)]
    return resampled
