"""From the broker into the account and the database, and the receipts back.

In this order, batch by batch: account, one durable transaction, PUBACK to the broker, receipt to
the device. A ledger that dies in between gets the messages again, and drops copies by their keys.
"""

import json
import queue
import re
import time
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from firmware_tools.ledger.account import CLOCK, TOMBSTONE, Account, Key, Row
from firmware_tools.ledger.keep import Keeper
from firmware_tools.ledger.read import check_name, read_bundle, read_status

BATCH_MESSAGES = 500
BATCH_S = 0.05  # a receipt waits this long for company
QUEUED = 10_000  # messages; the broker holds back what is not yet acknowledged
CONNECT_S = 10
ECHO_S = 2.0  # for a message of our own to come back
ECHO_SITE = "latido-ledger"  # of that message, where all sites are listened to


class BrokerFault(Exception):
    """The broker cannot be reached or does not accept us; says which and why."""


class Receiver:
    """`options`: host, port, username, password, tls_ca, tls_certificate, tls_key, site, name."""

    def __init__(self, account: Account, keeper: Keeper, options: Any, receipts: bool) -> None:
        self.account = account
        self._keeper = keeper
        self._receipts = receipts
        self._site = options.site
        self._waiting: queue.Queue[Any] = queue.Queue(QUEUED)
        self._told: set[str] = set()  # devices that told of themselves in this batch
        self._opened: set[Key] = set()  # streams of those that did so with another file
        self._echo = f"{ECHO_SITE if self._site == '+' else self._site}/" + re.sub(
            "[/+#]", "-", options.name
        )
        self._echoed = False
        self.connected = False
        self.greeted = False  # at least once
        self.subscribed = False
        self.refusal = ""
        self.lost = ""  # why the last connection ended
        self.heard: set[str] = set()  # devices, since this receiver began
        self.rows = 0
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=options.name, clean_session=False
        )
        self._client.manual_ack_set(True)
        self._client.reconnect_delay_set(1, 30)
        if options.username is not None:
            self._client.username_pw_set(options.username, options.password)
        if options.tls_ca or options.tls_certificate or options.tls:
            _set_tls(self._client, options)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = lambda client, userdata, message: self._waiting.put(message)
        try:
            self._client.connect(options.host, options.port, keepalive=CONNECT_S)
        except (OSError, ValueError) as error:
            raise BrokerFault(f"{options.host}:{options.port}: {error}") from error
        self._client.loop_start()

    def turn(self) -> int:
        """Takes what has come for a moment, keeps it, answers; how many messages."""
        batch = self._batch()
        if not batch:
            return 0
        rows: list[Row] = []
        copies: list[Row] = []
        touched: set[Key] = set()
        for message in batch:
            new, known, keys = self._take(message)
            rows += new
            copies += known
            touched |= keys
        streams = [self.account.stream(key) for key in sorted(touched | self._opened)]
        names = sorted(self._told | {key.device for key in touched})
        told = [row for name in names for row in self.account.counts_rows(name)]
        devices = [self.account.device_row(name) for name in names]
        for row in self._keeper.keep(rows, streams, told, copies, devices):
            self.account.note_conflicts(Key(row.device, row.boot, row.lane), 1, row.seq, row.seq)
        self._told.clear()
        self._opened.clear()
        self.rows += len(rows)
        for message in batch:
            self._client.ack(message.mid, message.qos)
        for key in sorted(touched) if self._receipts else ():
            self._answer(key)
        return len(batch)

    def hears_itself(self) -> bool:
        """Whether a message of our own comes back. Brokers grant a subscription without the right
        to read, and then pass nothing on: where nothing was heard this tells one from the other.
        """
        self._client.publish(f"latido/{self._echo}/data/test", '{"schema":2,"lane":"test"}', 1)
        end_s = time.monotonic() + ECHO_S
        while not self._echoed and time.monotonic() < end_s:
            self.turn()
        return self._echoed

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _batch(self) -> list[Any]:
        batch: list[Any] = []
        end_s = time.monotonic() + BATCH_S
        while len(batch) < BATCH_MESSAGES:
            try:
                batch.append(self._waiting.get(timeout=max(0.0, end_s - time.monotonic())))
            except queue.Empty:
                break
        return batch

    def _take(self, message: Any) -> tuple[list[Row], list[Row], set[Key]]:
        """(new rows, rows of known keys, streams that changed) of one message; what is not valid
        is refused.
        """
        topic = ""
        try:
            topic = message.topic
            _, site, device, *rest = topic.split("/")
            name = f"{site}/{device}"
            check_name(name)
            if rest == ["status"]:
                told = read_status(message.payload)
                opened = self.account.status(name, *told, retained=message.retain)
                self._opened |= {stream.key for stream in opened}
                self._told.add(name)
                self.heard.add(name)
                return [], [], set()
            if rest == ["data", "test"]:  # somebody tries whether publishing is allowed
                self._echoed |= name == self._echo
                return [], [], set()
            bundle, rows = read_bundle(name, rest[1], message.payload)
            self.heard.add(name)
        except (ValueError, IndexError) as error:  # Invalid is a ValueError
            self.account.refuse(ascii(topic)[1:-1], str(error))
            return [], [], set()
        new = self.account.take(name, bundle, rows)
        fresh = {id(row) for row in new}
        keys = {Key(name, bundle["boot"], bundle["lane"])}
        for row in new:
            if row.kind == TOMBSTONE:
                keys |= self.account.bury_all(name, json.loads(row.body))
            if row.kind == CLOCK:
                corrections = self.account.clock_corrections
                corrections[name] = corrections.get(name, 0) + 1
        return new, [row for row in rows if id(row) not in fresh], keys

    def _answer(self, key: Key) -> None:
        through = self.account.stream(key).through()
        if through:
            receipt = {"schema": 1, "boot": key.boot, "lane": key.lane, "through": through}
            self._client.publish(f"latido/{key.device}/ack", json.dumps(receipt), qos=1)

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason: Any, *_: Any) -> None:
        self.connected = not reason.is_failure
        self.refusal = "" if self.connected else str(reason)
        self.greeted |= self.connected
        if self.connected:
            client.subscribe([(topic, 1) for topic in self._topics()])

    def _on_subscribe(self, client: Any, userdata: Any, mid: int, granted: Any, *_: Any) -> None:
        """The broker's answer, a code a topic."""
        refused = [
            f"{topic}: {code}"
            for topic, code in zip(self._topics(), granted, strict=False)
            if code.is_failure
        ]
        self.subscribed = not refused
        if refused:
            self.refusal = f"it does not let us listen to {', '.join(refused)}"

    def _on_disconnect(
        self, client: Any, userdata: Any, flags: Any, reason: Any = "", *_: Any
    ) -> None:
        self.connected = self.subscribed = False
        self.lost = str(reason)

    def _topics(self) -> list[str]:
        return [f"latido/{self._site}/+/{what}" for what in ("data/+", "status")]


def _set_tls(client: mqtt.Client, options: Any) -> None:
    """BrokerFault that names the file that cannot be used."""
    files = {
        "--tls-ca": options.tls_ca,
        "--tls-certificate": options.tls_certificate,
        "--tls-key": options.tls_key,
    }
    given = {option: file for option, file in files.items() if file}
    for option, file in given.items():
        try:
            with open(file, "rb"):
                continue
        except OSError as error:
            raise BrokerFault(f"{option} {file}: {error.strerror}") from error
    try:
        client.tls_set(options.tls_ca, options.tls_certificate, options.tls_key)
    except (OSError, ValueError) as error:
        said = ", ".join(f"{option} {file}" for option, file in given.items())
        raise BrokerFault(f"{said}: cannot be used for TLS: {error}") from error
