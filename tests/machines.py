"""A machine's settings as a configuration gives them, for tests."""

import json
from pathlib import Path
from typing import Any

from agent.config import read_settings
from agent.words.demo import configuration


def machine_settings(**changes: Any) -> Any:
    """The demo's pump, of 7.5 kW at 1770 r/min, with some keys changed."""
    held = configuration(Path("state"), 8080, ("127.0.0.1", 1883), "es")
    held["machines"][0].update(changes)
    return read_settings(json.dumps(held)).machines[0]
