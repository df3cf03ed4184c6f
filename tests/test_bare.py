"""A program that the tests start has what a device has, and starts as fast."""

import subprocess
import sys


def test_a_program_that_the_tests_start_finds_no_pandas() -> None:
    asked = "import sys, sqlite_utils; print('pandas' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert told.stdout == "False\n"
