"""Arrays of an .npz archive, read without pickle and without trust: sums are checked first."""

import binascii
import re
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
_DESCR = "'descr': *'([<>|=]?[biufSU][0-9]+)'"
_ORDER = "'fortran_order': *(True|False)"
_SHAPE = "'shape': *[(]([0-9, ]*)[)]"


def read_npz(content: bytes) -> "dict[str, NDArray[Any]]":
    """Every array by name. ValueError when the bytes are not an archive of plain arrays."""
    try:
        return {
            name[: -len(".npy")]: _array(name, raw)
            for name, raw in _members(content)
            if name.endswith(".npy")
        }
    except (struct.error, zlib.error, OverflowError, MemoryError, TypeError) as error:
        raise ValueError(f"damaged archive: {error}")


def _array(name: str, raw: bytes) -> "NDArray[Any]":
    """One .npy file (numpy.lib.format, versions 1 to 3); its header may not promise too much."""
    if raw[:6] != b"\x93NUMPY" or len(raw) < 12:
        raise ValueError(f"{name}: not an array")
    size_bytes = 2 if raw[6] == 1 else 4
    start = 8 + size_bytes + int.from_bytes(raw[8 : 8 + size_bytes], "little")
    header = raw[8 + size_bytes : start].decode("latin-1")
    found = [re.search(pattern, header) for pattern in (_DESCR, _ORDER, _SHAPE)]
    if not all(found):
        raise ValueError(f"{name}: its header is not that of an array of numbers")
    kind, order, shape_text = (match.group(1) for match in found if match is not None)
    shape = [int(length) for length in shape_text.replace(",", " ").split()]
    promised = np.dtype(kind).itemsize
    for length in shape:
        promised *= length
    if promised != len(raw) - start:
        raise ValueError(f"{name}: {promised} bytes promised, {len(raw) - start} there")
    values: "NDArray[Any]" = np.frombuffer(raw, dtype=kind, offset=start)
    return values.reshape(shape, order="F" if order == "True" else "C")


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
