"""A PostgreSQL cluster of the test's own, on loopback, gone with its folder."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.running import free_port
from tests.shared import needed

USER = "postgres"


class Postgres:
    """`url` once started. Its server does not run as root: then it is Debian's user postgres."""

    def __init__(self, folder: Path) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        needed(bool(found), "PostgreSQL (apt-get install postgresql)")
        self._programs = found[-1].parent
        self._data = folder / "data"
        self.url = f"postgresql://{USER}@127.0.0.1:{free_port()}/{USER}"
        self._as_user = ["runuser", "-u", USER, "--"] if os.geteuid() == 0 else []
        self._folder = folder

    def start(self) -> None:
        if self._as_user:
            shutil.chown(self._folder, USER)
        self._run("initdb", "-A", "trust", "-U", USER, "-N", "-D", str(self._data))
        self.resume()

    def resume(self) -> None:
        """After a `stop`, with what was committed."""
        port = self.url.rsplit(":", 1)[1].split("/")[0]
        settings = f"-p {port} -h 127.0.0.1 -k {self._folder} -c fsync=off"
        log = str(self._folder / "log")
        self._run("pg_ctl", "-D", str(self._data), "-w", "-l", log, "-o", settings, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "stop")

    def _run(self, program: str, *words: str) -> None:
        command = [*self._as_user, str(self._programs / program), *words]
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr + done.stdout


@contextlib.contextmanager
def ledger_place(kind: str) -> Iterator[str]:
    """Where a ledger may keep its rows, of this kind: "sqlite" or "postgresql"."""
    with tempfile.TemporaryDirectory() as name:
        if kind == "sqlite":
            yield f"{name}/ledger.db"
            return
        cluster = Postgres(Path(name))
        cluster.start()
        try:
            yield cluster.url
        finally:
            cluster.stop()
