"""What is measured: a rendered service as it runs in production, and the lean app beside it."""

import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from checks import UV
from ports import free_port
from postgres import PostgreSQL, execute
from service import Service

from benchmarks.load import TOKEN
from benchmarks.machine import MEASURED, OTHERS, on

PRODUCTION = {
    "ENVIRONMENT": "production",
    "TRUSTED_HOSTS": "127.0.0.1",
    "API_TOKEN": TOKEN,
    "OPS_TOKEN": TOKEN[::-1],
}
DURABLE = {
    "sqlite": "SQLite: WAL, synchronous=FULL",
    "postgresql": "PostgreSQL: fsync=on, synchronous_commit=on",
}
REDIS = "Redis: appendonly yes, appendfsync everysec"
# A million rows are not filled in within the time that a statement has in production.
PATIENT = {"DATABASE_STATEMENT_SECONDS": "600"}


class MeasuredService(Service):
    """On a database that syncs to the disk, and with workers that can be held."""

    def __init__(
        self, project: Path, directory: Path, *, is_pinned: bool = True, **options: object
    ) -> None:
        self._closing = ExitStack()
        self._cores = MEASURED if is_pinned else MEASURED | OTHERS
        with on(OTHERS):
            super().__init__(project, directory, **options, **PRODUCTION, **PATIENT)
        self.run("alembic", "upgrade", "head")

    def _open_database(self) -> str:
        if not self.project.name.endswith("postgresql"):
            self._closing.callback(lambda: self._database.communicate())
            return super()._open_database()
        # That of the project's tests is quick, and forgets what it was told when it is killed.
        postgres = PostgreSQL(self.project, self.environment)
        self._closing.callback(postgres.remove)
        self._closing.callback(postgres.stop, signal.SIGINT)
        postgres.start()
        return postgres.url

    def start(self) -> None:
        self.start_broker()
        with on(self._cores):
            super().start()

    def start_broker(self) -> None:
        if self.broker and not self.broker.is_running:
            with on(OTHERS):
                self.broker.start()

    def stop(self) -> None:
        for process in self.processes:
            process.stop()
        self._closing.close()

    def run(self, *command: str) -> str:
        """In the project, with its environment; what it logs is of interest if it fails."""
        done = subprocess.run(
            [UV, "run", *command],
            cwd=self.project,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def durability(self) -> str:
        """What survives a loss of power; nothing of it is set for the measurement."""
        kind = self.environment["DATABASE_URL"].partition(":")[0].partition("+")[0]
        return "; ".join([DURABLE[kind], *([REDIS] if self.broker else [])])

    def lean_database(self) -> str:
        """Another one, on the same server or the same disk."""
        url, name = self.environment["DATABASE_URL"], f"lean{free_port()}"
        if url.startswith("sqlite"):
            return f"sqlite:///{self.directory}/{name}.db"
        execute(self, f"CREATE DATABASE {name}")
        return f"{url.rpartition('/')[0]}/{name}"


@contextmanager
def resting(project: Path, **options: object) -> Iterator[MeasuredService]:
    """Its database and its broker run, and nothing of its own."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        service = MeasuredService(project, Path(directory), **options)
        try:
            service.start_broker()
            yield service
        finally:
            service.stop()


@contextmanager
def running(
    project: Path, *, start_workers: bool = True, **options: object
) -> Iterator[MeasuredService]:
    with resting(project, **options) as service:
        if not start_workers and service.workers is not service.webs:
            service.workers = []
        service.start()
        yield service
