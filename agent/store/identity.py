"""Which file this is: drawn when it is made, so that a receiver notices another one in its place.

A file that was deleted, damaged or swapped takes rows along that nobody will number again. A
receiver that is told of the file knows that, and what the old one had told of. A copy of a file
has its identity, and is known by counting less than was told before.
"""

import binascii
import json
import zlib
from collections import namedtuple

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

TABLE = "CREATE TABLE identity (body TEXT, crc INTEGER)"
FILE_BYTES = 8

# `file`: hexadecimal, or "" where there is none. `before`: {lane: rows that had left when it was
# drawn}: a file that was salvaged counts on where the damaged one ended.
Identity = namedtuple("Identity", ("file", "before"))
NOBODY = Identity("", {})


def read(db: "Any") -> "Identity":
    """As the file says; NOBODY where it says nothing, or not what was written."""
    for body, crc in db.execute("SELECT body, crc FROM identity").fetchall():
        if zlib.crc32(str(body).encode()) == crc:
            held = json.loads(body)
            return Identity(held["file"], held["before"])
    return NOBODY


def draw(db: "Any", urandom: "Callable[[int], bytes]", before: "dict[str, int]") -> "Identity":
    """Within a transaction: a new one. `urandom`: as os.urandom."""
    made = Identity(binascii.hexlify(urandom(FILE_BYTES)).decode(), before)
    body = json.dumps(made._asdict())
    db.execute("DELETE FROM identity")
    db.execute("INSERT INTO identity VALUES (?, ?)", (body, zlib.crc32(body.encode())))
    return made
