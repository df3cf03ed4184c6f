"""`latido-ledger`: receives the rows of a fleet, proves that none is missing, sends receipts.

Exit codes: 0 nothing is missing, 2 usage, 3 broker or database. With --check, 1: a hole, a key that
stands for two rows, a database that no longer holds what was kept, or no device heard at all.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any

from firmware_tools.ledger.account import Account
from firmware_tools.ledger.keep import Keeper, KeepFault, plain
from firmware_tools.ledger.receive import BrokerFault, Receiver
from firmware_tools.ledger.show import Teller, summary
from firmware_tools.ledger.write_off import losses, write_off

COMPLETE, UNPROVEN, USAGE, AWAY = 0, 1, 2, 3
TELL_S = 1.0
LOST = "the connection was lost, nobody knows what came after"
SILENT = "it takes the connection and does not answer as an MQTT broker, nothing was heard"
HEARS = "no device was heard: what is published here arrives, but no device has sent anything"
STRANGE = "no device was heard: what came is not of a device, it was refused"
DEAF = (
    "no device was heard: none has sent anything here, or this user may not read its topics"
    " (a broker does not say so)"
)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    try:
        keeper = Keeper(options.db, must_exist=options.broker is None)
    except KeepFault as fault:
        return _away(fault)
    heard: dict[str, Any] = {}
    try:
        account = keeper.load()
        if options.broker is not None:
            heard = {"heard": _receive(account, keeper, options)}
        if options.write_off is not None and not _write_off(account, keeper, options.write_off):
            return USAGE
        proof = _proof(keeper) if options.check else {}
    except (BrokerFault, KeepFault) as fault:
        return _away(fault)
    finally:
        keeper.close()
    told = {**summary(account), **heard, **proof}
    if heard and not told["heard"]:
        told["complete"] = False  # nobody said what ought to be there
    if options.check or options.broker is None:
        print(json.dumps({"event": "summary", **told}))
    whole = told["complete"] and not told.get("damage")
    return UNPROVEN if options.check and not whole else COMPLETE


def _write_off(account: Account, keeper: Keeper, device: str) -> bool:
    """What is lost of a device, told a line each; False where nothing is."""
    lines = losses(account, device, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    if not lines:
        print(f"latido-ledger: {device}: nothing of it is lost", file=sys.stderr)
        return False
    write_off(account, lines)
    keeper.write_off(account, lines)
    for line in lines:
        print(json.dumps({"event": "written_off", **line}))
    return True


def _proof(keeper: Keeper) -> dict[str, Any]:
    """What the database is worth: `damage` in sentences, `unproven` rows without a checksum."""
    return keeper.check()._asdict()


def _away(fault: Exception) -> int:
    print(f"latido-ledger: {fault}", file=sys.stderr)
    return AWAY


def _receive(account: Account, keeper: Keeper, options: argparse.Namespace) -> int:
    """Until told to stop, or for --seconds; how many devices were heard. BrokerFault, KeepFault."""
    receiver = Receiver(account, keeper, options, options.receipts)
    stopped: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _: stopped.append(got))
    as_table = sys.stdout.isatty() and not options.json
    teller = Teller(sys.stdout, as_table)
    began_s = told_s = time.monotonic()
    try:
        while not stopped:
            receiver.turn()
            _check_refusal(receiver, options)
            now_s = time.monotonic()
            if now_s - told_s >= TELL_S:
                teller.tell(account, _note(receiver, options))
                told_s = now_s
            if options.seconds and now_s - began_s >= options.seconds:
                break
        while receiver.turn():
            continue
        teller.tell(account, _note(receiver, options))
        if options.check:
            _check_heard(receiver, options)
        return len(receiver.heard)
    finally:
        receiver.close()


def _check_refusal(receiver: Receiver, options: argparse.Namespace) -> None:
    if receiver.refusal:
        raise BrokerFault(f"{options.host}:{options.port}: {receiver.refusal}")


def _check_heard(receiver: Receiver, options: argparse.Namespace) -> None:
    """BrokerFault unless we listened to the end; a sentence when there was nothing to hear."""
    place = f"{options.host}:{options.port}"
    if not receiver.subscribed:
        raise BrokerFault(f"{place}: {f'{LOST} ({receiver.lost})' if receiver.greeted else SILENT}")
    if not receiver.heard:
        why = STRANGE if receiver.account.invalid else _why_silent(receiver, options)
        print(f"latido-ledger: {place}: {why}", file=sys.stderr)


def _why_silent(receiver: Receiver, options: argparse.Namespace) -> str:
    return HEARS if options.receipts and receiver.hears_itself() else DEAF


def _note(receiver: Receiver, options: argparse.Namespace) -> str:
    state = "connected to" if receiver.connected else "NO CONNECTION to"
    return (
        f"{state} {options.host}:{options.port}, {receiver.rows} rows kept in {plain(options.db)}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="latido-ledger",
        description="Receives the rows of a fleet, keeps them once, proves that none is missing.",
    )
    parser.add_argument(
        "--broker", metavar="HOST[:PORT]", help="without it: what the database says"
    )
    parser.add_argument("--db", default="ledger.db", help="a file (SQLite) or postgresql://…")
    parser.add_argument("--site", default="+", help="only this site")
    parser.add_argument("--name", default="latido-ledger", help="client identifier at the broker")
    parser.add_argument("--username")
    parser.add_argument("--password")
    parser.add_argument("--tls", action="store_true", help="by the system's authorities")
    parser.add_argument("--tls-ca", metavar="FILE")
    parser.add_argument("--tls-certificate", metavar="FILE")
    parser.add_argument("--tls-key", metavar="FILE")
    parser.add_argument(
        "--no-receipts", dest="receipts", action="store_false", help="listen, do not answer"
    )
    check_help = "read and prove all that is kept; end with 1 for a hole, a conflict, or damage"
    parser.add_argument("--check", action="store_true", help=check_help)
    off_help = "take note of what is lost of a device: told for ever, it fails no further check"
    parser.add_argument("--write-off", metavar="SITE/DEVICE", help=off_help)
    parser.add_argument("--seconds", type=_positive, metavar="N", help="end after N seconds")
    parser.add_argument("--json", action="store_true", help="lines, also on a terminal")
    return parser


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The arguments, --broker split into host and port."""
    parser = _parser()
    options = parser.parse_args(arguments)
    options.host, options.port = "", 0
    if options.broker is None:
        return options
    if options.write_off is not None:
        parser.error("--write-off goes without --broker: end the ledger of this database first")
    if options.check and not options.seconds:
        parser.error("--check with --broker needs --seconds: how long to listen")
    host, port = _place(options.broker)
    port = port or ("8883" if options.tls or options.tls_ca or options.tls_certificate else "1883")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        parser.error(f"--broker: {options.broker!r} is not HOST[:PORT]")
    options.host, options.port = host, int(port)
    return options


def _place(text: str) -> tuple[str, str]:
    """(host, port or ""). An address of IPv6 stands in brackets, or alone."""
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        is_place = closed and (not rest or (rest[0] == ":" and len(rest) > 1))
        return (host, rest[1:]) if is_place else ("", "")
    if text.count(":") > 1:
        return text, ""
    host, colon, port = text.partition(":")
    return (host, port) if port or not colon else ("", "")


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value
