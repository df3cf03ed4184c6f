"""Orders of a rolling bearing, in multiples of shaft speed: from its geometry, its four orders or
a table in which every row cites its source. A bearing that is not known is refused, never guessed.

The four orders, the outer ring standing still (n balls of d mm on a pitch circle of D mm, contact
angle phi, s = d/D cos phi):
    FTF  = (1 - s) / 2            turns of the cage
    BPFO = n FTF                  balls that pass a point of the outer race
    BPFI = n - BPFO               balls that pass a point of the inner race
    BSF  = (1 - s^2) / (2 s)      turns of a ball about its own axis
A defect on a ball strikes both races in each turn of the ball, so it is heard at TWICE the BSF.
`bsf` always is the spin itself, never twice it; documents that print 2 x BSF are halved on reading.
"""

import json
import math

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any, NamedTuple

    class BearingOrders(NamedTuple):
        """Orders of shaft speed: outer race, inner race, spin of a ball (not twice it), cage."""

        bpfo: float
        bpfi: float
        bsf: float
        ftf: float

    class Bearing(NamedTuple):
        """`source`: what the table cites, or "n,d,D,phi" or "orders" when a user entered them."""

        name: str
        orders: BearingOrders
        source: str

    class BearingVerdict(NamedTuple):
        """What the envelope of a stretch says of a bearing.

        `verdict`: inner outer rolling_element cage none unknown. `none`: looked, able to see,
        nothing stands out; `unknown`: cannot say, and `reason` says why as a code, else "".
        Of the element named (else None): its `order` of impacts (of a rolling element 2 x BSF),
        where they are (`measured_hz`), `slip` against that order at the speed found, how many
        of three `harmonics` stand out, and `score`, the mean level of the three in decades.
        `supported`: it swells as that element does (an inner race with the shaft, a ball with the
        cage), which something else that knocks at the same rate would not.
        """

        verdict: str
        order: float | None
        measured_hz: float | None
        slip: float | None
        harmonics: int
        score: float | None
        method: str
        reason: str
        supported: bool = False
else:
    from collections import namedtuple

    BearingOrders = namedtuple("BearingOrders", ("bpfo", "bpfi", "bsf", "ftf"))
    Bearing = namedtuple("Bearing", ("name", "orders", "source"))
    BearingVerdict = namedtuple(
        "BearingVerdict",
        (
            "verdict",
            "order",
            "measured_hz",
            "slip",
            "harmonics",
            "score",
            "method",
            "reason",
            "supported",
        ),
        defaults=(False,),
    )

TABLE = __file__.rsplit("/", 1)[0] + "/bearings.json"
NEAR_NAMES = 3  # offered when a name is not known
SLACK = 0.002  # documents round in between: CWRU's own five digits disagree by 0.07 %
SLACK_ENTERED = 0.01  # users copy from several places
EXPECTED = (
    "expected a designation of the table, n,d,D,phi as in 9,7.94,39.04,0,"
    " or bpfo=..,bpfi=..,bsf=..,ftf=.. in orders of shaft speed"
)

_tables: "list[tuple[dict[str, Bearing], dict[str, str]]]" = []


class BearingFault(Exception):
    """Not a bearing: what was given and what was expected."""


def orders_from_geometry(
    balls: int, ball_mm: float, pitch_mm: float, contact_deg: float
) -> "BearingOrders":
    """Orders from the balls on a pitch circle, both diameters in mm, and the contact angle."""
    share = ball_mm / pitch_mm * math.cos(math.radians(contact_deg))
    ftf = 0.5 * (1 - share)
    bpfo = balls * ftf
    return BearingOrders(bpfo, balls - bpfo, (1 - share**2) / (2 * share), ftf)


def bearing_for(text: str) -> "Bearing":
    """The bearing of a table's designation, of `n,d,D,phi` or of `bpfo=..,bpfi=..,bsf=..,ftf=..`.

    BearingFault for everything else, with the nearest names of the table.
    """
    if "=" in text:
        return Bearing(text, _orders_entered(text), "orders")
    if text.count(",") == 3:
        return Bearing(text, _orders_of_geometry(text), "n,d,D,phi")
    return _from_table(text)


def read_table(text: str) -> "tuple[dict[str, Bearing], dict[str, str]]":
    """(bearings by plain name, why a printed row must not be used by plain name).

    ValueError when a row lacks its source, breaks an identity or cannot be built; and when a row
    that is set aside as inconsistent is consistent.
    """
    held = json.loads(text)
    known: "dict[str, Bearing]" = {}
    for row in held["rows"]:
        bearing = _checked(row, held["sources"])
        for name in row["names"]:
            if _plain(name) in known:
                raise ValueError(f"{name}: stands twice in the table")
            known[_plain(name)] = bearing
    refused: "dict[str, str]" = {}
    for row in held["inconsistent"]:
        refused[_plain(row["names"][0])] = _contradiction(row, held["sources"])
    return known, refused


def _from_table(text: str) -> "Bearing":
    known, refused = _table()
    name = _plain(text)
    if name in known:
        return known[name]
    if name in refused:
        raise BearingFault(f"bearing: {text} must not be used: {refused[name]}; {EXPECTED}")
    plain_size = _of_size(text.strip())
    if plain_size is not None:
        return plain_size
    near = ", ".join(near_names(text))
    offered = f" (near: {near})" if near else ""
    raise BearingFault(f"bearing: {text!r} is not known{offered}; {EXPECTED}")


def _of_size(size: str) -> "Bearing | None":
    """The bearing of a bare size, as of 6205 for 6205-2RS: what follows the dash is seals and make.

    Only where all rows of that size agree; a letter right behind the size (318K, 318W) may stand
    for another number of balls.
    """
    if not size.isdigit():
        return None
    rows = [one for one in _table()[0].values() if one.name.partition("-")[0] == size]
    for row in rows:
        for one, other in zip(row.orders, rows[0].orders):
            if abs(one / other - 1) > SLACK:
                return None
    return rows[0] if rows else None


def near_names(text: str) -> "list[str]":
    """Up to three names of the table that resemble `text`, the nearest first."""
    name = _plain(text)
    limit = max(2, len(name) // 2)
    found: "dict[str, int]" = {}
    for plain, bearing in _table()[0].items():
        changes = 1 if name and plain.startswith(name) else _changes(name, plain)
        if changes <= limit:
            found[bearing.name] = min(changes, found.get(bearing.name, changes))
    return sorted(found, key=lambda one: (found[one], one))[:NEAR_NAMES]


def _table() -> "tuple[dict[str, Bearing], dict[str, str]]":
    """Read once; every row is checked then."""
    if not _tables:
        with open(TABLE) as file:
            _tables.append(read_table(file.read()))
    return _tables[0]


def _plain(name: str) -> str:
    """As people write it and as it is printed come to the same: no case, spaces or dashes."""
    return "".join(letter for letter in name.upper() if letter.isalnum())


def _changes(one: str, other: str) -> int:
    """Letters to change, add or leave out to come from one to the other (Levenshtein)."""
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one):
        before, row = row, [i + 1]
        for j, wanted in enumerate(other):
            row.append(min(before[j] + (letter != wanted), before[j + 1] + 1, row[j] + 1))
    return row[-1]


def _orders_of_geometry(text: str) -> "BearingOrders":
    try:
        balls, ball_mm, pitch_mm, contact_deg = (float(part) for part in text.split(","))
    except ValueError:
        raise BearingFault(f"bearing: {text!r} is not four numbers; {EXPECTED}")
    possible = balls >= 3 and balls.is_integer() and 0 < ball_mm < pitch_mm < math.inf
    # Neighbouring balls must not touch: their chord on the pitch circle is longer than a ball.
    if not (possible and 0 <= contact_deg < 90 and ball_mm < pitch_mm * math.sin(math.pi / balls)):
        raise BearingFault(
            f"bearing: {text!r} is not possible (expected n >= 3 balls that fit beside one another"
            " on the pitch circle, 0 < d < D, 0 <= phi < 90)"
        )
    return orders_from_geometry(int(balls), ball_mm, pitch_mm, contact_deg)


def _orders_entered(text: str) -> "BearingOrders":
    given = {}
    for part in text.split(","):
        key, _, value = part.partition("=")
        given[key.strip().lower()] = value.strip()
    if sorted(given) != ["bpfi", "bpfo", "bsf", "ftf"] or text.count("=") != 4:
        raise BearingFault(f"bearing: {text!r} does not give the four orders once; {EXPECTED}")
    try:
        wrong = _disagreement(given, SLACK_ENTERED)
    except ValueError:
        raise BearingFault(f"bearing: {text!r} holds what is not a number; {EXPECTED}")
    if wrong:
        raise BearingFault(f"bearing: {text!r}: {wrong}")
    return BearingOrders(*(float(given[key]) for key in BearingOrders._fields))


def _checked(row: "dict[str, Any]", sources: "dict[str, str]") -> "Bearing":
    name = row["names"][0]
    if not sources.get(row.get("source", "")):
        raise ValueError(f"{name}: cites no source")
    wrong = _disagreement(row, SLACK) or _misfit(row)
    if wrong:
        raise ValueError(f"{name}: {wrong}")
    orders = BearingOrders(float(row["bpfo"]), float(row["bpfi"]), _spin(row)[0], float(row["ftf"]))
    return Bearing(name, orders, sources[row["source"]])


def _contradiction(row: "dict[str, Any]", sources: "dict[str, str]") -> str:
    wrong = _disagreement(row, SLACK)
    if not wrong:
        raise ValueError(f"{row['names'][0]}: set aside as inconsistent, but it is consistent")
    return f"{sources[row['source']]} prints figures that contradict one another ({wrong})"


def _disagreement(row: "dict[str, Any]", slack: float) -> str:
    """Which identity the printed figures break, or ""; ValueError for what is not a number.

    A figure is good to half its last digit, and `slack` (a share) for rounding in between.
    """
    bpfo, bpfo_off = _printed(row["bpfo"])
    bpfi, bpfi_off = _printed(row["bpfi"])
    ftf, ftf_off = _printed(row["ftf"])
    bsf, bsf_off = _spin(row)
    if not (0 < ftf < 0.5 and 0 < bpfo < bpfi and bsf > 0):
        return "expected 0 < ftf < 0.5, 0 < bpfo < bpfi and 0 < bsf"
    balls = row.get("n", round(bpfo + bpfi))
    if balls < 3:
        return f"{balls} balls (expected 3 or more)"
    if abs(bpfo + bpfi - balls) > bpfo_off + bpfi_off + slack * balls:
        return f"bpfo + bpfi is {bpfo + bpfi:.3f}, expected {balls} balls"
    if abs(bpfo - balls * ftf) > bpfo_off + balls * ftf_off + slack * bpfo:
        return f"bpfo is {bpfo:.3f}, expected n x ftf = {balls * ftf:.3f}"
    low, high = _spin_of_cage(ftf - ftf_off), _spin_of_cage(min(ftf + ftf_off, 0.4999))
    if not low * (1 - slack) - bsf_off <= bsf <= high * (1 + slack) + bsf_off:
        return (
            f"bsf is {bsf:.3f}, expected {_spin_of_cage(ftf):.3f} from ftf (the spin, not twice it)"
        )
    return ""


def _misfit(row: "dict[str, Any]") -> str:
    """What is wrong with the sizes of a row, where they are given, or ""."""
    ball_mm, pitch_mm = row.get("ball_mm"), row.get("pitch_mm")
    if not row.get("bore_mm", 0.0) < (pitch_mm or math.inf):
        return f"bore {row['bore_mm']} mm, pitch {pitch_mm} mm (expected bore < pitch)"
    if not (pitch_mm or 0.0) < row.get("outside_mm", math.inf):
        return f"pitch {pitch_mm} mm, outside {row['outside_mm']} mm (expected pitch < outside)"
    if ball_mm is None or pitch_mm is None:
        return ""
    bpfo = orders_from_geometry(row["n"], ball_mm, pitch_mm, row.get("contact_deg", 0.0)).bpfo
    if abs(bpfo / float(row["bpfo"]) - 1) > SLACK:
        return f"bpfo is {row['bpfo']}, expected {bpfo:.3f} from the geometry"
    return ""


def _spin(row: "dict[str, Any]") -> "tuple[float, float]":
    """BSF and its half digit; a document that prints 2 x BSF is halved."""
    if "twice_bsf" in row:
        twice, off = _printed(row["twice_bsf"])
        return twice / 2, off / 2
    return _printed(row["bsf"])


def _spin_of_cage(ftf: float) -> float:
    """BSF by way of s = 1 - 2 FTF."""
    share = 1 - 2 * ftf
    return (1 - share**2) / (2 * share)


def _printed(figure: str) -> "tuple[float, float]":
    """A printed figure and half of its last digit; ValueError when it is not a finite number."""
    value = float(figure)
    if not math.isfinite(value):
        raise ValueError(f"{figure} is not a number")
    return value, 0.5 * 10.0 ** -len(figure.partition(".")[2])
