"""What time services answer, on both interpreters: believed when whole, ours and in step."""

import struct

from agent.core.timesync import sntp_question, sntp_says, tracking_question, tracking_says
from tests.contract.tools import Chance

TOKEN = b"\x01\x02\x03\x04\x05\x06\x07\x08"
NOW_NS = 1_790_000_000_000_000_000
MS = 1_000_000
SERVER = b"\xc0\x00\x02\x01"  # 192.0.2.1


def chronyd(
    leap: int = 0,
    stratum: int = 3,
    reference: bytes = SERVER,
    correction: int = 0,
    head: bytes = b"\x06\x02\x00\x00\x00\x21\x00\x05\x00\x00",
) -> bytes:
    """An answer of chronyd, laid out by hand. `correction`: in its own floating point."""
    body = reference + bytes(20) + struct.pack(">HH", stratum, leap) + bytes(12)
    body += struct.pack(">i", correction) + bytes(32)
    return head + bytes(6) + TOKEN[:4] + bytes(8) + body


def ntpd(
    leap: int = 0,
    stratum: int = 3,
    reference: bytes = SERVER,
    served_ns: int = NOW_NS,
    first: int = 0x24,
    token: bytes = TOKEN,
) -> bytes:
    seconds, rest_ns = divmod(served_ns, 1_000_000_000)
    moment = struct.pack(">II", (seconds + 2_208_988_800) % 2**32, (rest_ns << 32) // 10**9)
    head = bytes([leap << 6 | first, stratum, 6, 0xE8]) + bytes(8) + reference
    return head + bytes(8) + token + bytes(8) + moment


def hears_chronyd(answer: bytes) -> "bool | None":
    return tracking_says(answer, TOKEN, NOW_NS, NOW_NS)


def hears_ntpd(answer: bytes, passed_ns: int = 0) -> "bool | None":
    return sntp_says(answer, TOKEN, NOW_NS, NOW_NS + passed_ns)


def test_the_questions_are_as_long_as_their_answers() -> None:
    """chronyd leaves a shorter one unanswered, and no time service multiplies what it is sent."""
    assert len(tracking_question(TOKEN)) == len(chronyd()) == 104
    assert len(sntp_question(TOKEN)) == len(ntpd()) == 48


def test_a_service_in_step_is_believed() -> None:
    for leap in (0, 1, 2):
        assert hears_chronyd(chronyd(leap)) is True, leap
        assert hears_ntpd(ntpd(leap)) is True, leap
    for stratum in (1, 15):
        assert hears_chronyd(chronyd(stratum=stratum)) is True, stratum
        assert hears_ntpd(ntpd(stratum=stratum)) is True, stratum
    assert hears_ntpd(ntpd(reference=b"GPS\x00", stratum=1)) is True


def test_a_service_out_of_step_says_so() -> None:
    for leap, stratum in ((3, 3), (3, 0), (0, 0), (0, 16), (0, 255)):
        assert hears_chronyd(chronyd(leap, stratum)) is False, (leap, stratum)
        assert hears_ntpd(ntpd(leap, stratum)) is False, (leap, stratum)


def test_a_clock_that_goes_by_itself_is_in_step_with_nothing() -> None:
    assert hears_chronyd(chronyd(reference=b"\x7f\x7f\x01\x01", stratum=10)) is False
    for reference in (b"\x7f\x7f\x01\x00", b"LCL\x00", b"LOCL"):
        assert hears_ntpd(ntpd(reference=reference, stratum=6)) is False, reference


def test_a_clock_that_is_still_being_slewed_is_not_in_step() -> None:
    """chrony's numbers, by hand: 2^(exponent - 25) times the coefficient."""
    small = 0 << 25 | 0x0100000  # 2^-5 s, 31 ms
    great = 0 << 25 | 0x0200000  # 2^-4 s, 63 ms
    less = (1 << 25) - 0x0200000  # the same, negative: -63 ms
    fine = -(20 << 25) + 0x0800000  # exponent -20: 2^-22 s
    for correction, in_step in ((small, True), (fine, True), (great, False), (less, False)):
        assert hears_chronyd(chronyd(correction=correction)) is in_step, correction


def test_a_service_that_serves_another_clock_is_not_ours() -> None:
    for off_ms, passed_ms, in_step in (
        (49, 0, True),
        (-49, 0, True),
        (51, 0, False),
        (-51, 0, False),
        (3000, 4000, True),
        (4100, 4000, False),
        (3_600_000, 4000, False),
        (-3_600_000, 4000, False),
    ):
        answer = ntpd(served_ns=NOW_NS + off_ms * MS)
        assert hears_ntpd(answer, passed_ms * MS) is in_step, (off_ms, passed_ms)


def test_the_time_of_2036_is_no_other_clock() -> None:
    """NTP's 32 bits of seconds begin anew on 7 February 2036."""
    turn_ns = (2**32 - 2_208_988_800) * 1_000_000_000
    answer = ntpd(served_ns=turn_ns + MS)
    assert sntp_says(answer, TOKEN, turn_ns - 5 * MS, turn_ns + 5 * MS) is True


def test_an_answer_to_another_question_is_none() -> None:
    other = b"\x01\x02\x03\x05" + TOKEN[4:]
    assert tracking_says(chronyd(), other, NOW_NS, NOW_NS) is None
    assert hears_ntpd(ntpd(token=other)) is None
    assert hears_ntpd(ntpd(token=bytes(8))) is None


def test_an_answer_of_another_kind_is_none() -> None:
    good = chronyd()
    for place, value in ((0, 5), (1, 1), (5, 34), (7, 6), (9, 1)):
        assert hears_chronyd(good[:place] + bytes([value]) + good[place + 1 :]) is None, place
    assert hears_chronyd(good + b"\x00") is None
    for first in (
        0x23,
        0x21,
        0x25,
        0x26,
        0x04,
    ):  # a client's, a peer's, a control message, no version
        assert hears_ntpd(ntpd(first=first)) is None, first


def test_what_is_cut_short_is_none() -> None:
    for answer, hears in ((chronyd(), hears_chronyd), (ntpd(), hears_ntpd)):
        for length in range(len(answer)):
            assert hears(answer[:length]) is None, length


def test_random_bytes_are_never_believed() -> None:
    for seed in range(300):
        chance = Chance(seed)
        answer = bytes([int(chance.number() * 256) for _ in range(int(chance.number() * 120))])
        assert hears_chronyd(answer) is None and hears_ntpd(answer) is None, seed
        long = answer + bytes(104)
        assert hears_chronyd(long[:104]) is None and hears_ntpd(long[:48]) is None, seed
