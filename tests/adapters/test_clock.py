"""Who keeps the clock: real chronyd and ntpd are heard, and nobody who only claims to be one."""

import random
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.adapters.clock_os import CHRONYD, NTPD, TIMESYNCD, Service
from agent.limits import SYNC_ASK_S, SYNC_SAID_S
from tests.contract.test_timesync import chronyd as chronyd_answer
from tests.contract.test_timesync import ntpd as ntpd_answer
from tests.time_servers import Chronyd, FastOsClock, in_step_within, ntpd_says, source_within

Answer = Callable[[bytes], list[bytes]]


def clock_of(folder: Path, *services: Service) -> FastOsClock:
    return FastOsClock(str(folder / "synchronized"), services)


@pytest.fixture(scope="module")
def of_ntpd(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Future[dict[str, str]]]":
    """What is heard of a real ntpd: it takes its time, as long as a chronyd."""
    with ThreadPoolExecutor(1) as side:
        yield side.submit(ntpd_says, tmp_path_factory.mktemp("ntpd"))


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def somebody(answers: Answer) -> Iterator[int]:
    """The UDP port of one who answers each question with `answers(question)`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
        here.bind(("127.0.0.1", 0))
        here.settimeout(0.05)
        done = threading.Event()

        def serve() -> None:
            while not done.is_set():
                try:
                    question, asker = here.recvfrom(2048)
                except TimeoutError:
                    continue
                for answer in answers(question):
                    here.sendto(answer, asker)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield here.getsockname()[1]
        finally:
            done.set()
            thread.join()


def chronyd_that_echoes(question: bytes, **facts: Any) -> bytes:
    answer = bytearray(chronyd_answer(**facts))
    answer[16:20] = question[8:12]
    return bytes(answer)


def ntpd_that_echoes(question: bytes, leap: int = 0) -> bytes:
    return ntpd_answer(leap, served_ns=time.time_ns(), token=question[40:48])


def heard(clock: FastOsClock) -> str:
    """After the first question, and again after what comes of it."""
    return source_within(clock, 0.5)


def test_timesyncds_mark_needs_no_question(tmp_path: Path) -> None:
    clock = clock_of(tmp_path)
    assert not clock.synced() and clock.synced_by() == ""
    (tmp_path / "synchronized").touch()
    assert clock.synced() and clock.synced_by() == TIMESYNCD


def test_where_no_service_is_the_clock_is_nobodys(tmp_path: Path) -> None:
    ports = free_udp_port(), free_udp_port()
    clock = clock_of(tmp_path, CHRONYD._replace(port=ports[0]), NTPD._replace(port=ports[1]))
    for _ in range(5):
        assert clock.synced_by() == ""
        clock.ahead_s += SYNC_ASK_S + 1


@pytest.mark.usefixtures("of_ntpd")  # begins beside
def test_a_real_chronyd_is_heard_once_it_is_in_step(tmp_path: Path) -> None:
    """Its own command port, and the time that it serves as ntpd would."""
    time_port, command_port, truth_port = (free_udp_port() for _ in range(3))
    lines = f"server 127.0.0.1 port {truth_port} iburst minpoll -2 maxpoll 0\nallow 127.0.0.1"
    follower = Chronyd(tmp_path / "f", f"{lines}\nport {time_port}\ncmdport {command_port}")
    asked = {
        "chronyd": clock_of(tmp_path, CHRONYD._replace(port=command_port)),
        "ntpd": clock_of(tmp_path, NTPD._replace(port=time_port)),
    }
    try:
        for clock in asked.values():
            assert source_within(clock, 1.0) == "", "nobody serves it the time yet"
        truth = Chronyd(
            tmp_path / "t", f"local stratum 8\nport {truth_port}\ncmdport 0\nallow 127.0.0.1"
        )
        try:
            for name, clock in asked.items():
                assert in_step_within(clock) == name
        finally:
            truth.stop()
    finally:
        follower.stop()
        for clock in asked.values():
            clock.close()


def test_a_real_chronyd_that_goes_by_its_own_clock_is_not_in_step(tmp_path: Path) -> None:
    time_port, command_port = free_udp_port(), free_udp_port()
    alone = Chronyd(
        tmp_path, f"local stratum 8\nport {time_port}\ncmdport {command_port}\nallow 127.0.0.1"
    )
    clock = clock_of(tmp_path, CHRONYD._replace(port=command_port), NTPD._replace(port=time_port))
    try:
        for _ in range(20):
            assert clock.synced_by() == ""
            clock.ahead_s += SYNC_ASK_S
            time.sleep(0.05)
    finally:
        alone.stop()
        clock.close()


def test_a_real_ntpd_is_heard_once_it_is_in_step(of_ntpd: "Future[dict[str, str]]") -> None:
    assert of_ntpd.result() == {"first": "", "last": "ntpd"}


@pytest.mark.parametrize(
    ("service", "echo"), [(CHRONYD, chronyd_that_echoes), (NTPD, ntpd_that_echoes)]
)
def test_one_service_that_is_in_step_is_enough(
    tmp_path: Path, service: Service, echo: Callable[[bytes], bytes]
) -> None:
    with somebody(lambda question: [echo(question)]) as port:
        nobody = (CHRONYD if service is NTPD else NTPD)._replace(port=free_udp_port())
        clock = clock_of(tmp_path, nobody, service._replace(port=port))
        assert heard(clock) == service.name
        clock.close()


HOSTILE: dict[str, Answer] = {
    "silent": lambda question: [],
    "empty": lambda question: [b""],
    "echo": lambda question: [question],
    "truncated": lambda asked: [chronyd_that_echoes(asked)[:-1], ntpd_that_echoes(asked)[:-1]],
    "padded": lambda question: [chronyd_that_echoes(question) + bytes(900)],
    "another token": lambda question: [chronyd_answer(), ntpd_answer(served_ns=time.time_ns())],
    "unsynchronised": lambda question: [chronyd_that_echoes(question, leap=3)],
    "random": lambda question: [random.Random(7).randbytes(n) for n in range(1, 200)],
    "random, as long": lambda question: [random.Random(n).randbytes(104) for n in range(99)],
    "a flood": lambda question: [bytes(60_000)] * 50,
}


@pytest.mark.parametrize("service", [CHRONYD, NTPD], ids=["chronyd", "ntpd"])
@pytest.mark.parametrize("name", HOSTILE)
def test_who_is_no_time_service_is_not_believed(
    tmp_path: Path, service: Service, name: str
) -> None:
    with somebody(HOSTILE[name]) as port:
        clock = clock_of(tmp_path, service._replace(port=port))
        for _ in range(20):
            assert clock.synced_by() == ""
            time.sleep(0.01)
            clock.ahead_s += SYNC_ASK_S / 4
        clock.close()


def test_a_true_answer_behind_rubbish_is_found(tmp_path: Path) -> None:
    with somebody(lambda question: [b"x", bytes(104), chronyd_that_echoes(question)]) as port:
        clock = clock_of(tmp_path, CHRONYD._replace(port=port))
        assert heard(clock) == "chronyd"
        clock.close()


def test_an_answer_to_an_earlier_question_is_not_taken(tmp_path: Path) -> None:
    questions: list[bytes] = []

    def late(question: bytes) -> list[bytes]:
        questions.append(question)
        return [ntpd_that_echoes(questions[0])] if len(questions) > 1 else []

    with somebody(late) as port:
        clock = clock_of(tmp_path, NTPD._replace(port=port))
        for _ in range(8):
            assert heard_once(clock) == ""
        assert len(questions) > 2
        clock.close()


def heard_once(clock: FastOsClock) -> str:
    clock.ahead_s += SYNC_ASK_S
    clock.synced_by()
    time.sleep(0.05)
    return clock.synced_by()


def test_a_service_that_falls_silent_is_believed_for_a_while(tmp_path: Path) -> None:
    talks = [True]
    with somebody(lambda question: [ntpd_that_echoes(question)] if talks[0] else []) as port:
        clock = clock_of(tmp_path, NTPD._replace(port=port))
        assert heard(clock) == "ntpd"
        talks[0] = False
        clock.ahead_s += SYNC_SAID_S - SYNC_ASK_S
        assert clock.synced_by() == "ntpd", "it may be starting anew"
        clock.ahead_s += 2 * SYNC_ASK_S
        assert clock.synced_by() == ""
        clock.close()


def test_a_service_that_says_it_lost_its_source_is_believed_at_once(tmp_path: Path) -> None:
    leap = [0]
    with somebody(lambda question: [ntpd_that_echoes(question, leap[0])]) as port:
        clock = clock_of(tmp_path, NTPD._replace(port=port))
        assert heard(clock) == "ntpd"
        leap[0] = 3
        assert heard_once(clock) == ""
        clock.close()


def test_a_look_waits_for_nobody(tmp_path: Path) -> None:
    """A thousand looks at two services that never answer, at one question each: CPU time only."""
    with somebody(lambda question: []) as port:
        clock = clock_of(tmp_path, CHRONYD._replace(port=port), NTPD._replace(port=port))
        began_s, began_cpu_s = time.monotonic(), time.thread_time()
        for _ in range(1000):
            clock.synced_by()
            clock.ahead_s += SYNC_ASK_S
        cpu_s = time.thread_time() - began_cpu_s
        assert cpu_s < 1.0, "less than a millisecond a look"
        assert time.monotonic() - began_s < 10.0
        clock.close()


def test_a_board_without_a_socket_to_spare_has_no_time_service(tmp_path: Path) -> None:
    clock = clock_of(tmp_path, CHRONYD, NTPD)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        assert clock.synced_by() == ""
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
