"""A private PostgreSQL that tests stop and restart."""

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

# Uses the code of the project's own tests. The server runs until our end of the pipe closes.
HOLD_SERVER = """
import sys; from pathlib import Path; from sqlalchemy import make_url
from tests.support.database import private_server
with private_server(Path(sys.argv[1]), make_url(sys.argv[2])) as server:
    print(server.pid, flush=True); sys.stdin.read()
"""
EXECUTE = """
import sys; from sqlalchemy import make_url; from tests.support.database import execute
execute(make_url(sys.argv[1]), sys.argv[2])
"""


def execute(service: Service, statement: str) -> None:
    """Executes it in the database of the service, without the service."""
    url = service.environment["DATABASE_URL"]
    command = [UV, "run", "python", "-c", EXECUTE, url, statement]
    subprocess.run(command, cwd=service.project, env=service.environment, check=True)


class PostgreSQL:
    def __init__(self, project: Path, environment: dict[str, str]) -> None:
        # Not in the directory of pytest, which the user of PostgreSQL cannot enter.
        self._directory = tempfile.TemporaryDirectory()
        self._project = project
        self._environment = environment
        self.port = free_port()
        self.url = f"postgresql://app@127.0.0.1:{self.port}/app"

    def start(self) -> None:
        until("PostgreSQL", 60, self._starts)

    def _starts(self) -> bool:
        # It may have to wait until the last process of a killed server has ended.
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
        """SIGINT is a fast shutdown, SIGQUIT an immediate one."""
        with suppress(ProcessLookupError):
            os.kill(int(self._pid), number)
        self._holder.communicate()

    def remove(self) -> None:
        self.stop(signal.SIGINT)
        self._directory.cleanup()


class ServiceOnPostgreSQL(Service):
    def _open_database(self) -> str:
        self.postgres = PostgreSQL(self.project, self.environment)
        self.postgres.start()
        return self.postgres.url

    def stop(self) -> None:
        for process in self.processes:
            process.stop()
        self.postgres.remove()
