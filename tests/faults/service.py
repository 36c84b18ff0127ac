"""A rendered service as it runs in production: the processes of its Procfile."""

import json
import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

from checks import UV, environment
from ports import free_port
from process import Process, until
from servers import find_redis_server

# Requests to this machine must not go through a proxy.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
NO_ANSWER = (OSError, HTTPException)

# Uses the code of the project's own tests. The database exists until our end of the pipe closes. If
# the processes have not been stopped by then, the test run was killed, and this ends them.
HOLD_DATABASE = """
import os, signal, sys
from pathlib import Path
from tests.support.database import running_server

directory = Path(sys.argv[1])
with running_server(directory) as server:
    print(server.create(), flush=True)
    sys.stdin.read()
    for mark in directory.glob("*.group"):
        try:
            os.killpg(int(mark.read_text()), signal.SIGKILL)
        except ProcessLookupError:
            pass
"""


class Service:
    """Any number of web processes and workers, a database, and a broker if they need one."""

    def __init__(
        self, project: Path, directory: Path, *, webs: int = 1, workers: int = 1, **settings: str
    ) -> None:
        self.project = project
        self.directory = directory
        self.notes = directory / "notes"
        self.death = directory / "death"
        self.redis_port = free_port()
        self.environment = environment(
            PWD=str(project),
            PROBE_NOTES=str(self.notes),
            PROBE_DEATH=str(self.death),
            PYTHONUNBUFFERED="1",
            UV_NO_SYNC="1",
            REDIS_URL=f"redis://127.0.0.1:{self.redis_port}/0",
            **settings,
        )
        lines = dict(re.findall(r"^(\w+): (.+)$", (project / "Procfile").read_text(), re.M))
        ports = [free_port() for _ in range(webs)]
        self.urls = [f"http://127.0.0.1:{port}" for port in ports]
        self.webs = [
            self._process(f"web{number}", lines["web"], PORT=str(port))
            for number, port in enumerate(ports)
        ]
        # The processes that run the jobs. Without workers, these are the web processes.
        self.workers = [
            self._process(f"worker{number}", lines["worker"])
            for number in range(workers if "worker" in lines else 0)
        ] or self.webs
        needs_redis = "redis:" in (project / "Procfile.dev").read_text()
        self.broker = self._redis() if needs_redis else None
        self.environment["DATABASE_URL"] = self._open_database()

    def _process(self, name: str, command: str, **own: str) -> Process:
        return Process(name, command, self.directory, self.environment, **own)

    def _redis(self) -> Process:
        """Configured as in compose.yaml, but with its own data: services run side by side."""
        self._redis_server = find_redis_server(self.project)
        self.redis_data = self.directory / "redis"
        self.redis_data.mkdir()
        place = f"--bind 127.0.0.1 --port {self.redis_port} --dir {self.redis_data}"
        return self._process("redis", f"{self._redis_server} {place} --appendonly yes --save ''")

    def _open_database(self) -> str:
        # Nothing listens there, so the tests of the project start a private server.
        nowhere = {"DATABASE_URL": f"postgresql://app@127.0.0.1:{free_port()}/app"}
        self._database = subprocess.Popen(
            [UV, "run", "python", "-c", HOLD_DATABASE, str(self.directory)],
            cwd=self.project,
            env=self.environment | nowhere,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._database.stdout
        return self._database.stdout.readline().decode().strip()

    @property
    def web(self) -> Process:
        return self.webs[0]

    @property
    def worker(self) -> Process:
        return self.workers[0]

    @property
    def processes(self) -> list[Process]:
        own_workers = [] if self.workers is self.webs else self.workers
        return [*([self.broker] if self.broker else []), *self.webs, *own_workers]

    def start(self) -> None:
        """Starts all processes that are not running."""
        for process in self.processes:
            if not process.is_running:
                process.start()
        for url in self.urls:
            until("readiness", 180, lambda url=url: self.answers("/health/ready", url))

    def stop(self) -> None:
        for process in self.processes:
            process.stop()
        self._database.communicate()

    # Requests of a client

    def call(
        self, method: str, path: str, body: object = None, url: str | None = None
    ) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request((url or self.urls[0]) + path, data, headers, method=method)
        try:
            with OPENER.open(request, timeout=30) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def register(self, name: str, url: str | None = None) -> tuple[int, Any]:
        user = {"email": f"{name}@example.com", "full_name": name}
        return self.call("POST", "/users", user, url)

    def answers(self, path: str, url: str | None = None) -> bool:
        with suppress(*NO_ANSWER):
            return self.call("GET", path, url=url)[0] == 200
        return False

    def jobs(self, status: str = "", limit: int = 1, url: str | None = None) -> dict[str, Any]:
        query = f"limit={limit}" + (f"&status={status}" if status else "")
        code, page = self.call("GET", f"/jobs?{query}", url=url)
        if code != 200:
            raise ConnectionError(code)
        return page

    def read(self, job: str, url: str | None = None) -> dict[str, Any]:
        status, answer = self.call("GET", f"/jobs/{job}", url=url)
        assert status == 200, answer
        return dict(answer)

    def count(self, status: str = "", url: str | None = None) -> int:
        return int(self.jobs(status, url=url)["total"])

    def all_succeeded(self, url: str | None = None) -> bool:
        with suppress(*NO_ANSWER):
            return self.count("succeeded", url) == self.count(url=url)
        return False

    def all_ended(self) -> bool:
        with suppress(*NO_ANSWER):
            return self.count("queued") == 0 == self.count("running")
        return False

    # Access for tests only

    def enqueue(
        self,
        count: int,
        *arguments: object,
        task: str = "probe",
        first: int = 0,
        delay: float = 0,
        sender: str = "relay",
        url: str | None = None,
    ) -> list[str]:
        """Enqueues jobs with consecutive numbers, and returns their ids."""
        numbers = [*range(first, first + count)]
        batch = {"task": task, "numbers": numbers, "arguments": arguments}
        batch |= {"delay": delay, "sender": sender}
        status, answer = self.call("POST", "/probes", batch, url)
        assert status == 202, answer
        return list(answer)

    def redis(self, *command: str) -> str:
        server = self._redis_server
        client = server.with_name(server.name.replace("-server", "-cli"))
        whole = [client, "-p", str(self.redis_port), *command]
        return subprocess.run(whole, capture_output=True, text=True, check=True).stdout.strip()

    def messages(self) -> int:
        """The number of messages on Redis, whatever their format."""
        total = 0
        for key in self.redis("KEYS", "*").splitlines():
            count = {"zset": "ZCARD", "list": "LLEN", "hash": "HLEN"}.get(self.redis("TYPE", key))
            # Celery keeps messages in "unacked" that a worker has fetched and not started.
            if count and key.endswith(("default", "unacked")):
                total += int(self.redis(count, key))
        return total


def timed_registration(service: Service, name: str) -> tuple[int, float]:
    started = time.perf_counter()
    status, _ = service.register(name)
    return status, time.perf_counter() - started


@contextmanager
def running(
    project: Path, directory: Path, *, webs: int = 1, workers: int = 1, **settings: str
) -> Iterator[Service]:
    service = Service(project, directory, webs=webs, workers=workers, **settings)
    try:
        service.start()
        yield service
    finally:
        service.stop()
