"""Arrays of an .npz archive, read without pickle and without trust: sums are checked first."""

import binascii
import io
import struct
import zlib

import numpy as np

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

BYTES_MAX = 1 << 30  # of one array: an hour of three axes at 26 667 Hz as int16 is half of it
_DIRECTORY_END = b"PK\x05\x06"  # APPNOTE 4.3.16
_DIRECTORY_ENTRY = "<4s6H3I5H2I"  # APPNOTE 4.3.12
_LOCAL_HEADER = "<4s5H3I2H"  # APPNOTE 4.3.7
STORED, DEFLATED = 0, 8


def read_npz(content: bytes) -> "dict[str, NDArray[Any]]":
    """Every array by name. ValueError when the bytes are not an archive of plain arrays."""
    try:
        return {
            name[: -len(".npy")]: np.load(io.BytesIO(raw), allow_pickle=False)
            for name, raw in _members(content)
            if name.endswith(".npy")
        }
    except (struct.error, zlib.error, EOFError, OSError, SyntaxError) as error:
        raise ValueError(f"damaged archive: {error}")


def _members(content: bytes) -> "list[tuple[str, bytes]]":
    end = content.rfind(_DIRECTORY_END)
    if end < 0:
        raise ValueError("not a zip archive")
    count = struct.unpack_from("<H", content, end + 10)[0]
    at = struct.unpack_from("<I", content, end + 16)[0]
    found = []
    for _ in range(count):
        entry = struct.unpack_from(_DIRECTORY_ENTRY, content, at)
        name_bytes, extra_bytes, comment_bytes = entry[10:13]
        start = at + struct.calcsize(_DIRECTORY_ENTRY)
        name = content[start : start + name_bytes].decode("ascii", "replace")
        found.append((name, _unpacked(content, name, entry)))
        at = start + name_bytes + extra_bytes + comment_bytes
    return found


def _unpacked(content: bytes, name: str, entry: "tuple[Any, ...]") -> bytes:
    method, crc, packed_bytes, unpacked_bytes, offset = entry[4], *entry[7:10], entry[16]
    if entry[0] != b"PK\x01\x02" or unpacked_bytes > BYTES_MAX:
        raise ValueError(f"{name}: {unpacked_bytes} bytes unpacked, expected at most {BYTES_MAX}")
    header = struct.unpack_from(_LOCAL_HEADER, content, offset)
    start = offset + struct.calcsize(_LOCAL_HEADER) + header[9] + header[10]
    packed = content[start : start + packed_bytes]
    if method == DEFLATED:
        raw = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, unpacked_bytes)
    elif method == STORED:
        raw = packed
    else:
        raise ValueError(f"{name}: packed by method {method} (expected stored or deflated)")
    if len(raw) != unpacked_bytes or binascii.crc32(raw) != crc:
        raise ValueError(f"{name}: its checksum does not match")
    return raw
