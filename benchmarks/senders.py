"""The service and the bare engine, as something that is sent jobs and notes when they run."""

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from checks import UV
from process import Process, until

from benchmarks.load import call, put_load, request
from benchmarks.machine import MEASURED, OTHERS, on
from benchmarks.services import HERE, MeasuredService, concurrency, wait_for_jobs

REQUESTS = 10
PATIENCE_SECONDS = 60
# What a bare engine needs in addition to the packages of the service.
PACKAGES = {"taskiq": ["taskiq-redis"]}


@dataclass(frozen=True)
class Notes:
    """(sent at, happened at) of each job, as the tasks noted it."""

    started: list[tuple[float, float]]
    finished: list[tuple[float, float]]

    @property
    def rate(self) -> float:
        """Jobs per second, from the first start to the last end."""
        begin = min(at for _, at in self.started)
        return len(self.finished) / (max(at for _, at in self.finished) - begin)

    @property
    def milliseconds_to_start(self) -> list[float]:
        return [1000 * (at - sent_at) for sent_at, at in self.started]


def read_notes(file: Path, skip: int = 0) -> Notes:
    """Those from the given byte on."""
    content = file.read_bytes()[skip:] if file.exists() else b""
    times = {"started": [], "finished": []}
    for event, sent_at, at in map(str.split, content.decode().splitlines()):
        times[event].append((float(sent_at), float(at)))
    return Notes(**times)


class Sender:
    def __init__(self, notes: Path, worker: Process | None) -> None:
        """A web process is no worker: it could not answer while it is held."""
        self._notes = notes
        self._worker = worker

    def send(self, count: int, seconds: float) -> None:
        """Returns when all jobs have been sent. A held worker has started none by then."""
        raise NotImplementedError

    def wait(self) -> None:
        """Waits until nothing is left to do."""

    def run(self, count: int, seconds: float, interval: float = 0) -> Notes:
        """Sends jobs one by one at the interval, or all at once, and waits until all ran."""
        skip = self._notes.stat().st_size if self._notes.exists() else 0
        if interval:
            for _ in range(count):
                self.send(1, seconds)
                time.sleep(interval)
        else:
            with self._worker_held():
                self.send(count, seconds)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len((notes := read_notes(self._notes, skip)).finished) < count:
            assert time.monotonic() < deadline, f"{len(notes.finished)} of {count} jobs ran"
            time.sleep(0.02)
        self.wait()
        return notes

    @contextmanager
    def _worker_held(self) -> Iterator[None]:
        if self._worker:
            self._worker.send_signal(signal.SIGSTOP)
        yield
        if self._worker:
            self._worker.send_signal(signal.SIGCONT)


class WebSender(Sender):
    """The service, or the lean app."""

    def __init__(self, url: str, notes: Path, worker: Process | None = None) -> None:
        super().__init__(notes, worker)
        self._url = url

    @classmethod
    def of(cls, service: MeasuredService) -> "WebSender":
        worker = None if service.runs_jobs_in_web else service.worker
        return cls(service.url, service.notes, worker)

    def send(self, count: int, seconds: float) -> None:
        requests = min(count, REQUESTS)
        batch = request("POST", "/probes", {"count": count // requests, "seconds": seconds})
        put_load([self._url], [batch] * requests, requests)
        until("sent jobs", PATIENCE_SECONDS, lambda: not call(self._url, "GET", "/sending"))

    def wait(self) -> None:
        wait_for_jobs(self._url)


class BareSender(Sender):
    """A plain worker of the engine, and a process that sends to it."""

    def __init__(self, engine: str, beside: MeasuredService) -> None:
        notes = beside.bare_notes
        own = {"PROBE_NOTES": str(notes), "PYTHONPATH": str(HERE)}
        own["CONCURRENCY"] = str(concurrency(beside.project))
        # On the same Redis, in another database.
        own["REDIS_URL"] = beside.environment["REDIS_URL"].removesuffix("0") + "1"
        packages = [part for name in PACKAGES.get(engine, ()) for part in ("--with", name)]
        self._command = [UV, "run", *packages, "python", "-m", f"bare.{engine}"]
        self._environment = beside.environment | own
        work = f"{' '.join(self._command)} work"
        self._work = Process("bare-worker", work, beside.directory, self._environment)
        super().__init__(notes, self._work)

    def send(self, count: int, seconds: float) -> None:
        assert self._sender.stdin
        assert self._sender.stdout
        print(count, seconds, file=self._sender.stdin, flush=True)
        said = self._sender.stdout.readline()
        assert said == "sent\n", f"the bare engine did not send: {said}"

    @contextmanager
    def running(self) -> Iterator[None]:
        with on(MEASURED):
            self._work.start()
        with on(OTHERS):
            self._sender = subprocess.Popen(
                [*self._command, "send"],
                cwd=self._environment["PWD"],
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        try:
            yield
        finally:
            self._sender.communicate()
            self._work.stop()
