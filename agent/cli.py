"""The command line: words and their arguments. No work is done here."""

import argparse
import json
import sys

from agent import __version__
from agent.words.exits import DONE

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import Sequence

RPM_MIN, RPM_MAX = 30.0, 60_000.0
MACHINE_KINDS = ("pump", "motor", "fan", "compressor", "gearbox", "other")


def main(arguments: "Sequence[str] | None" = None) -> int:
    """The `latido` command; returns the exit code."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if len(rest) == 1 and rest[0][:1] != "-" and getattr(options, "file", "") is None:
        options.file, rest = rest[0], []  # argparse takes an optional FILE only beside its action
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        return int(options.word(options))
    except BrokenPipeError:
        return DONE  # the reader of our output has gone, as `head` does
    except KeyboardInterrupt:
        return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="latido", description="Listens to pumps and motors, and says what is wrong."
    )
    parser.add_argument("--version", action="version", version=f"latido {__version__}")
    words = parser.add_subparsers(title="words", required=True, metavar="WORD")
    _demo_parser(words.add_parser("demo", help="run on a simulated pump; no hardware needed"))
    _run_parser(words.add_parser("run", help="run the agent by a configuration file"))
    _judge_parser(words.add_parser("judge", help="judge one or more recordings"))
    _connect_parser(words.add_parser("connect", help="try the way to the broker, step by step"))
    _outbox_parser(words.add_parser("outbox", help="what waits to be sent: told, copied, or sent"))
    _sensors_parser(words.add_parser("sensors", help="scan, test or watch the sensors"))
    return parser


def _demo_parser(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=_positive, metavar="N", help="end after N seconds")
    parser.add_argument("--port", type=_port, default=8080, help="of the page (default 8080)")
    parser.add_argument("--broker", metavar="HOST:PORT", help="use this MQTT broker")
    parser.add_argument("--state-dir", metavar="DIR", help="where the demo keeps its state")
    parser.add_argument("--lang", choices=("es", "en"), help="of the page and the summary")
    parser.add_argument("--json", action="store_true", help="print the summary as one JSON object")
    parser.set_defaults(word=_demo)


def _run_parser(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, metavar="FILE")
    parser.set_defaults(word=_run)


def _judge_parser(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="+", metavar="FILE", help=".csv, .wav or .npz")
    parser.add_argument(
        "--rate-hz", type=_positive, metavar="R", help="samples a second; instead of the file's own"
    )
    parser.add_argument(
        "--unit", choices=("g", "m/s2"), default="g", help="of the file's numbers (default g)"
    )
    parser.add_argument("--column", metavar="N", help="a column's name, or its number from 0")
    parser.add_argument("--scale", type=float, metavar="S", help="multiplies what the file holds")
    _judged_machine(parser)
    parser.add_argument("--through", metavar="SENSOR[@RATE]", help="as this chip would see it")
    parser.add_argument(
        "--baseline", nargs="+", default=[], metavar="FILE", help="recordings of its healthy state"
    )
    parser.add_argument(
        "--lang", choices=("es", "en"), help="of the table at a terminal (default en)"
    )
    parser.add_argument(
        "--json", action="store_true", help="one JSON object a recording, at a terminal too"
    )
    parser.add_argument(
        "--plot", metavar="FILE.svg", help="draw spectrum and envelope; of several, one each"
    )
    parser.set_defaults(word=_judge)


def _judged_machine(parser: argparse.ArgumentParser) -> None:
    """What is known of the machine that was recorded."""
    parser.add_argument(
        "--rpm", type=_rpm, metavar="N", help="of the shaft, 30 to 60000; found where it can be"
    )
    parser.add_argument(
        "--power-kw", type=_positive, metavar="P", help="of the machine: chooses the zones' limits"
    )
    parser.add_argument(
        "--support",
        choices=("rigid", "flexible"),
        default="rigid",
        help="what the machine stands on: chooses the zones' limits (default rigid)",
    )
    parser.add_argument(
        "--bearing",
        metavar="BEARING",
        help="its designation, n,d,D,phi in mm and degrees, or bpfo=..,bpfi=..,bsf=..,ftf=..",
    )
    parser.add_argument(
        "--kind", choices=MACHINE_KINDS, default="other", help="cavitation is looked for in pumps"
    )
    parser.add_argument(
        "--pump-category",
        choices=("I", "II"),
        default="II",
        help="I: a pump that must not fail; II: of general use (default II)",
    )
    parser.add_argument("--vanes", type=_vanes, metavar="N", help="of the impeller, 2 to 50")
    parser.add_argument(
        "--mains-hz", type=int, choices=(50, 60), default=60, help="of the motor (default 60)"
    )
    parser.add_argument("--axial", metavar="AXIS", help="along the shaft: x, y, z or 0, 1, 2")


def _sensors_parser(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        choices=("scan", "test", "watch"),
        help="who answers on the buses; is it sound; what it says now",
    )
    parser.add_argument("--config", required=True, metavar="FILE")
    parser.add_argument("--seconds", type=_positive, metavar="N", help="of listening at a time")
    parser.add_argument("--lang", choices=("es", "en"))
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(word=_sensors)


def _connect_parser(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--test", action="store_true", required=True, help="name the step that fails"
    )
    parser.add_argument("--config", required=True, metavar="FILE")
    parser.add_argument("--lang", choices=("es", "en"))
    parser.add_argument("--json", action="store_true", help="one JSON object a step")
    parser.set_defaults(word=_connect)


def _outbox_parser(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        choices=("status", "export", "captures", "drain"),
        help="what waits to be sent; a copy of it to FILE, while all runs; "
        "alarms' windows to a folder; send it all, then end",
    )
    parser.add_argument("file", nargs="?", metavar="FILE")
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--config", metavar="FILE")
    place.add_argument("--state-dir", metavar="DIR", help="of status and export")
    parser.add_argument("--seconds", type=_positive, metavar="N", help="drain: give up after N s")
    parser.add_argument("--lang", choices=("es", "en"))
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(word=_outbox)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def _rpm(text: str) -> float:
    """As the configuration takes it."""
    value = _positive(text)
    if not RPM_MIN <= value <= RPM_MAX:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a speed of {RPM_MIN:g} to {RPM_MAX:g} r/min"
        )
    return value


def _vanes(text: str) -> int:
    if not text.isdigit() or not 2 <= int(text) <= 50:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of vanes (2 to 50)")
    return int(text)


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (0 to 65535)")
    return int(text)


def _demo(options: argparse.Namespace) -> int:
    from agent.words import demo

    return demo.run(options)


def _run(options: argparse.Namespace) -> int:
    from agent.words import start

    return start.run_file(options.config)


def _judge(options: argparse.Namespace) -> int:
    from agent.words import judge

    return judge.run(options, _print_object)


def _connect(options: argparse.Namespace) -> int:
    from agent.words import connect

    return connect.run(options, _print_object)


def _outbox(options: argparse.Namespace) -> int:
    from agent.words import outbox, outbox_drain

    word = outbox_drain if options.action == "drain" else outbox
    return int(word.run(options, _print_object))


def _sensors(options: argparse.Namespace) -> int:
    from agent.words import sensors

    return sensors.run(options, _print_object)


def _print_object(value: object) -> None:
    print(json.dumps(value, allow_nan=False))
    sys.stdout.flush()
