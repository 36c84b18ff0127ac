"""A rendered service as it runs in production, and the lean app beside it."""

import os
import re
import runpy
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from checks import UV
from ports import free_port
from postgres import ServiceOnPostgreSQL, execute
from process import Process, until
from service import Service
from template import ROOT

from benchmarks.load import TOKEN, call
from benchmarks.machine import MEASURED, OTHERS, on

HERE = Path(__file__).parent
MANY = runpy.run_path(str(ROOT / "tests" / "faults" / "probe" / "many.py"))["MANY"]
SETTINGS = {
    "ENVIRONMENT": "production",
    "TRUSTED_HOSTS": "127.0.0.1",
    "API_TOKEN": TOKEN,
    "OPS_TOKEN": TOKEN[::-1],
    # A million rows take longer to insert than a statement may take in production,
    # and pruning them would disturb what is measured.
    "DATABASE_STATEMENT_SECONDS": "600",
    "JOBS_RETENTION_DAYS": "365",
}
# What the database would otherwise do on its own in the next minutes.
TIDY = {
    "sqlite": ["PRAGMA wal_checkpoint(TRUNCATE)"],
    "postgresql": ["VACUUM (ANALYZE) jobs", "CHECKPOINT"],
}


class MeasuredService(Service):
    """With a core of its own, unless it has several web processes."""

    def __init__(self, project: Path, directory: Path, webs: int) -> None:
        self._cores = MEASURED if webs == 1 else MEASURED | OTHERS
        with on(OTHERS):
            super().__init__(project, directory, webs=webs, **SETTINGS)
        migrate = [UV, "run", "alembic", "upgrade", "head"]
        subprocess.run(
            migrate, cwd=project, env=self.environment, check=True, stderr=subprocess.DEVNULL
        )

    def start(self) -> None:
        if self.broker and not self.broker.is_running:
            with on(OTHERS):
                self.broker.start()
        with on(self._cores):
            super().start()

    @property
    def url(self) -> str:
        return self.urls[0]

    @property
    def bare_notes(self) -> Path:
        """Those of the reference beside it."""
        return self.directory / "bare-notes"

    @property
    def runs_jobs_in_web(self) -> bool:
        return self.workers is self.webs

    def execute(self, statement: str) -> None:
        file = self.environment["DATABASE_URL"].partition(":///")[2]
        with closing(sqlite3.connect(file, isolation_level=None, timeout=60)) as connection:
            connection.execute(statement)

    def fill(self, rows: int) -> None:
        """Inserts that many finished jobs."""
        database = self.project.name.rpartition("-")[2]
        for statement in (MANY[database].replace(":n", str(rows)), *TIDY[database]):
            self.execute(statement)

    def other_database(self) -> str:
        """On the same disk."""
        return f"sqlite:///{self.directory}/lean.db"


class MeasuredOnPostgreSQL(MeasuredService, ServiceOnPostgreSQL):
    """Not on the server of the project's tests, which does not sync to the disk."""

    def execute(self, statement: str) -> None:
        execute(self, statement)

    def other_database(self) -> str:
        """On the same server."""
        self.execute("CREATE DATABASE lean")
        return f"{self.environment['DATABASE_URL'].rpartition('/')[0]}/lean"


@contextmanager
def running(project: Path, *, webs: int = 1, has_workers: bool = True) -> Iterator[MeasuredService]:
    is_postgresql = project.name.endswith("postgresql")
    kind = MeasuredOnPostgreSQL if is_postgresql else MeasuredService
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        service = kind(project, Path(directory), webs)
        if not has_workers and not service.runs_jobs_in_web:
            service.workers = []
        try:
            service.start()
            yield service
        finally:
            service.stop()


@contextmanager
def lean_app(beside: MeasuredService) -> Iterator[str]:
    """Runs the lean app in the same environment, on a database of its own. Yields its URL."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    serve = f"uv run uvicorn --app-dir {HERE} bare.lean:app --port {port} --no-access-log"
    own = {"DATABASE_URL": beside.other_database(), "PROBE_NOTES": str(beside.bare_notes)}
    environment = beside.environment | own
    process = Process("lean", serve, beside.directory, environment)
    try:
        with on(MEASURED):
            process.start()
        until("lean app", 60, lambda: answers(url))
        yield url
    finally:
        process.stop()


def answers(url: str) -> bool:
    with suppress(OSError):
        return call(url, "GET", "/cpu") is not None
    return False


def concurrency(project: Path) -> int:
    """How many jobs a worker runs at a time by default."""
    example = (project / ".env.example").read_text(encoding="utf-8")
    [default] = re.findall(r"^# JOBS_CONCURRENCY=(\d*)$", example, re.M)
    return int(default or os.cpu_count() or 1)


def wait_for_jobs(url: str, which: str = "/open") -> float:
    """Waits until there are no such jobs. Returns how many seconds that took."""
    started = time.perf_counter()
    while call(url, "GET", which):
        # To ask more often would be work for the process that is measured.
        time.sleep(0.05)
    return time.perf_counter() - started
