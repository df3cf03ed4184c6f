"""Buffers of others, asked to keep the same rows: run by tests.bench.append in their environment.

    python others.py persistqueue|litequeue|thingsboard_gateway FOLDER ROWS BODY

Prints the seconds until all rows are in the database file. Each is used as its documentation says,
with its own defaults: none of them promises more for them.
"""

import importlib
import logging
import sqlite3
import sys
import threading
import time
from pathlib import Path
from typing import Any

WAIT_S = 120.0


def persistqueue(folder: str, rows: int, body: str) -> float:
    queue = importlib.import_module("persistqueue").SQLiteAckQueue(folder, auto_commit=True)
    began = time.perf_counter()
    for _ in range(rows):
        queue.put(body)
    return time.perf_counter() - began


def litequeue(folder: str, rows: int, body: str) -> float:
    queue = importlib.import_module("litequeue").LiteQueue(f"{folder}/queue.db")
    began = time.perf_counter()
    for _ in range(rows):
        queue.put(body)
    return time.perf_counter() - began


class Log(logging.Logger):
    """The gateway's storage writes to a level of its own."""

    def trace(self, *arguments: Any) -> None:
        """Says nothing."""


def thingsboard_gateway(folder: str, rows: int, body: str) -> float:
    name = "thingsboard_gateway.storage.sqlite.sqlite_event_storage"
    settings = {"data_file_path": f"{folder}/data/"}
    log = Log("others")
    stop = threading.Event()
    storage: Any = importlib.import_module(name).SQLiteEventStorage(settings, log, stop)
    began = time.perf_counter()
    for _ in range(rows):
        storage.put(body)
    while rows_in(Path(folder)) < rows and time.perf_counter() - began < WAIT_S:
        time.sleep(0.005)
    took = time.perf_counter() - began
    stop.set()
    storage.stop()
    return took


def rows_in(folder: Path) -> int:
    count = 0
    for path in folder.rglob("*.db"):
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            count += db.execute("SELECT COUNT(*) FROM messages").fetchone()[0]
        except sqlite3.Error:
            count += 0
        finally:
            db.close()
    return count


WAYS = {
    "persistqueue": persistqueue,
    "litequeue": litequeue,
    "thingsboard_gateway": thingsboard_gateway,
}

if __name__ == "__main__":
    which, place, count, text = sys.argv[1:]
    logging.disable(logging.CRITICAL)
    print(WAYS[which](place, int(count), text))
    sys.stdout.flush()
    import os

    os._exit(0)  # some leave threads behind
