"""A primary and its standby, which takes over."""

import signal
import subprocess
import sys
from pathlib import Path

from ports import free_port
from postgres import PostgreSQL, execute
from service import Service

# Ends the writing, and waits for the end of every transaction.
FREEZE = (
    "ALTER SYSTEM SET default_transaction_read_only = on",
    "SELECT pg_reload_conf()",
    """
    DO $$ BEGIN
        WHILE EXISTS (
            SELECT FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()
        ) LOOP
            PERFORM pg_sleep(0.05);
            PERFORM pg_stat_clear_snapshot();
        END LOOP;
    END $$
    """,
)
# Otherwise a standby may lack what a client was told is committed.
SYNCHRONOUS = (
    "ALTER SYSTEM SET synchronous_standby_names = '*'",
    "SELECT pg_reload_conf()",
)


class ReplicatedService(Service):
    """Its URL names an address that moves to the standby."""

    def _open_database(self) -> str:
        self.primary = PostgreSQL(self.project, self.environment)
        self.primary.start()
        self.standby = PostgreSQL(self.project, self.environment, self.primary)
        self.standby.start()
        for statement in SYNCHRONOUS:
            execute(self, statement, self.primary.url)
        port = free_port()
        self._target = self.directory / "target"
        self._target.write_text(str(self.primary.port))
        program = Path(__file__).with_name("address.py")
        self._address = subprocess.Popen([sys.executable, program, str(port), self._target])
        return f"postgresql://app@127.0.0.1:{port}/app"

    def name_both(self) -> None:
        """Before the start: the URL names the servers themselves."""
        hosts = f"127.0.0.1:{self.primary.port},127.0.0.1:{self.standby.port}"
        url = f"postgresql://app@{hosts}/app?target_session_attrs=read-write"
        self.environment["DATABASE_URL"] = url

    def freeze(self) -> None:
        for statement in FREEZE:
            execute(self, statement, self.primary.url)

    def crash(self) -> None:
        self.primary.stop(signal.SIGKILL)

    def promote(self) -> None:
        execute(self, "SELECT pg_promote()", self.standby.url)
        self._target.write_text(str(self.standby.port))

    def stop(self) -> None:
        for process in self.processes:
            process.stop()
        self.standby.remove()
        self.primary.remove()
        self._address.kill()
        self._address.wait()
