"""`latido-ledger`: receives the rows of a fleet, proves that none is missing, sends receipts.

Exit codes: 0 nothing is missing, 2 usage, 3 broker or database. With --check, 1: a hole, a key that
stands for two rows, or a database that no longer holds what was kept.
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

COMPLETE, UNPROVEN, USAGE, AWAY = 0, 1, 2, 3
TELL_S = 1.0


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    try:
        keeper = Keeper(options.db, must_exist=options.broker is None)
    except KeepFault as fault:
        return _away(fault)
    try:
        account = keeper.load()
        if options.broker is not None:
            _receive(account, keeper, options)
        proof = _proof(keeper) if options.check else {}
    except (BrokerFault, KeepFault) as fault:
        return _away(fault)
    finally:
        keeper.close()
    told = {**summary(account), **proof}
    if options.check or options.broker is None:
        print(json.dumps({"event": "summary", **told}))
    whole = told["complete"] and not told.get("damage")
    return UNPROVEN if options.check and not whole else COMPLETE


def _proof(keeper: Keeper) -> dict[str, Any]:
    """What the database is worth: `damage` in sentences, `unproven` rows without a checksum."""
    return keeper.check()._asdict()


def _away(fault: Exception) -> int:
    print(f"latido-ledger: {fault}", file=sys.stderr)
    return AWAY


def _receive(account: Account, keeper: Keeper, options: argparse.Namespace) -> None:
    """Until told to stop, or for --seconds."""
    stopped: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _: stopped.append(got))
    as_table = sys.stdout.isatty() and not options.json
    teller = Teller(sys.stdout, as_table)
    receiver = Receiver(account, keeper, options, options.receipts)
    began_s = told_s = time.monotonic()
    try:
        while not stopped:
            receiver.turn()
            if receiver.refusal:
                raise BrokerFault(f"{options.host}:{options.port}: {receiver.refusal}")
            now_s = time.monotonic()
            if now_s - told_s >= TELL_S:
                teller.tell(account, _note(receiver, options))
                told_s = now_s
            if options.seconds and now_s - began_s >= options.seconds:
                break
        while receiver.turn():
            continue
        teller.tell(account, _note(receiver, options))
    finally:
        receiver.close()


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
    parser.add_argument("--seconds", type=float, metavar="N", help="end after N seconds")
    parser.add_argument("--json", action="store_true", help="lines, also on a terminal")
    return parser


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The arguments, --broker split into host and port."""
    parser = _parser()
    options = parser.parse_args(arguments)
    options.host, options.port = "", 0
    if options.broker is None:
        return options
    host, _, port = options.broker.rpartition(":")
    if not host:
        host, port = options.broker, "8883" if options.tls or options.tls_ca else "1883"
    if not port.isdigit() or not 0 < int(port) < 65536:
        parser.error(f"--broker: {options.broker!r} is not HOST[:PORT]")
    if options.check and not options.seconds:
        parser.error("--check with --broker needs --seconds: how long to listen")
    options.host, options.port = host, int(port)
    return options
