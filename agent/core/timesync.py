"""What a time service on this very board says of its clock: the questions and their answers.

Two ways to ask. chronyd's command protocol, version 6, request "tracking" (UDP port 323, which it
answers on loopback by default). And SNTP (RFC 4330; UDP port 123), which ntpd and ntpsec answer,
and openntpd where it is told to listen. An answer counts only when it is whole, of the right kind
and carries our token; it says True (in step), False (it is there, and not in step) or None (no
answer to be believed).

A service that has nothing but its own clock to go by (chronyd's `local`, ntpd's driver LOCAL) is
not in step with anything, however sure it sounds. Nor is a clock that is still being slewed: rows
dated by it would be off by what is left.
"""

import struct

TOKEN_BYTES = 8
ANSWER_BYTES_MAX = 1024
OFF_MAX_S = 0.05  # of the clock from the service's own time: rows are dated within this
UNSYNCHRONISED = 3  # leap indicator, in both protocols
STRATUM_MAX = 15  # 16 and, in SNTP, 0 mean: none
LOCAL_REFERENCES = (b"\x7f\x7f\x01", b"LCL", b"LOC")  # how a local clock begins its reference id

# chrony: version, packet type, command, attempt, sequence; an answer is as long as its question.
TRACKING = 33
TRACKING_ANSWER = 5
CHRONY_VERSION, CHRONY_REQUEST, CHRONY_REPLY, CHRONY_SUCCESS = 6, 1, 2, 0
TRACKING_BYTES = 104
CHRONY_HEAD = ">BBxxHHH6x4s8x"  # version, type, command, kind of answer, status, sequence
CHRONY_BODY = ">4s20xHH12xi"  # reference id, stratum, leap status, correction under way
CHRONY_HEAD_BYTES = 28

SNTP_BYTES = 48
SNTP_QUESTION = 0x23  # leap 0, version 4, mode 3 (client)
SNTP_SERVER = 4
SNTP_ORIGIN, SNTP_TRANSMIT = 24, 40
NTP_EPOCH_S = 2_208_988_800  # from 1900 to 1970
NTP_ERA_NS = 2**32 * 1_000_000_000


def tracking_question(token: bytes) -> bytes:
    """`token`: TOKEN_BYTES that nobody can guess; chrony has room for the first four."""
    head = struct.pack(">BBxxHH4s8x", CHRONY_VERSION, CHRONY_REQUEST, TRACKING, 0, token[:4])
    return head + bytes(TRACKING_BYTES - len(head))


def tracking_says(answer: bytes, token: bytes, asked_utc_ns: int, now_utc_ns: int) -> "bool | None":
    """True, False or None as above. `asked_utc_ns`, `now_utc_ns`: not needed by this protocol."""
    if len(answer) != TRACKING_BYTES:
        return None
    head = struct.unpack(CHRONY_HEAD, answer[:CHRONY_HEAD_BYTES])
    if head != (CHRONY_VERSION, CHRONY_REPLY, TRACKING, TRACKING_ANSWER, CHRONY_SUCCESS, token[:4]):
        return None
    body = answer[CHRONY_HEAD_BYTES : CHRONY_HEAD_BYTES + struct.calcsize(CHRONY_BODY)]
    reference, stratum, leap, correction = struct.unpack(CHRONY_BODY, body)
    off_s = abs(_chrony_number(correction))
    return _in_step(leap, stratum, reference) and off_s <= OFF_MAX_S


def _chrony_number(bits: int) -> float:
    """A chrony float: seven bits of exponent, 25 of coefficient, both signed."""
    coefficient = bits & 0x1FFFFFF
    if coefficient & 0x1000000:
        coefficient -= 0x2000000
    return float(coefficient) * 2.0 ** ((bits >> 25) - 25)


def sntp_question(token: bytes) -> bytes:
    """`token`: TOKEN_BYTES, in the place of our own time; a server sends them back."""
    return bytes([SNTP_QUESTION]) + bytes(SNTP_TRANSMIT - 1) + token


def sntp_says(answer: bytes, token: bytes, asked_utc_ns: int, now_utc_ns: int) -> "bool | None":
    """True, False or None as above. `asked_utc_ns`, `now_utc_ns`: this clock's own time when it
    asked and now; a service on this board serves a time in between, or another clock than this.
    """
    if len(answer) < SNTP_BYTES or answer[0] & 7 != SNTP_SERVER or not answer[0] >> 3 & 7:
        return None
    if answer[SNTP_ORIGIN : SNTP_ORIGIN + TOKEN_BYTES] != token:
        return None
    seconds, fraction = struct.unpack(">II", answer[SNTP_TRANSMIT:SNTP_BYTES])
    served_ns = (seconds - NTP_EPOCH_S) * 1_000_000_000 + (fraction * 1_000_000_000 >> 32)
    spare_ns = int(OFF_MAX_S * 1e9)
    since_ns = (served_ns - asked_utc_ns + spare_ns) % NTP_ERA_NS
    same_clock = since_ns <= now_utc_ns - asked_utc_ns + 2 * spare_ns
    return _in_step(answer[0] >> 6, answer[1], answer[12:16]) and same_clock


def _in_step(leap: int, stratum: int, reference: bytes) -> bool:
    if leap >= UNSYNCHRONISED or not 0 < stratum <= STRATUM_MAX:
        return False
    return reference[:3] not in LOCAL_REFERENCES
