"""What the documents say is so: commands, files, links, examples, schemas."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from agent.chips import BUS_KINDS, known_chips
from agent.cli import main
from agent.config import MACHINE_KINDS, read_settings
from agent.words.demo import configuration

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
)


def schema(name: str) -> Any:
    return json.loads((ROOT / "agent" / "schemas" / f"{name}.json").read_text())


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_leads_to_a_file(path: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_file_that_is_named_is_there(path: Path) -> None:
    for name in re.findall(r"`([a-z_]+(?:/[a-z0-9_]+)+\.(?:py|md|json))`", path.read_text()):
        assert (ROOT / name).exists() or (ROOT / "agent" / name).exists(), name


def test_the_words_of_the_readme_are_words() -> None:
    text = (ROOT / "README.md").read_text()
    for word in re.findall(r"^make (\w+)", text, re.MULTILINE):
        subprocess.run(["make", "-n", word], cwd=ROOT, check=True, capture_output=True)
    for word in re.findall(r"^latido (\w+)", text, re.MULTILINE):
        with pytest.raises(SystemExit) as stop:
            main([word, "--help"])
        assert stop.value.code == 0


def test_the_configuration_of_the_readme_is_accepted() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert read_settings(example).machines[0].name == "Pump 1"
    jsonschema.validate(json.loads(example), schema("config"))


def test_the_schema_of_the_configuration_agrees_with_what_is_read(tmp_path: Path) -> None:
    held = configuration(tmp_path, 8080, ("127.0.0.1", 1883), "es")
    jsonschema.validate(held, schema("config"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**held, "colour": 1}, schema("config"))
    parts = schema("config")["properties"]
    assert parts["buses"]["items"]["properties"]["kind"]["enum"] == list(BUS_KINDS)
    assert parts["machines"]["items"]["properties"]["kind"]["enum"] == list(MACHINE_KINDS)


def test_every_board_is_data_and_a_page_of_wiring_is_a_chips_or_for_all() -> None:
    for path in sorted((ROOT / "hw" / "boards").glob("*.json")):
        board = json.loads(path.read_text())
        assert board["board"] and all(bus["kind"] in BUS_KINDS for bus in board["buses"])
    wired = {path.stem for path in (ROOT / "hw" / "wiring").glob("*.md")}
    assert "README" in wired, "a chip without a page is wired by this one"
    assert wired - {"README"} <= {chip.file for chip in known_chips().values()}


def test_the_code_map_names_every_folder_of_the_agent() -> None:
    text = (ROOT / "agent" / "ARCHITECTURE.md").read_text()
    for folder in sorted((ROOT / "agent").iterdir()):
        if folder.is_dir() and not folder.name.startswith("__"):
            assert f"{folder.name}/" in text, folder.name
