"""Programs that the tests start have what a device has: see tests/bare."""

import os
from pathlib import Path

BARE = str(Path(__file__).resolve().parent / "bare")
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (BARE, os.environ.get("PYTHONPATH"))))
