"""Dating a boot whose wall clock lies: within 50 ms once the network has spoken."""

import random

import pytest

from agent.core.dating import Dating, utc_of

TRUE_START_NS = 1_790_000_000_000_000_000
DAY_S = 86_400
YEAR_S = 365 * DAY_S


def moment(second: float, ppm: float) -> tuple[int, int]:
    """(monotonic, true UTC) after `second` true seconds, by an oscillator that is off."""
    return int(second * 1e9 * (1 + ppm / 1e6)), TRUE_START_NS + int(second * 1e9)


def watched(ppm: float, offline_s: int, wrong_by_s: float, seed: int = 1) -> Dating:
    """A boot that is offline first, then synced for as long; looked at every 5 s."""
    chance, dating = random.Random(seed), Dating()
    for second in range(0, 2 * offline_s, 5):
        mono_ns, true_ns = moment(second, ppm)
        jitter_ns = int(chance.gauss(0, 500_000))
        synced = second >= offline_s
        utc_ns = true_ns + jitter_ns if synced else true_ns + int(wrong_by_s * 1e9)
        dating.observe(mono_ns, utc_ns, synced)
    return dating


@pytest.mark.parametrize("ppm", [0.0, 500.0, -500.0, 20.0])
@pytest.mark.parametrize("wrong_by_s", [-56 * YEAR_S, 3 * YEAR_S, -14 * DAY_S])
def test_rows_before_the_first_sync_are_dated_within_50_ms(ppm: float, wrong_by_s: float) -> None:
    dating = watched(ppm, 3600, wrong_by_s)
    assert dating.correction is not None
    for second in range(0, 3600, 60):
        mono_ns, true_ns = moment(second, ppm)
        assert mono_ns <= dating.correction.through_mono_ns
        assert abs(utc_of(dating.correction, mono_ns) - true_ns) <= 50_000_000


def test_dating_keeps_the_order_of_rows() -> None:
    dating = watched(500.0, 600, -56 * YEAR_S)
    assert dating.correction is not None
    dates = [utc_of(dating.correction, moment(s / 10, 500.0)[0]) for s in range(6000)]
    assert dates == sorted(set(dates))


def test_a_steady_clock_is_corrected_once() -> None:
    dating, corrections = Dating(), []
    for second in range(0, DAY_S, 5):
        mono_ns, true_ns = moment(second, 0.0)
        corrections.append(dating.observe(mono_ns, true_ns + second % 3 * 1_000_000, second > 60))
    assert [c.reason for c in corrections if c is not None] == ["first_sync"]


def test_few_corrections_settle_an_oscillator_that_is_off() -> None:
    dating, found = Dating(), 0
    for second in range(0, 7200, 5):
        found += dating.observe(*moment(second, 500.0), second >= 3600) is not None
    assert 2 <= found <= 20


@pytest.mark.parametrize("step_s", [3 * YEAR_S, -14 * DAY_S, 0.5, -0.5])
def test_a_step_of_a_synced_clock_dates_all_rows_anew(step_s: float) -> None:
    dating = Dating()
    for second in range(0, 600, 5):
        mono_ns, true_ns = moment(second, 0.0)
        wrong_ns = int(step_s * 1e9) if second < 300 else 0
        dating.observe(mono_ns, true_ns - wrong_ns, True)
    assert dating.correction is not None and dating.correction.reason == "step"
    mono_ns, true_ns = moment(100, 0.0)
    assert abs(utc_of(dating.correction, mono_ns) - true_ns) <= 50_000_000


def test_rows_of_a_time_without_sync_are_dated_after_it() -> None:
    dating = Dating()
    for second in range(0, 900, 5):
        mono_ns, true_ns = moment(second, 0.0)
        away = 300 <= second < 600
        found = dating.observe(mono_ns, true_ns + (10**15 if away else 0), not away)
        assert not (away and found), "an unsynced clock corrects nothing"
    assert dating.correction is not None and dating.correction.reason == "resync"
    assert dating.correction.through_mono_ns >= moment(595, 0.0)[0]


def test_an_unsynced_boot_is_not_dated() -> None:
    dating = Dating()
    for second in range(0, 900, 5):
        dating.observe(*moment(second, 0.0), False)
    assert dating.correction is None
