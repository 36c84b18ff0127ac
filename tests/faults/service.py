"""A rendered service as it runs in production: the lines of its Procfile, as real processes."""

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from checks import UV, environment

# No proxy stands between us and our own machine.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def until(what: str, seconds: float, condition: Callable[[], bool]) -> float:
    """Wait for what must come; return after how many seconds it came."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"no {what} within {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - started


class Process:
    """One line of the Procfile, in a process group of its own."""

    def __init__(self, name: str, command: str, service: "Service") -> None:
        self.log = service.directory / f"{name}.log"
        self._command = command
        self._service = service
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["sh", "-c", f"exec {self._command}"],
                cwd=self._service.project,
                env=self._service.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def send_signal(self, number: int) -> None:
        if self._process:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def stop(self, number: int = signal.SIGKILL) -> None:
        self.send_signal(number)
        if self._process:
            self._process.wait(60)


# The project's own tests know how to get a database; it lasts until our end of the pipe closes.
HOLD_DATABASE = """
import sys; from pathlib import Path; from tests.database import running_server
with running_server(Path(sys.argv[1])) as server:
    print(server.create(), flush=True); sys.stdin.read()
"""


class Service:
    def __init__(self, project: Path, directory: Path, **settings: str) -> None:
        self.project = project
        self.directory = directory
        self.notes = directory / "notes"
        self.redis_port = free_port()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.environment = environment(
            PORT=str(port),
            PROBE_NOTES=str(self.notes),
            PYTHONUNBUFFERED="1",
            REDIS_URL=f"redis://127.0.0.1:{self.redis_port}/0",
            **settings,
        )
        commands = dict(re.findall(r"^(\w+): (.+)$", (project / "Procfile").read_text(), re.M))
        commands.pop("database", None)
        self.processes = {name: Process(name, command, self) for name, command in commands.items()}
        self.web = self.processes["web"]
        # What runs the jobs, and what carries them.
        self.worker = self.processes.get("worker", self.web)
        self.broker = self.processes.get("redis")
        # Nothing answers there, so the database is a private one.
        nowhere = {"DATABASE_URL": f"postgresql://app@127.0.0.1:{free_port()}/app"}
        self._database = subprocess.Popen(
            [UV, "run", "python", "-c", HOLD_DATABASE, str(directory)],
            cwd=project,
            env=self.environment | nowhere,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._database.stdout
        self.environment["DATABASE_URL"] = self._database.stdout.readline().decode().strip()

    def start(self) -> None:
        for process in (self.broker, self.web, self.worker):
            if process and not process.is_running:
                process.start()
        until("readiness", 60, self.is_ready)

    def stop(self) -> None:
        for process in self.processes.values():
            process.stop()
        self._database.communicate()

    # What a client can do

    def call(self, method: str, path: str, body: dict[str, str] | None = None) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with OPENER.open(request, timeout=30) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def register(self, name: str) -> tuple[int, Any]:
        return self.call("POST", "/users", {"email": f"{name}@example.com", "full_name": name})

    def answers(self, path: str) -> bool:
        with suppress(OSError):
            return bool(self.call("GET", path)[0] == 200)
        return False

    def is_ready(self) -> bool:
        return self.answers("/health/ready")

    def count(self, status: str = "") -> int:
        return int(
            self.call("GET", f"/jobs?limit=1&status={status}" if status else "/jobs?limit=1")[1][
                "total"
            ]
        )

    def all_succeeded(self) -> bool:
        with suppress(OSError):
            return self.count("succeeded") == self.count()
        return False

    # What only this test can do

    def enqueue(self, count: int, seconds: float, task: str = "probe") -> None:
        command = [UV, "run", "python", "-m", "app.probe", str(count), str(seconds), task]
        subprocess.run(command, cwd=self.project, env=self.environment, check=True)

    def counts(self, event: str) -> Counter[str]:
        """How often each probe has started, or finished."""
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        return Counter(line.split()[1] for line in lines if line.split()[0] == event)

    def has_finished(self, number: int) -> bool:
        return self.counts("finished").total() >= number

    def redis(self, *command: str) -> str:
        client = ["redis-cli", "-p", str(self.redis_port), *command]
        return subprocess.run(
            client, capture_output=True, text=True, check=True, env=self.environment
        ).stdout.strip()

    def messages(self) -> int:
        """How many messages Redis holds, in whichever way the engine keeps them."""
        total = 0
        for key in self.redis("KEYS", "*").splitlines():
            count = {"zset": "ZCARD", "list": "LLEN", "hash": "HLEN"}.get(self.redis("TYPE", key))
            # Celery's Redis queue keeps elsewhere what a worker has fetched and not begun.
            if count and key in (self.project.name, "unacked"):
                total += int(self.redis(count, key))
        return total


def timed_registration(service: Service, name: str) -> tuple[int, float]:
    started = time.perf_counter()
    status, _ = service.register(name)
    return status, time.perf_counter() - started


@contextmanager
def running(project: Path, directory: Path, **settings: str) -> Iterator[Service]:
    service = Service(project, directory, **settings)
    try:
        service.start()
        yield service
    finally:
        service.stop()
