"""Where the recordings of real machines are, and the rule: never missing in CI."""

import os
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent.parent
RECORDINGS = Path(os.environ.get("LATIDO_DATA") or HERE.parent / "shared" / "data")
IN_CI = os.environ.get("CI") == "true"


def needed(there: bool, what: str) -> None:
    """Goes on when `there`; else fails in CI, and skips with the reason elsewhere."""
    if there:
        return
    if IN_CI:
        pytest.fail(f"{what} is missing, and in CI nothing is skipped")
    pytest.skip(f"{what} is missing")


def recording(name: str) -> str:
    """The path of one recording."""
    path = RECORDINGS / name
    needed(path.exists(), f"the recording {path}")
    return str(path)
