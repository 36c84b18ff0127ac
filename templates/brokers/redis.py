"""A private Redis for the tests, and for development if no other one answers."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from fakeredis import TcpFakeServer
from redis import Redis, RedisError

from app.engine import BrokerSettings
from tests.support.ports import free_port

PROJECT = Path(__file__).parents[2]
THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}
PROGRAMS = ("redis-server", "valkey-server")
INSTALL = "Redis, for example with `apt-get install redis-server`"
PATIENCE_SECONDS = 30


class Broker:
    """A private server. It keeps its data when it is killed and started again."""

    # The command that installs a real server, where a fake one stands in for it.
    missing: str | None = None

    def __init__(self, program: str, directory: Path, port: int) -> None:
        self._program = program
        self._directory = directory
        self._port = port
        self.url = f"redis://127.0.0.1:{port}/0"
        self.environment = {"REDIS_URL": self.url, "BROKER_URL": self.url}

    @property
    def description(self) -> str:
        said = subprocess.run([self._program, "--version"], capture_output=True, text=True)
        version = next(word for word in said.stdout.split() if word.startswith("v="))
        return f"{Path(self._program).name} {version.removeprefix('v=')}"

    @property
    def command(self) -> list[str]:
        settings = {"bind": "127.0.0.1", "port": str(self._port), "dir": str(self._directory)}
        settings |= {"appendonly": "yes", "save": ""}
        return [self._program, *(word for key in settings for word in (f"--{key}", settings[key]))]

    def start(self) -> None:
        if answers(self.url):
            return
        with (self._directory / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(self.command, cwd=PROJECT, stdout=log, stderr=log)
        given_up_at = time.monotonic() + PATIENCE_SECONDS
        while not answers(self.url):
            if self._process.poll() is not None or time.monotonic() > given_up_at:
                raise RuntimeError(f"the broker does not start: see {log.name}")
            time.sleep(0.05)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def empty(self) -> None:
        with Redis.from_url(self.url) as client:
            client.flushall()

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)


class FakeBroker(Broker):
    """In pure Python. It loses its data when it is killed."""

    missing = INSTALL
    description = "fakeredis, in pure Python"

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "tests.support.broker", "--fake", str(self._port)]


class SharedBroker(Broker):
    """Somebody else's server: it must not be killed or emptied."""

    missing = INSTALL
    description = "the Redis of REDIS_URL, which the tests must not stop"

    def __init__(self, url: str) -> None:
        self.url = url
        self._queue = f"tests-{uuid.uuid4()}"
        self.environment = {"REDIS_URL": url, "BROKER_URL": url, "JOBS_QUEUE": self._queue}

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def empty(self) -> None:
        with Redis.from_url(self.url) as client:
            client.delete(*client.scan_iter(f"*{self._queue}*"))

    freeze = start
    thaw = stop


def find_program() -> str | None:
    """The server of this machine, or the one that a package brought."""
    wheels = str(Path(sys.executable).parent)
    own = [folder for folder in os.get_exec_path() if folder != wheels]
    places = [os.pathsep.join(own), wheels]
    found = (shutil.which(name, path=path) for path in places for name in PROGRAMS)
    return next(filter(None, found), None)


def find_broker(directory: Path, port: int) -> Broker:
    if program := find_program():
        return Broker(program, directory, port)
    if os.environ.get("REQUIRE_REAL_SERVERS") == "1":
        raise RuntimeError(f"REQUIRE_REAL_SERVERS=1, but there is no server. Install {INSTALL}")
    given = os.environ.get("REDIS_URL")
    if given and answers(given):
        return SharedBroker(given)
    return FakeBroker(sys.executable, directory, port)


def answers(url: str) -> bool:
    with suppress(RedisError), Redis.from_url(url, socket_timeout=1) as client:
        return bool(client.ping())
    return False


@contextmanager
def running_broker(directory: Path) -> Iterator[Broker]:
    broker = find_broker(directory, free_port())
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def serve_fake(port: int) -> None:
    server = TcpFakeServer(("127.0.0.1", port))
    server.daemon_threads = True
    server.serve_forever()


def serve_development() -> None:
    """Serve the Redis of the settings, unless it answers already."""
    url = urlsplit(str(BrokerSettings().redis_url))
    place = f"{url.hostname}:{url.port or 6379}"
    if answers(url.geturl()) or url.hostname not in THIS_MACHINE:
        print(f"Using the Redis at {place}", flush=True)
        threading.Event().wait()
    directory = PROJECT / ".dev" / "redis"
    directory.mkdir(parents=True, exist_ok=True)
    broker = find_broker(directory, url.port or 6379)
    print(f"Nothing answers at {place}: starting {broker.description} there", flush=True)
    os.execv(broker.command[0], broker.command)  # noqa: S606 - it replaces this process, and gets its signals


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        if sys.argv[1:2] == ["--fake"]:
            serve_fake(int(sys.argv[2]))
        else:
            serve_development()
