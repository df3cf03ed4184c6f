"""Frames made beforehand: the same values as at once, whoever made them; no thread is left."""

import threading
import time
from typing import Any

import numpy as np
import pytest

from hw.machines.ahead import AT_ONCE, Ready

PERIOD_S = 1 / 3200
WITHIN_S = 5.0


class Counted:
    """A source that is its own time, and says who asked."""

    def __init__(self) -> None:
        self.asked_by: list[str] = []

    def __call__(self, t0_s: float, period_s: float, count: int) -> Any:
        self.asked_by.append(threading.current_thread().name)
        t_s = t0_s + period_s * np.arange(count)
        return np.stack([t_s, 2 * t_s, -t_s], axis=1).reshape(-1)


def wait_until_ready(ready: Ready) -> None:
    deadline = time.monotonic() + WITHIN_S
    while ready.frames < AT_ONCE:
        assert time.monotonic() < deadline, "no frames were made beforehand"
        threading.Event().wait(0.001)


def test_what_was_ready_is_what_would_have_been_made_at_once() -> None:
    source, plain = Counted(), Counted()
    ready = Ready(source)
    for turn in range(300):
        t0_s = 7.0 + turn * 13 * PERIOD_S
        assert ready(t0_s, PERIOD_S, 13) == pytest.approx(list(plain(t0_s, PERIOD_S, 13)), abs=1e-9)
        if turn % 40 == 0:
            wait_until_ready(ready)
    assert source.asked_by.count("MainThread") < 20
    assert "simulated" in source.asked_by


def test_a_break_or_another_rate_throws_away_what_was_ready() -> None:
    ready, plain = Ready(Counted()), Counted()
    ready(1.0, PERIOD_S, 10)
    wait_until_ready(ready)
    assert ready(5.0, PERIOD_S, 10) == pytest.approx(list(plain(5.0, PERIOD_S, 10)))
    wait_until_ready(ready)
    begin_s = 5.0 + 10 * PERIOD_S
    assert ready(begin_s, 1 / 800, 10) == pytest.approx(list(plain(begin_s, 1 / 800, 10)))


def test_more_than_is_ready_is_made_at_once_and_goes_on_in_order() -> None:
    ready, plain = Ready(Counted()), Counted()
    ready(2.0, PERIOD_S, 4)
    wait_until_ready(ready)
    many = ready(2.0 + 4 * PERIOD_S, PERIOD_S, 5000)
    assert many == pytest.approx(list(plain(2.0 + 4 * PERIOD_S, PERIOD_S, 5000)), abs=1e-9)
    after_s = 2.0 + 5004 * PERIOD_S
    assert ready(after_s, PERIOD_S, 7) == pytest.approx(list(plain(after_s, PERIOD_S, 7)), abs=1e-9)


def test_a_chip_that_nobody_reads_any_more_keeps_no_thread() -> None:
    ready = Ready(Counted(), idle_s=0.01)
    ready(1.0, PERIOD_S, 10)
    thread = ready.thread
    assert thread is not None
    thread.join(WITHIN_S)
    assert not thread.is_alive()
    assert ready(1.0 + 10 * PERIOD_S, PERIOD_S, 600)[0] == pytest.approx(1.0 + 10 * PERIOD_S)
