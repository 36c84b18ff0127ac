"""A PgBouncer in transaction mode, which saves the most connections and promises the least."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from ports import free_port
from postgres import ServiceOnPostgreSQL
from process import until
from servers import leave_out

CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server_port} user=app

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {connections}
query_wait_timeout = 10
"""


def identity() -> dict[str, Any]:
    """PgBouncer refuses to run as root, so root runs it as another user."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@contextmanager
def pgbouncer(server_port: int, connections: int = 5) -> Iterator[int]:
    """Yields its port. All clients together get this number of connections to the server."""
    program = shutil.which("pgbouncer") or leave_out("pgbouncer")
    port = free_port()
    # Not in the directory of pytest, which the other user cannot enter.
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "pgbouncer.ini"
        file.write_text(
            CONFIGURATION.format(port=port, server_port=server_port, connections=connections)
        )
        Path(directory).chmod(0o755)
        with subprocess.Popen([program, file], **identity()) as process:
            try:
                until("PgBouncer", 60, lambda: listens(port))
                yield port
            finally:
                process.kill()


def listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


class ServiceBehindPgBouncer(ServiceOnPostgreSQL):
    def _open_database(self) -> str:
        super()._open_database()
        self._running = ExitStack()
        port = self._running.enter_context(pgbouncer(self.postgres.port))
        return f"postgresql://app@127.0.0.1:{port}/app?pgbouncer=true"

    def stop(self) -> None:
        super().stop()
        self._running.close()
