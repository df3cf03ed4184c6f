"""Orders of a rolling bearing, in multiples of shaft speed. Geometry only, no diagnosis yet.

A bearing that is not known is refused, never guessed.
"""

import math

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import NamedTuple

    class BearingOrders(NamedTuple):
        """Orders of shaft speed: outer race, inner race, ball (spin), cage."""

        bpfo: float
        bpfi: float
        bsf: float
        ftf: float
else:
    from collections import namedtuple

    BearingOrders = namedtuple("BearingOrders", ("bpfo", "bpfi", "bsf", "ftf"))


class BearingFault(Exception):
    """Not a bearing: what was given and what was expected."""


def orders_from_geometry(
    balls: int, ball_mm: float, pitch_mm: float, contact_deg: float
) -> "BearingOrders":
    """Orders from the balls on a pitch circle, both diameters in mm, and the contact angle."""
    share = ball_mm / pitch_mm * math.cos(math.radians(contact_deg))
    ftf = 0.5 * (1 - share)
    bpfo = balls * ftf
    return BearingOrders(bpfo, balls - bpfo, pitch_mm / (2 * ball_mm) * (1 - share**2), ftf)


def bearing_orders(text: str) -> "BearingOrders":
    """Orders of `n,d,D,phi`; BearingFault for anything else (no table of names yet)."""
    parts = text.split(",")
    try:
        balls, ball_mm, pitch_mm, contact_deg = (float(part) for part in parts)
    except ValueError:
        raise BearingFault(f"bearing: {text!r} is not known (give n,d,D,phi: 9,7.94,39.04,0)")
    if balls < 3 or balls != int(balls) or not 0 < ball_mm < pitch_mm or not 0 <= contact_deg < 90:
        raise BearingFault(
            f"bearing: {text!r} is not possible (expected n >= 3, 0 < d < D, 0 <= phi < 90)"
        )
    return orders_from_geometry(int(balls), ball_mm, pitch_mm, contact_deg)
