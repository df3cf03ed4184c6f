"""Why there is no link: what TLS and MQTT say stands within our sentence, in its language."""

import asyncio
import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import aiomqtt
import pytest
from paho.mqtt.client import error_string
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from agent.dial import dial, tls_context
from agent.page.system import OF_PYTHON, OF_TLS
from agent.page.words import link_sentence, phrase, text
from agent.ports import LinkDown

FAILURE = 0x80
ENDS = (
    MQTTErrorCode.MQTT_ERR_CONN_LOST,
    MQTTErrorCode.MQTT_ERR_NO_CONN,
    MQTTErrorCode.MQTT_ERR_PROTOCOL,
    MQTTErrorCode.MQTT_ERR_CONN_REFUSED,
    MQTTErrorCode.MQTT_ERR_TLS,
    MQTTErrorCode.MQTT_ERR_KEEPALIVE,
)
OF_AIOMQTT = ("Operation timed out", "Disconnected during message iteration")


def mqtt_reasons() -> list[str]:
    names = ReasonCode(PacketTypes.CONNACK).names
    return sorted({name for code, of in names.items() if code >= FAILURE for name in of})


@pytest.mark.parametrize(
    "said", [*mqtt_reasons(), *(error_string(code) for code in ENDS), *OF_AIOMQTT]
)
def test_what_a_broker_or_its_library_says_is_spanish_within_ours(said: str) -> None:
    facts = {"place": "h:1883", "detail": said}
    spanish, english = (link_sentence(["lost", facts], language) for language in ("es", "en"))
    assert said.rstrip(".") not in spanish and said.rstrip(".") in english
    assert ".." not in spanish + english and ".)" not in spanish + english


def test_the_number_that_a_library_puts_before_it_goes() -> None:
    said = str(aiomqtt.exceptions.MqttCodeError(ReasonCode(PacketTypes.CONNACK, identifier=0x87)))
    assert said.startswith("[code:135]") and phrase(said, "es") == "sin autorización"


@pytest.mark.parametrize(("name", "key"), OF_TLS.items())
def test_a_failure_of_tls_is_told_by_openssls_name_of_it(name: str, key: str) -> None:
    for language in ("es", "en"):
        told = phrase(f"[SSL: {name}] so it says (_ssl.c:1000)", language)
        assert told == text(f"system.{key}", language)


def test_what_else_tls_says_is_told_and_what_nobody_knows_stays() -> None:
    for said, key in OF_PYTHON.items():
        assert phrase(f"{said} (_ssl.c:7)", "es") == text(f"system.{key}", "es")
    unknown = "[SSL: NEWS_OF_TOMORROW] news of tomorrow (_ssl.c:7)"
    assert phrase(unknown, "es") == phrase(unknown, "en") == unknown


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate of a server by another name, signed by itself, and a file that is none."""
    folder = tmp_path_factory.mktemp("papers")
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=other"
    made = [*words.split(), "-keyout", "key", "-out", "crt", "-addext", "subjectAltName=IP:1.2.3.4"]
    subprocess.run(["openssl", *made], cwd=folder, check=True, capture_output=True)
    (folder / "none").write_text("no certificate")
    return folder


@contextlib.contextmanager
def answering(papers: Path | None) -> Iterator[int]:
    """The port of a server: with TLS, or one that says hello in the clear."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            taken, _ = server.accept()
            with taken, contextlib.suppress(OSError):
                if papers is None:
                    taken.sendall(b"hello there, who are you?\r\n")
                    taken.recv(4096)
                    return
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(papers / "crt", papers / "key")
                context.wrap_socket(taken, server_side=True)

        served = threading.Thread(target=serve, daemon=True)
        served.start()
        yield server.getsockname()[1]
        served.join(5)


def refused(papers: Path, is_tls: bool, ca: str | None) -> list[object]:
    with answering(papers if is_tls else None) as port, pytest.raises(LinkDown) as caught:
        context = tls_context(None if ca is None else str(papers / ca), None, None)
        asyncio.run(dial("127.0.0.1", port, context))
    return [caught.value.code, {"place": caught.value.place, "detail": caught.value.detail}]


@pytest.mark.parametrize(
    ("is_tls", "ca", "key", "more"),
    [
        (True, None, "self_signed_certificate", ""),
        (True, "crt", "ip_address_mismatch_certificate_is_not_valid_for", " '127.0.0.1'. "),
        (False, "crt", "no_tls", ""),
    ],
)
def test_a_server_that_tls_does_not_trust_is_told_in_either_language(
    papers: Path, is_tls: bool, ca: str | None, key: str, more: str
) -> None:
    reason = refused(papers, is_tls, ca)
    for language in ("es", "en"):
        said = link_sentence(reason, language)
        assert text(f"system.{key}", language) + more in said
        assert ".." not in said and "_ssl.c" not in said


def test_a_file_that_holds_no_certificate_is_told_in_either_language(papers: Path) -> None:
    none = str(papers / "none")
    for files in ((none, None, None), (None, none, none), (str(papers / "away"), None, None)):
        with pytest.raises(LinkDown) as caught:
            tls_context(*files)
        facts = {"place": caught.value.place, "detail": caught.value.detail}
        key = "ENOENT" if "away" in str(files) else "tls_no_pem"
        for language in ("es", "en"):
            said = link_sentence([caught.value.code, facts], language)
            assert text(f"system.{key}", language) in said and "_ssl.c" not in said
