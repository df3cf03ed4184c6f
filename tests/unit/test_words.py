"""What drivers and the system say of a sensor, in the reader's language."""

import ast
import json
import re
from pathlib import Path

import pytest

from agent.analysis.severity import read_tables
from agent.chips import known_chips
from agent.core.ladder import RUNG_WORDS
from agent.drain import reason_of
from agent.page.render import main_part
from agent.page.words import group_text, phrase, sensor_detail
from agent.resources import severity_tables_text
from drivers.device import SensorFault

ROOT = Path(__file__).resolve().parents[2]
SAME_IN_BOTH = re.compile(r"(0x)?X?")  # figures and names of registers need no translation
WIRES = ("read_wires", "write_wires")


def said_by_drivers() -> list[tuple[str, str]]:
    """(where, words) of every sentence a driver or the drain loop says, X for what varies."""
    found = []
    for path in [*sorted((ROOT / "drivers").glob("*.py")), ROOT / "agent" / "drain.py"]:
        for node in ast.walk(ast.parse(path.read_text())):
            where = f"{path.name}:{getattr(node, 'lineno', 0)}"
            found += [(where, words) for words in said_by(node)]
    for name, chip in known_chips().items():
        found += [(name, check.reason) for check in chip.driver.layout.checks]
    return found


def said_by(node: ast.AST) -> list[str]:
    """What a fault is raised with, or a driver's wires are called."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "SensorFault":
        return [words for argument in node.args[1:] for words in shown(argument)]
    if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in WIRES:
        return shown(node.value)
    return []


def shown(node: ast.expr) -> list[str]:
    """The text of a literal, X for each hole of an f-string; nothing for a variable."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        parts = (one.value if isinstance(one, ast.Constant) else "X" for one in node.values)
        return ["".join(str(part) for part in parts)]
    if isinstance(node, ast.BinOp):
        return ["X".join([*shown(node.left), ""])]
    return []


@pytest.mark.parametrize(("where", "words"), sorted(set(said_by_drivers())))
def test_what_a_driver_says_exists_in_spanish(where: str, words: str) -> None:
    if not SAME_IN_BOTH.fullmatch(words):
        assert phrase(words, "es") != words, f"{where}: no Spanish for {words!r}"
        assert phrase(words, "en") == words


@pytest.mark.parametrize("words", [words for words in RUNG_WORDS if words != "running"])
def test_what_is_done_about_a_failure_exists_in_spanish(words: str) -> None:
    assert phrase(words, "es") != words or phrase(f"{words} for 5 s", "es") != f"{words} for 5 s"


def test_a_wrong_id_names_the_wire_in_both_languages() -> None:
    fault = SensorFault("adxl345", "device id 0xe5", "0x00", "MISO, CS and the supply")
    reason = reason_of(fault)
    english, spanish = (sensor_detail(reason, language) for language in ("en", "es"))
    assert english == "adxl345: expected device id 0xe5, found 0x00; check MISO, CS and the supply"
    assert "se esperaba identificación 0xe5" in spanish and "la alimentación" in spanish


def test_an_error_of_the_system_is_told_by_what_to_do() -> None:
    known = reason_of(OSError(121, "Remote I/O error"))
    assert "alimentación" in sensor_detail(known, "es") and "supply" in sensor_detail(known, "en")
    unknown = reason_of(OSError(72, "Multihop attempted"))
    for language in ("en", "es"):
        assert "Multihop attempted" in sensor_detail(unknown, language)
        assert "(72)" in sensor_detail(unknown, language)


def test_a_sentence_of_an_earlier_version_is_shown_as_it_is() -> None:
    assert sensor_detail("true rate 880 Hz, expected 800 Hz", "es").startswith("true rate 880")


@pytest.mark.parametrize("name", ["drivers_es.json", "en.json", "es.json"])
def test_a_sentence_stands_once_in_its_catalogue(name: str) -> None:
    text = (ROOT / "agent" / "page" / name).read_text(encoding="utf-8")
    keys = [key for key, _ in json.loads(text, object_pairs_hook=list)]
    assert sorted(keys) == sorted(set(keys))


def test_the_group_of_every_severity_table_has_words_in_both_languages() -> None:
    for table in read_tables(severity_tables_text()):
        for group in (table.group, f"{table.edition} {table.group}"):
            spanish = group_text(group, "es")
            assert re.search("grupo [12]|categoría I|clase I", spanish), spanish
            assert not re.search("group|category|class|up to|above", spanish), spanish
        if table.group not in ("1", "2"):
            assert group_text(table.group, "en") == table.group


DEGRADED = [
    "rows wait in memory, a power cut would lose them ([Errno 5] x)",
    "rows wait in memory, a power cut would lose them ([Errno 5] x, 12 rows dropped)",
    "the store cannot be read (x)",
    "the disk is full: older history gives way",
    "the disk is full: a reader holds the log up, and it cannot be left (x)",
    "Bomba 1: an alarm's window was not kept: x",
    "rows: 12 dropped, oldest first",
    "Bomba 1: not kept yet (x)",
    "Bomba 1: x; learning again",
    "rules and statistics only: x",
    "telemetry.db was empty, what it held is lost",
    "acquire failed: ValueError('x')",
    "the lock file says 'x', expected the number of a boot; it is not used",
    "settings.db was damaged (x); kept as settings.damaged-1.db, its settings and"
    " baselines are lost",
    "captures.db was damaged (x); kept as captures.damaged-1.db, its captures are lost",
    "telemetry.db was damaged (x); kept as telemetry.damaged-1.db; 7 of its rows were found again;"
    " lost are 2 between them and what came after",
    "captures.db is of a newer version (schema 9, expected 1); kept as captures.newer-1.db, its"
    " captures are not used",
    "telemetry.db was damaged (table notes of another program); kept as telemetry.damaged-1.db",
    "settings.db was damaged (boot 9000000000 is not a count of boots); kept as x",
    "settings.db was damaged (missing: CREATE TABLE); kept as x",
    "settings.db was damaged (format versions 4242, expected 0202); kept as x",
    "/var/lib/latido: another agent keeps its data there",
]
ENGLISH = re.compile(
    r"\b(the|its|was|are|is|of|a power|would|dropped|failed|kept|gives|again|only|lost|yet"
    r"|expected|missing|keeps|version)\b"
)


@pytest.mark.parametrize("words", DEGRADED)
def test_what_works_with_limitations_is_told_in_the_readers_language(words: str) -> None:
    shown = main_part({"degraded": {"mode": words}}, "es", 0)
    assert ENGLISH.search(re.findall("<li>(.*?)</li>", shown)[0]) is None, shown
    assert words.replace("'", "&#x27;") in main_part({"degraded": {"mode": words}}, "en", 0)
