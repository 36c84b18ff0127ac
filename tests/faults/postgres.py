"""Private PostgreSQL servers that tests stop, restart and replace."""

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
HOLD_STANDBY = """
import subprocess, sys; from pathlib import Path; from sqlalchemy import make_url
from tests.support.database import identity, private_server, programs
primary = make_url(sys.argv[3]).render_as_string(hide_password=False)
backup = [programs() / "pg_basebackup", "--pgdata", sys.argv[1], "--dbname", primary]
subprocess.run([*backup, "--write-recovery-conf", "--checkpoint=fast"], check=True, **identity())
with private_server(Path(sys.argv[1]), make_url(sys.argv[2])) as server:
    print(server.pid, flush=True); sys.stdin.read()
"""
EXECUTE = """
import sys; from sqlalchemy import make_url; from tests.support.database import execute
execute(make_url(sys.argv[1]), sys.argv[2])
"""


def execute(service: Service, statement: str, url: str = "") -> None:
    """Executes it in the database of the service, without the service."""
    url = url or service.environment["DATABASE_URL"]
    command = [UV, "run", "python", "-c", EXECUTE, url, statement]
    subprocess.run(command, cwd=service.project, env=service.environment, check=True)


class PostgreSQL:
    """A server, or a standby that streams from a primary."""

    def __init__(
        self, project: Path, environment: dict[str, str], primary: "PostgreSQL | None" = None
    ) -> None:
        self._primary = primary
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
        script = [HOLD_SERVER, data, self.url]
        if self._primary:
            # The user of PostgreSQL may write only there.
            data = str(Path(self._primary._directory.name) / "standby")
            script = [HOLD_STANDBY, data, self.url, self._primary.url]
        self._holder = subprocess.Popen(
            [UV, "run", "python", "-c", *script],
            cwd=self._project,
            # Production does not start without it.
            env=self._environment | {"DATABASE_URL": self.url},
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
