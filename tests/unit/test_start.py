"""What a process makes of its settings file."""

import json
from pathlib import Path

import pytest

from agent.limits import CONFIG_BYTES
from agent.words.demo import configuration
from agent.words.exits import DONE, USAGE
from agent.words.start import settings_of


@pytest.mark.parametrize(("more", "code"), [(0, DONE), (1, USAGE)])
def test_a_file_too_long_to_be_a_configuration_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: int, code: int
) -> None:
    path = tmp_path / "c.json"
    held = configuration(tmp_path, 8080, ("127.0.0.1", 1883), "es")
    path.write_text(json.dumps(held).ljust(CONFIG_BYTES + more))
    settings, found = settings_of(str(path), "run")
    assert found == code and (settings is None) == bool(more)
    said = capsys.readouterr().err
    assert (f"{path}: more than {CONFIG_BYTES} bytes" in said) == bool(more)


def test_a_device_that_never_ends_is_no_configuration() -> None:
    assert settings_of("/dev/zero", "run") == (None, USAGE)
