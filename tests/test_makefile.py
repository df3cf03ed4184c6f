"""What the words of the Makefile say when something is missing: one clear sentence each."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def house(tmp_path: Path) -> Path:
    for name in ("Makefile", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def make(house: Path, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    held = {**os.environ, **environment}
    held.pop("MAKEFLAGS", None)
    command = ["make", "--no-print-directory", *words]
    return subprocess.run(command, cwd=house, env=held, capture_output=True, text=True, timeout=120)


def stub(house: Path, name: str, condition: str) -> str:
    """A python that fails when its arguments match `condition`, else is this one."""
    path = house / name
    path.write_text(
        f'#!/bin/sh\ncase "$*" in {condition}) exit 1;; esac\nexec {sys.executable} "$@"\n'
    )
    path.chmod(0o755)
    return str(path)


def test_a_missing_venv_module_is_one_sentence(house: Path) -> None:
    done = make(house, "demo", f"PYTHON={stub(house, 'python', '*import*venv*')}")
    assert done.returncode != 0
    assert (
        "python3-venv is missing. Install it with: sudo apt-get install python3-venv" in done.stdout
    )


def test_an_old_python_is_one_sentence(house: Path) -> None:
    done = make(house, "demo", f"PYTHON={stub(house, 'python', '*version_info*')}")
    assert done.returncode != 0 and "Latido needs Python 3.11 or newer" in done.stdout


def test_no_network_is_one_sentence(house: Path) -> None:
    away = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}
    done = make(house, "demo", f"PYTHON={sys.executable}", **away)
    assert done.returncode != 0
    assert "The packages could not be installed: is there a network?" in done.stdout


def test_help_lists_the_words(house: Path) -> None:
    done = make(house, "help")
    for word in ("demo", "test", "check", "bench"):
        assert f"make {word}" in done.stdout
