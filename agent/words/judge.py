"""`latido judge`: from its options to questions, from judgements to what is printed."""

import os
import shutil
import sys
from pathlib import Path

from agent import judge
from agent.analysis.bearings import BearingFault, bearing_for
from agent.analysis.evidence import AXES, MachineFacts
from agent.analysis.recording import RecordingFault
from agent.analysis.severity import read_tables, table_for
from agent.page.words import phrase
from agent.resources import severity_tables_text
from agent.words.exits import DONE, FAILED, USAGE
from agent.words.judge_files import load, same_content, same_file
from agent.words.judge_plot import plot_svg
from agent.words.judge_table import Table, details

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from typing import Any

COLUMNS_MIN = 40


class UsageFault(Exception):
    """The words of the command do not make a question; says which and what was expected."""


def run(options: "argparse.Namespace", print_object: "Callable[[object], None]") -> int:
    """Judges every file; 0 when all were, 1 when one could not be read, 2 for a wrong question."""
    try:
        question = _question(options)
        from agent.app import open_model
        from agent.simulated.play import player

        play = player(options.through) if options.through else None
    except (UsageFault, BearingFault, ValueError) as error:
        return _refuse(error, USAGE, options)
    model, notes = open_model(None)
    for note in notes:
        print(f"latido judge: {phrase(note, options.lang or 'en')}", file=sys.stderr)
    return _judge_all(options, question, model, play, _show(options, print_object))


def _judge_all(
    options: "argparse.Namespace",
    question: "judge.Question",
    model: "Any",
    play: "Any",
    show: "Callable[[dict[str, Any]], None]",
) -> int:
    code = DONE
    plots = _plot_paths(options)
    try:
        baselines = [load(path, question) for path in options.baseline]
    except RecordingFault as fault:
        return _refuse(fault, FAILED, options)
    for path, plot in zip(options.file, plots):
        try:
            recording = load(path, question)
            same = same_content(recording, baselines)
            if same:
                raise UsageFault(
                    f"--baseline: {same} holds the same samples as {path}, which is judged"
                    " (expected other recordings)"
                )
            judgement = judge.judge(recording, baselines, question, model, play)
            show(judgement.answer)
            if plot:
                _draw(plot, judgement, question.machine)
        except UsageFault as fault:
            return _refuse(fault, USAGE, options)
        except RecordingFault as fault:
            code = _refuse(fault, FAILED, options)
    return code


def _refuse(fault: Exception, code: int, options: "argparse.Namespace") -> int:
    print(f"latido judge: {phrase(str(fault), options.lang or 'en')}", file=sys.stderr)
    return code


def _show(
    options: "argparse.Namespace", print_object: "Callable[[object], None]"
) -> "Callable[[dict[str, Any]], None]":
    """A table for a person at a terminal; one JSON object a line for everything else."""
    if options.json or not sys.stdout.isatty():
        return print_object
    language = options.lang or "en"
    columns = max(COLUMNS_MIN, shutil.get_terminal_size().columns)
    coloured = not os.environ.get("NO_COLOR")
    table = Table(options.file, columns, language, coloured)
    print(table.head())

    def show(answer: "dict[str, Any]") -> None:
        print(table.row(answer))
        for line in details(answer, language, columns):
            print(line)

    return show


def _question(options: "argparse.Namespace") -> "judge.Question":
    for path in options.file:
        same = same_file(path, options.baseline)
        if same:
            raise UsageFault(f"--baseline: {same} is also judged (expected other recordings)")
    if options.plot and Path(options.plot).suffix.lower() != ".svg":
        raise UsageFault(f"--plot: {options.plot!r} is not a picture we draw (expected a .svg)")
    tables = read_tables(severity_tables_text())
    machine = MachineFacts(
        options.kind,
        options.power_kw,
        options.support,
        options.rpm,
        bearing_for(options.bearing) if options.bearing else None,
        options.vanes,
        float(options.mains_hz),
        _axial(options.axial),
    )
    return judge.Question(
        options.rate_hz,
        options.unit,
        options.column,
        options.scale,
        machine,
        table_for(tables, options.power_kw, options.support, options.kind, options.pump_category),
    )


def _axial(text: "str | None") -> "int | None":
    if text is None:
        return None
    if text in AXES:
        return AXES.index(text)
    if text in ("0", "1", "2"):
        return int(text)
    raise UsageFault(f"--axial: {text!r} is not an axis (expected x, y, z or 0, 1, 2)")


def _plot_paths(options: "argparse.Namespace") -> "list[str | None]":
    """One picture a file: `out.svg`, or `out-NAME.svg` where there are several."""
    if not options.plot:
        return [None] * len(options.file)
    if len(options.file) == 1:
        return [options.plot]
    plot, taken = Path(options.plot), set()
    paths: "list[str | None]" = []
    for file in options.file:
        name, number = Path(file).stem, 1
        while name in taken:
            number += 1
            name = f"{Path(file).stem}-{number}"
        taken.add(name)
        paths.append(str(plot.with_name(f"{plot.stem}-{name}{plot.suffix}")))
    return paths


def _draw(path: str, judgement: "judge.Judgement", machine: "MachineFacts") -> None:
    try:
        Path(path).write_text(plot_svg(judgement, machine), encoding="utf-8")
    except OSError as error:
        raise RecordingFault(
            f"--plot: {path}: {error.strerror or error} (expected a place to write)"
        )
