"""What this sensor, on this machine, cannot see in this stretch: codes, each with a sentence.

Not finding a fault means something only where one could have been seen.
"""

import numpy as np

from agent.analysis.envelope import SLOW_HZ as SLOW_SENSOR_HZ
from agent.analysis.envelope import bearing_visibility
from agent.analysis.evidence import shaft_hz_of
from agent.analysis.lines import APART_BINS, STANDS_OUT
from agent.analysis.orders import place_of
from agent.analysis.spectra import STANDARD_GRAVITY_MM_S2

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from agent.analysis.evidence import Evidence, MachineFacts

NO_SPEED = "no_speed"
NO_SHAFT_LINE = "no_shaft_line"
SPEED_ELSEWHERE = "speed_elsewhere"
TOO_SHORT = "too_short"
SECOND_IS_MAINS = "second_is_mains"
ELECTRICAL_UNRESOLVED = "electrical_unresolved"
NO_BASELINE = "no_baseline"
CAVITATION = "cavitation_band"
ONE_AXIS = "one_axis"
AXIAL_UNKNOWN = "axial_unknown"
BELOW_TWO_HZ = "below_two_hz"
DISPLACEMENT = "displacement"
MOUNTING = "mounting"

CODES = (
    NO_SPEED,
    NO_SHAFT_LINE,
    SPEED_ELSEWHERE,
    TOO_SHORT,
    SECOND_IS_MAINS,
    ELECTRICAL_UNRESOLVED,
    NO_BASELINE,
    CAVITATION,
    ONE_AXIS,
    AXIAL_UNKNOWN,
    BELOW_TWO_HZ,
    DISPLACEMENT,
    MOUNTING,
)

EARLY_BEARING = "bearing_early"  # also where nobody has said which bearing it is
CAVITATION_HZ = 1000.0
MOUNTING_HZ = 5000.0  # a magnet or adhesive holds to about here, a stud further (ISO 5348)
LOWEST_HZ = 2.0
DISPLACEMENT_UM = 22.0 / 4  # a quarter of the lowest A/B limit of ISO 10816-3
SLOW_HZ, SLOW_FROM_HZ, FROM_HZ = 10.0, 2.0, 10.0  # below 600 r/min displacement counts from 2 Hz


def cannot_see(
    evidence: "Evidence",
    against: "Evidence | None",
    machine: "MachineFacts",
    bandwidth_hz: "float | None",
) -> "tuple[str, ...]":
    """Codes of what was out of sight: CODES, and those of `bearing_visibility`.

    `against`: a comparable baseline. `bandwidth_hz`: of the sensor, None where it is not known.
    """
    shaft_hz = shaft_hz_of(evidence)
    axes = len(evidence.velocity_mm_s)
    out = {
        NO_SPEED: shaft_hz is None,
        NO_SHAFT_LINE: shaft_hz is not None and not _shaft_line(evidence),
        SPEED_ELSEWHERE: evidence.speed.elsewhere_hz is not None,
        TOO_SHORT: 0.5 * (shaft_hz or np.inf) < APART_BINS / evidence.seconds,
        SECOND_IS_MAINS: shaft_hz is not None and not evidence.order_clear[place_of(2.0)],
        ELECTRICAL_UNRESOLVED: shaft_hz is not None and not evidence.mains_clear[1],
        NO_BASELINE: against is None,
        CAVITATION: machine.kind == "pump" and evidence.top_hz < CAVITATION_HZ,
        ONE_AXIS: axes == 1,
        AXIAL_UNKNOWN: axes > 1 and machine.axial is None,
        BELOW_TWO_HZ: shaft_hz is not None and 0.5 * shaft_hz < LOWEST_HZ,
        DISPLACEMENT: _displacement_um(evidence, shaft_hz) > DISPLACEMENT_UM,
        MOUNTING: evidence.top_hz > MOUNTING_HZ,
    }
    if out[TOO_SHORT]:
        out[SECOND_IS_MAINS] = False  # said by it already
    orders = None if machine.bearing is None else machine.bearing.orders
    of_bearing = bearing_visibility(bandwidth_hz, evidence.rate_hz, shaft_hz, orders)
    early = evidence.top_hz <= SLOW_SENSOR_HZ and EARLY_BEARING not in of_bearing
    codes = [code for code in CODES if out[code]]
    return (*codes, *of_bearing, *([EARLY_BEARING] if early else []))


def _shaft_line(evidence: "Evidence") -> bool:
    places = [place_of(order) for order in (1.0, 2.0, 3.0)]
    return bool((evidence.order_above[:, places] >= STANDS_OUT).any())


def _displacement_um(evidence: "Evidence", shaft_hz: "float | None") -> float:
    """RMS displacement that the noise alone reads as, from the lower edge of its band up.

    White noise of density S in acceleration is S / (2 pi f)^4 in displacement: its integral from f0
    is S / (3 (2 pi)^4 f0^3).
    """
    low_hz = SLOW_FROM_HZ if shaft_hz is not None and shaft_hz < SLOW_HZ else FROM_HZ
    density = float(np.median(evidence.low_noise_g2_hz))
    square = density / (3 * (2 * np.pi) ** 4 * low_hz**3)
    return 1000 * STANDARD_GRAVITY_MM_S2 * float(np.sqrt(square))
