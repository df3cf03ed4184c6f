"""`latido judge`: from its options to questions, from judgements to what is printed."""

import sys

from agent import judge
from agent.analysis.bearings import BearingFault, bearing_for
from agent.analysis.recording import RecordingFault
from agent.analysis.severity import read_tables, table_for
from agent.resources import severity_tables_text

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from typing import Any

JUDGED, UNREADABLE, USAGE = 0, 1, 2


class UsageFault(Exception):
    """The words of the command do not make a question; says which and what was expected."""


def run(options: "argparse.Namespace", print_object: "Callable[[object], None]") -> int:
    """Judges every file; 0 when all were, 1 when one could not be read, 2 for a wrong question."""
    try:
        question = _question(options)
        from agent.app import open_model
        from agent.play import player

        play = player(options.through) if options.through else None
    except (UsageFault, BearingFault, ValueError) as error:
        print(f"latido judge: {error}", file=sys.stderr)
        return USAGE
    model, notes = open_model(None)
    for note in notes:
        print(f"latido judge: {note}", file=sys.stderr)
    return _judge_all(options, question, model, play, print_object)


def _judge_all(
    options: "argparse.Namespace",
    question: "judge.Question",
    model: "Any",
    play: "Any",
    print_object: "Callable[[object], None]",
) -> int:
    code = JUDGED
    try:
        baselines = [judge.load(path, question) for path in options.baseline]
    except RecordingFault as fault:
        print(f"latido judge: {fault}", file=sys.stderr)
        return UNREADABLE
    for path in options.file:
        try:
            recording = judge.load(path, question)
            answer = judge.judge(recording, baselines, question, model, play)
        except RecordingFault as fault:
            print(f"latido judge: {fault}", file=sys.stderr)
            code = UNREADABLE
            continue
        if options.json:
            print_object(answer)
        else:
            print(_lines(answer, options.lang or "en"))
    return code


def _question(options: "argparse.Namespace") -> "judge.Question":
    same = [path for path in options.file if path in options.baseline]
    if same:
        raise UsageFault(f"--baseline: {same[0]} is also judged (expected other recordings)")
    if options.bearing:
        bearing_for(options.bearing)
    table = table_for(read_tables(severity_tables_text()), options.power_kw, options.support)
    return judge.Question(
        options.rate_hz, options.unit, options.column, options.scale, options.rpm, table
    )


def _lines(answer: "dict[str, Any]", language: str) -> str:
    from agent.page.words import sensor_detail, sentence, text

    severity = answer["severity"]
    rows = [f"{answer['file']}: {text('state.' + answer['verdict'], language)}"]
    rows.append(f"  {sentence(answer['reason'], language)}")
    if severity["velocity_rms_mm_s"] is not None:
        rows.append(
            f"  {severity['velocity_rms_mm_s']:.2f} mm/s, {severity['zone']}"
            f" ({severity['edition']}, {severity['group']})"
        )
    rows += [f"  {sensor_detail(reason, language)}" for reason in answer["quality"]["reasons"]]
    rows += [f"  {note}" for note in answer["quality"]["notes"]]
    return "\n".join(rows)
