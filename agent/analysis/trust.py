"""May this window be judged? Clipped, frozen or broken frames are the sensor's fault.

Every answer is (NE 107 status, reason), a reason being (code, facts). Pure: one window at a time;
what takes longer to see is in `agent.core.thermocouple` and `agent.analysis.fitted`.
"""

import numpy as np

from agent.analysis.decode import broken_frames, decode
from agent.core.block import CHECK, FAILURE, GOOD, NO_REASON, OUT_OF_SPEC

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Trust = tuple[str, tuple[str, dict[str, Any]]]

CLIP_OF_RANGE = 0.998  # the last code below full scale of a 10-bit part is at 0.998
DUPLICATES_LEAST = 0.02
CHANCE_SIGMAS = 6.0
RUN_LEAST = 4
REPLAY_FRAMES = 32  # so many frames never come twice alike by chance, at a bit of noise in each
FROZEN = "frozen"
MOVES_STEPS = 3.0
STANDS_STILL = ((0.01, 300.0), (0.0015, 150.0))  # steps of so many g, at less than so many Hz
FLIPS_MIN = 4  # of one window
FLIPS_SHARE = 0.8  # of all that stands out there: the rest may lie at the window's ends
FLIP_FRAMES = 8
EVENT_FRAMES = 3  # a single sample bends itself and its two neighbours
UNDISTURBED_SIGMAS = 5.0
IN_LINE_SIGMAS = 6.0  # four neighbours about one line
BESIDE = np.array([-2, -1, 1, 2])
FLIP_SIGMAS = 10.0  # a flipped bit smaller than this is lost in the axis's own swing
ALIKE_SIGMAS = 4.0
FIFTH = 20.0  # percent: a flip in every fourth frame spoils its neighbours' spikes as well
FIFTH_OF_SIGMA = 0.2533  # of Gaussian noise
GRAVITY_TOLERANCE_G = 0.35  # an ADXL345's own offsets add up to 0.3 (Table 1)
CLIPPED_FRAMES = 3  # of one window: single full-scale samples are knocks
PEAK_G_MAX = 500.0  # piezo sensors of machines end at 500 g; no supported chip comes near
VELOCITY_MM_S_MAX = 200.0  # twenty times the worst zone: no machine is left standing
SOUND: "Trust" = (GOOD, NO_REASON)


def frames_trust(raw: bytes, layout: "Any") -> "Trust":
    """From the bits of the frames that must not change. `said`: the driver's own words of it."""
    broken = broken_frames(raw, layout)
    if not broken:
        return SOUND
    status, said, count = broken[0]
    return status, ("frames", {"said": said, "frames": count})


def window_trust(
    raw: bytes, layout: "Any", range_g: "float | None", rate_hz: float
) -> "tuple[Trust, Floats]":
    """One window of a fitted accelerometer: (its trust, its values in g, shape (n, axes))."""
    values = decode(raw, layout)
    for trust in (frames_trust(raw, layout), values_trust(values, range_g)):
        if trust != SOUND and not (trust[1][0] == FROZEN and may_stand_still(layout, rate_hz)):
            return trust, values
    for judge in (duplicates_trust, replay_trust, gravity_trust):
        trust = judge(values)
        if trust != SOUND:
            return trust, values
    return flips_trust(
        values, tuple(channel.scale * channel.step for channel in layout.channels)
    ), values


def _others_move(values: "Floats", frozen: int) -> bool:
    """Whether an axis that gives one value is no accident: all do, or another one clearly moves.

    At rest a sound axis in the middle of a step may stay there while its neighbour flickers.
    """
    if frozen == values.shape[1]:
        return True
    steps = np.abs(np.diff(values, axis=0))
    return bool(values.std(axis=0).max() > MOVES_STEPS * steps[steps > 0].min())


def may_stand_still(layout: "Any", rate_hz: float) -> bool:
    """Whether a sound chip at rest may give one value for a whole window.

    Its noise grows with the root of the rate: an LIS3DH in steps of 12 mg has 1.6 mg of it at
    100 Hz and 3.1 mg at 400 Hz, where one sample in twenty is already a step away.
    """
    step_g = max(steps_g(layout))
    return any(rate_hz < below_hz and step_g >= coarse_g for coarse_g, below_hz in STANDS_STILL)


def steps_g(layout: "Any") -> "tuple[float, ...]":
    """The smallest step of each axis: bits that the driver checks to be 0 are none of it."""
    zero_bits = {
        check.offset: int(check.mask).bit_length()
        for check in layout.checks
        if tuple(check.values) == (0,)
    }
    return tuple(one.scale * 2 ** zero_bits.get(one.offset, 0) for one in layout.channels)


def duplicates_trust(values: "Floats") -> "Trust":
    """Frames that repeat the one before, more often or in a longer run than chance explains.

    Chance: the axes' own repetitions, multiplied; on a coarse and quiet chip they are many.
    """
    same = values[1:] == values[:-1]
    repeats = same.all(axis=1)
    by_chance = float(np.prod(same.mean(axis=0)))
    spread = (by_chance / len(repeats)) ** 0.5
    excess = float(repeats.mean()) - by_chance
    too_many = excess > DUPLICATES_LEAST + CHANCE_SIGMAS * spread
    if too_many or _longest_run(repeats) > _run_by_chance(by_chance, len(repeats)):
        return CHECK, ("repeats", {"percent": round(100 * float(repeats.mean()))})
    return SOUND


def flips_trust(values: "Floats", quanta_g: "tuple[float, ...]") -> "Trust":
    """One bit of a wire or a memory that flips: single samples off by the same power of two.

    `quanta_g`: what bit 0 of each axis weighs. A knock rings on for several samples, is felt by
    more than one axis, and no two are equally high. So nearly all that stands out of the window
    must be flips: where a machine knocks as well, no bit is blamed. What is too small to stand
    out from the axis's own swing does no harm.
    """
    if len(values) < FLIP_FRAMES:
        return SOUND
    usual = np.array([_usual(axis) for axis in values.T])
    bend = _bend(values)
    stands_out = bend > FLIP_SIGMAS * usual
    events = _events(stands_out.any(axis=1))
    brief = sum(end - begin <= EVENT_FRAMES for begin, end in events)
    if brief < max(FLIPS_MIN, FLIPS_SHARE * len(events)):
        return SOUND
    for axis, quantum_g in enumerate(quanta_g):
        alone = _alone(values, bend, usual, events, axis)
        if len(alone) < FLIPS_MIN or len(alone) < FLIPS_SHARE * len(events):
            continue
        bit, alike = _same_bit(values[:, axis], alone, quantum_g, float(usual[axis]))
        if alike >= max(FLIPS_MIN, FLIPS_SHARE * len(events)):
            return CHECK, ("flips", {"axis": axis, "bit": bit, "frames": alike})
    return SOUND


def _bend(values: "Floats") -> "Floats":
    """How far each inner sample lies from the middle of its neighbours; shape (n - 2, axes)."""
    bend: "Floats" = np.abs(values[1:-1] - (values[:-2] + values[2:]) / 2)
    return bend


def _usual(axis: "Floats") -> float:
    """What a sample of this axis usually bends by: one sigma, or half a step of a quiet one."""
    steps = np.abs(np.diff(axis))
    step_g = float(steps[steps > 0].min()) if steps.any() else 0.0
    bend = _bend(axis[:, None])
    return max(float(np.percentile(bend, FIFTH)) / FIFTH_OF_SIGMA, step_g / 2)


def _events(flags: "NDArray[np.bool_]") -> "list[tuple[int, int]]":
    """(begin, end) of the runs of flagged places, end excluded."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(np.int8), [0]))))
    return [(int(begin), int(end)) for begin, end in zip(edges[::2], edges[1::2])]


def _alone(
    values: "Floats",
    bend: "Floats",
    usual: "Floats",
    events: "list[tuple[int, int]]",
    axis: int,
) -> "list[int]":
    """The samples that leave this axis alone and at once, both sides going on in line.

    None as soon as more events are no flips than may be: a knocking machine has hundreds.
    """
    found: "list[int]" = []
    others_left = (1 - FLIPS_SHARE) * len(events)
    others = np.arange(values.shape[1]) != axis
    for seen, (begin, end) in enumerate(events):
        if seen - len(found) > others_left:
            return []
        middle = begin + int(np.argmax(bend[begin:end, axis])) + 1  # bend[0] is of sample 1
        if end - begin > EVENT_FRAMES or not 2 <= middle < len(values) - 2:
            continue
        undisturbed = (bend[begin:end, others] <= UNDISTURBED_SIGMAS * usual[others]).all()
        beside = values[middle + BESIDE, axis]
        swing = beside - beside @ BESIDE / (BESIDE @ BESIDE) * BESIDE  # without the slope of all
        if undisturbed and np.ptp(swing) <= IN_LINE_SIGMAS * usual[axis]:
            found.append(middle)
    return found


def _same_bit(
    axis: "Floats", alone: "list[int]", quantum_g: float, usual: float
) -> "tuple[int, int]":
    """(the bit, how many of the samples it explains): size and direction must be the bit's own.

    A bit that flipped upwards now reads 1, one that flipped downwards 0.
    """
    at = np.array(alone)
    jump = axis[at] - (axis[at - 1] + axis[at + 1]) / 2
    bit = max(0, round(float(np.log2(np.median(np.abs(jump)) / quantum_g))))
    weight_g = quantum_g * 2.0**bit
    reads_one = (np.round(axis[at] / quantum_g).astype(np.int64) >> bit) & 1
    alike = (np.abs(np.abs(jump) - weight_g) < ALIKE_SIGMAS * usual) & (reads_one == (jump > 0))
    return bit, int(alike.sum())


def _longest_run(flags: "NDArray[np.bool_]") -> int:
    edges = np.flatnonzero(~flags)
    return int(np.diff(edges, prepend=-1, append=len(flags)).max()) - 1


def _run_by_chance(probability: float, count: int) -> float:
    """The run of repetitions that chance gives once in a billion windows, and half as much again.

    The half is for axes that repeat together, which chance alone does not know of.
    """
    share = min(0.999, max(1e-3, probability))
    return float(max(RUN_LEAST, 1.5 * np.log(1e-9 / count) / np.log(share)))


def replay_trust(values: "Floats") -> "Trust":
    """A chip whose memory is stuck gives the same frames again and again, each time it is read."""
    if len(values) <= REPLAY_FRAMES:
        return SOUND
    moves = (np.diff(values[-REPLAY_FRAMES - 1 :], axis=0) != 0).any(axis=1)
    if 2 * np.count_nonzero(moves) < REPLAY_FRAMES:
        return SOUND  # a quiet coarse chip: the same again and again, and no wonder
    stream = np.ascontiguousarray(values).tobytes()
    frame_bytes = values.shape[1] * values.itemsize
    last = stream[-REPLAY_FRAMES * frame_bytes :]
    at = stream.find(last)
    while 0 <= at < len(stream) - len(last):
        if at % frame_bytes == 0:
            return FAILURE, ("replay", {})
        at = stream.find(last, at + 1)
    return SOUND


def gravity_trust(values: "Floats") -> "Trust":
    """A fitted sensor feels 1 g besides all else; a dead axis or a falling sensor does not."""
    if values.shape[1] != 3:
        return SOUND
    felt_g = float(np.linalg.norm(values.mean(axis=0)))
    if abs(felt_g - 1.0) > GRAVITY_TOLERANCE_G:
        return CHECK, ("gravity", {"felt_g": round(felt_g, 2)})
    return SOUND


def values_trust(values: "Floats", range_g: "float | None") -> "Trust":
    """One window of acceleration, shape (n, axes), in g, fitted or not."""
    if not np.isfinite(values).all():
        return FAILURE, ("not_a_number", {})
    frozen = np.flatnonzero(np.ptp(values, axis=0) == 0)
    if len(frozen) and _others_move(values, len(frozen)):
        axis, at_g = int(frozen[0]), round(float(values[0, frozen[0]]), 3)
        return FAILURE, (FROZEN, {"axis": axis, "at_g": at_g})
    if range_g is not None:
        clipped = int((np.abs(values) >= CLIP_OF_RANGE * range_g).any(axis=1).sum())
        if clipped >= CLIPPED_FRAMES:
            return OUT_OF_SPEC, ("clipped", {"range_g": range_g, "frames": clipped})
    return SOUND


def peak_trust(values: "Floats") -> "Trust":
    """A window of a recording, in g: more than any sensor of machines gives is a wrong unit."""
    peak_g = float(np.abs(values).max())
    if peak_g <= PEAK_G_MAX:
        return SOUND
    return OUT_OF_SPEC, ("level_g", {"peak_g": float(f"{peak_g:.3g}")})


def velocity_trust(velocity_rms_mm_s: float) -> "Trust":
    """The velocity of a recording: more than any machine survives is a wrong unit or scale."""
    if velocity_rms_mm_s <= VELOCITY_MM_S_MAX:
        return SOUND
    return OUT_OF_SPEC, ("level_mm_s", {"velocity": float(f"{velocity_rms_mm_s:.3g}")})
