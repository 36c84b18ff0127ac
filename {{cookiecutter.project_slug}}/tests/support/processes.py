"""The processes of the service, as the Procfile starts them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from tests.support.ports import free_port

Found = TypeVar("Found")

PROJECT = Path(__file__).parents[2]
# Only a test that fails waits for so long.
PATIENCE_SECONDS = 60
MAX_RESTARTS = 3
# The other lines are for development.
IN_PRODUCTION = ("web", "worker")


def commands() -> dict[str, str]:
    """The lines of the Procfile, without `uv run`: the tests are in that environment already."""
    lines = (PROJECT / "Procfile").read_text().splitlines()
    return {
        name: command.strip().removeprefix("uv run ")
        for name, _, command in (line.partition(":") for line in lines)
        if name in IN_PRODUCTION
    }


class Process:
    """One line of the Procfile, in a process group of its own."""

    def __init__(self, command: str, environment: dict[str, str], log: Path) -> None:
        self._command = command
        self._environment = environment
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def twin(self) -> "Process":
        environment = {**self._environment, "PORT": str(free_port())}
        log = self._log.with_name(f"{environment['PORT']}-{self._log.name}")
        return Process(self._command, environment, log)

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S602 - a line of the Procfile is a shell's
                f"exec {self._command}",  # so that the shell's end is the command's
                shell=True,
                cwd=self._log.parent,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        self.wait()

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def wait(self) -> int | None:
        return self._process.wait(PATIENCE_SECONDS) if self._process else None

    def _signal(self, number: signal.Signals) -> None:
        if self._process:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)


class Service:
    """The web process and, where the engine has one, the worker."""

    def __init__(self, environment: dict[str, str], directory: Path) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        scripts = Path(sys.executable).parent
        everywhere = {
            "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(PROJECT),
            "PORT": self.url.rpartition(":")[2],
        }
        self._processes = {
            name: Process(command, os.environ | everywhere | environment, directory / f"{name}.log")
            for name, command in commands().items()
        }
        self.web = self._processes["web"]
        # What runs the jobs.
        self.worker = self._processes.get("worker", self.web)

    @property
    def log(self) -> str:
        return "".join(process.log for process in self._processes.values())

    def start(self) -> None:
        for process in self._processes.values():
            if not process.is_running:
                process.start()
        self.until(self._is_live)

    def terminate(self) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.wait()

    def kill(self) -> None:
        for process in self._processes.values():
            process.kill()

    @contextmanager
    def another(self) -> Iterator[None]:
        """Another process that runs jobs, on the same database and broker."""
        process = self.worker.twin()
        process.start()
        try:
            yield
        finally:
            process.kill()

    def until(self, condition: Callable[[], Found]) -> Found:
        """Wait for what must come, and not for longer than the processes live."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        restarts = 0
        asked = time.monotonic()
        while not (found := condition()):
            if self.worker is not self.web and not self.worker.is_running:
                # A worker may end when its broker does: a process manager starts it again.
                self.worker.start()
                restarts += 1
            if not self.web.is_running or restarts > MAX_RESTARTS or time.monotonic() > deadline:
                pytest.fail(f"it did not come to that; the end of the log:\n{self.log[-8000:]}")
            # Who is asked all the time does nothing else.
            time.sleep(0.05 + 2 * (time.monotonic() - asked))
            asked = time.monotonic()
        return found

    def _is_live(self) -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/health/live").is_success
        return False


@contextmanager
def running_service(environment: dict[str, str], directory: Path) -> Iterator[Service]:
    service = Service(environment, directory)
    try:
        service.start()
        yield service
        service.terminate()
    finally:
        service.kill()
