"""The number of a boot, the first part of every key, and what the lock file says of those before.

A new card and a restored backup know nothing of boots that others have used. Numbers are therefore
drawn: a receiver that meets a key again would take the row for a copy.
"""

from agent.ports import LANES, row_boot

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

BOOT_MAX = 2**30  # ids stay within SQLite's 63 bits
FIRST_BITS = 28  # of a store without any past
STEP_BITS = 10  # of a step beyond 1


def following(newest: int, urandom: "Callable[[int], bytes]") -> int:
    """A boot after `newest`, 0 where none is known. `urandom`: as os.urandom."""
    drawn = int.from_bytes(urandom(4), "big")
    return newest + 1 + drawn % (1 << (STEP_BITS if newest else FIRST_BITS))


def remembered(lock: bytes) -> "tuple[int, str]":
    """(the newest boot that the lock's bytes tell, or 0; "" or why they tell none)."""
    text = lock.strip()
    if not text:
        return 0, ""
    if not text.isdigit() or int(text) >= BOOT_MAX:
        return 0, f"the lock file says {text!r}, expected the number of a boot; it is not used"
    return int(text), ""


def newest_boot(db: "Any") -> int:
    """The boot of the newest row in any lane."""
    ids = [db.execute(f"SELECT MAX(id) FROM {lane}_lane").fetchone()[0] or 0 for lane in LANES]
    return row_boot(max(ids))
