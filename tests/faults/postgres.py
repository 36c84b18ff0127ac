"""A PostgreSQL of the service's own, to be stopped in each of its ways and started again."""

import os
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from checks import UV
from ports import free_port
from process import until
from service import Service

# The project's own tests know how to serve one; it lasts until our end of the pipe closes.
HOLD_SERVER = """
import sys; from pathlib import Path; from sqlalchemy import make_url
from tests.database import private_server
with private_server(Path(sys.argv[1]), make_url(sys.argv[2])) as server:
    print(server.pid, flush=True); sys.stdin.read()
"""
EXECUTE = """
import sys; from sqlalchemy import make_url; from tests.database import execute
execute(make_url(sys.argv[1]), sys.argv[2])
"""


def execute(service: Service, statement: str) -> None:
    """In the service's database, without the service."""
    url = service.environment["DATABASE_URL"]
    command = [UV, "run", "python", "-c", EXECUTE, url, statement]
    subprocess.run(command, cwd=service.project, env=service.environment, check=True)


class PostgreSQL:
    def __init__(self, project: Path, environment: dict[str, str]) -> None:
        # Not in the directory of pytest, which PostgreSQL's user may not enter.
        self._directory = tempfile.TemporaryDirectory()
        self._project = project
        self._environment = environment
        self.url = f"postgresql+asyncpg://app@127.0.0.1:{free_port()}/app"

    def start(self) -> None:
        until("PostgreSQL", 60, self._starts)

    def _starts(self) -> bool:
        # The next may have to wait until the last process of a killed one is gone.
        data = str(Path(self._directory.name) / "data")
        self._holder = subprocess.Popen(
            [UV, "run", "python", "-c", HOLD_SERVER, data, self.url],
            cwd=self._project,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._holder.stdout
        self._pid = self._holder.stdout.readline().strip()
        return bool(self._pid)

    def stop(self, number: int) -> None:
        """SIGINT is its fast shutdown, SIGQUIT the immediate one."""
        with suppress(ProcessLookupError):
            os.kill(int(self._pid), number)
        self._holder.communicate()

    def remove(self) -> None:
        self._directory.cleanup()


class ServiceOnPostgreSQL(Service):
    def _open_database(self) -> str:
        self.postgres = PostgreSQL(self.project, self.environment)
        self.postgres.start()
        return self.postgres.url

    def stop(self) -> None:
        for process in self.processes:
            process.stop()
        self.postgres.stop(signal.SIGINT)
        self.postgres.remove()
