"""`latido outbox status, export FILE, captures DIR`: what waits to be sent, and copies of it."""

import errno
import os
import sqlite3
import sys
from pathlib import Path

from agent.page.words import language_of, phrase, text
from agent.store.captures import all_of
from agent.store.copying import export
from agent.store.reading import account, open_to_read
from agent.words.exits import DONE, FAILED, USAGE
from agent.words.start import settings_of

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from typing import Any

    from agent.ports import LaneStats


def run(options: "argparse.Namespace", print_object: "Callable[[object], None]") -> int:
    """`options`: action, file, config, state_dir, lang, json."""
    state_dir = options.state_dir
    language = options.lang or language_of(os.environ)
    if state_dir is None:
        settings, code = settings_of(options.config, "outbox")
        if settings is None:
            return code
        state_dir = settings.state_dir
        language = options.lang or settings.language
    path = Path(state_dir) / "telemetry.db"
    try:
        return _work(options, path, language, print_object)
    except (sqlite3.Error, OSError) as error:
        print(f"latido outbox: {_fault(error, options, path, language)}", file=sys.stderr)
        return FAILED


def _fault(error: Exception, options: "argparse.Namespace", path: "Path", language: str) -> str:
    """What the store or the target is, in a sentence."""
    held = path.with_name("captures.db") if options.action == "captures" else path
    why = phrase(getattr(error, "strerror", None) or str(error), language)
    if isinstance(error, OSError) and options.action in ("export", "captures"):
        return _target_fault(error, options.file, why, language)
    return unread(held, language) or text("outbox.unreadable", language, file=held, why=why)


def _target_fault(error: OSError, file: str, why: str, language: str) -> str:
    """Why a copy cannot be written to `file`."""
    if isinstance(error, FileExistsError):
        return text("outbox.exists", language, file=file)
    if isinstance(error, BlockingIOError):
        return text("outbox.busy", language, file=file)
    if isinstance(error, FileNotFoundError):
        return text("outbox.no_folder", language, file=file, folder=Path(file).absolute().parent)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return text("outbox.target_full", language, file=file, why=why)
    return text("outbox.no_write", language, file=file, why=why)


def unread(path: "Path", language: str) -> str:
    """Why the file of a store is not to be had, in a sentence; "" when it is there."""
    try:
        os.close(os.open(path, os.O_RDONLY))
    except PermissionError as error:
        why = phrase(error.strerror, language)
        return text("outbox.no_right", language, file=path, why=why)
    except OSError:
        return text("outbox.missing", language, file=path)
    return ""


def _work(
    options: "argparse.Namespace",
    path: "Path",
    language: str,
    print_object: "Callable[[object], None]",
) -> int:
    if options.action in ("export", "captures") and options.file is None:
        print(f"latido outbox: {text('outbox.no_file', language)}", file=sys.stderr)
        return USAGE
    if options.action == "captures":
        return _captures(path.with_name("captures.db"), Path(options.file), language)
    db = open_to_read(path)
    try:
        if options.action == "export":
            export(db, Path(options.file))
            size = Path(options.file).stat().st_size
            print(text("outbox.exported", language, file=options.file, kb=size // 1024))
            return DONE
        facts = _facts(db, path)
    finally:
        db.close()
    if options.json:
        print_object(facts)
    else:
        print("\n".join(_lines(facts, language)))
    return DONE


def _captures(path: "Path", folder: "Path", language: str) -> int:
    """Each capture as a recording that `latido judge` reads, its spectrum and facts beside it."""
    db = open_to_read(path)
    count = 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for capture in all_of(db):
            stem = f"{capture.boot}-{capture.mono_ns // 1_000_000}-{count}"
            (folder / f"{stem}.npz").write_bytes(capture.recording)
            (folder / f"{stem}.spectrum.npz").write_bytes(capture.spectrum)
            (folder / f"{stem}.json").write_text(capture.facts, encoding="utf-8")
            count += 1
    finally:
        db.close()
    print(text("outbox.captures", language, count=count, folder=folder))
    return DONE


def _facts(db: "sqlite3.Connection", path: "Path") -> "dict[str, Any]":
    boot, lanes = account(db)
    wal = path.with_name(path.name + "-wal")
    return {
        "boot": boot,
        "file_bytes": path.stat().st_size,
        "wal_bytes": wal.stat().st_size if wal.exists() else 0,
        "lanes": {lane.lane: _counts(lane) for lane in lanes},
        "set_aside": sorted(one.name for one in path.parent.glob("*.damaged-*.db")),
        "newer": sorted(one.name for one in path.parent.glob("*.newer-*.db")),
    }


def _counts(lane: "LaneStats") -> "dict[str, Any]":
    """What a person asks for; the rest is for a receiver, and told by a running agent alone."""
    held = lane._asdict()
    return {name: held[name] for name in held if name not in ("seq", "before")}


def _lines(facts: "dict[str, Any]", language: str) -> "list[str]":
    keys = ("produced", "delivered", "evicted", "unsure", "refused", "backlog")
    head = "".join(f"{text(f'outbox.{key}', language):>14}" for key in keys)
    made = [f"{'':10}{head}"]
    for lane, counts in facts["lanes"].items():
        name = text(f"outbox.lane.{lane}", language)
        shown = {**counts, "evicted": counts["evicted"] - counts["unsure"]}
        made.append(f"{name:10}" + "".join(f"{shown[key]:>14}" for key in keys))
    unsure = sum(counts["unsure"] for counts in facts["lanes"].values())
    made += [text("outbox.at_most", language, rows=unsure)] if unsure else []
    size = round((facts["file_bytes"] + facts["wal_bytes"]) / 2**20, 1)
    made.append(text("outbox.size", language, mb=size, boot=facts["boot"]))
    made += [text("outbox.set_aside", language, file=name) for name in facts["set_aside"]]
    made += [text("outbox.newer", language, file=name) for name in facts["newer"]]
    return made
