"""Who has jobs run, and knows when they were: the service, or the bare engine."""

import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from checks import UV
from ports import free_port
from process import Process

from benchmarks.apps import wait_for_work
from benchmarks.machine import MEASURED, OTHERS, on
from benchmarks.notes import Notes, read_notes, size_of
from benchmarks.services import MeasuredService

HERE = Path(__file__).parent
LANES = 10
PATIENCE_SECONDS = 60


class Sender:
    def __init__(self, notes: Path, worker: Process, *, can_be_held: bool) -> None:
        self.notes = notes
        self.worker = worker
        self._can_be_held = can_be_held

    def send(self, task: str, count: int, seconds: float, interval: float = 0) -> None:
        """Return when all have been sent; a worker that is held has started none by then."""
        raise NotImplementedError

    def wait(self) -> None:
        """Until nothing is left to do, be it invisible."""

    def run(self, task: str, count: int, seconds: float, interval: float = 0) -> Notes:
        """Have jobs run, one by one at the interval, or all as soon as all have been sent."""
        skip = size_of(self.notes)
        with self._held(is_wanted=not interval):
            self.send(task, count, seconds, interval)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len((notes := read_notes(self.notes, skip)).finished) < count:
            assert time.monotonic() < deadline, f"{len(notes.finished)} of {count} jobs ran"
            time.sleep(0.02)
        self.wait()
        return notes

    @contextmanager
    def _held(self, *, is_wanted: bool) -> Iterator[None]:
        if is_wanted and self._can_be_held:
            self.worker.send_signal(signal.SIGSTOP)
        yield
        self.worker.send_signal(signal.SIGCONT)


class ServiceSender(Sender):
    def __init__(self, service: MeasuredService) -> None:
        has_workers = service.workers is not service.webs
        super().__init__(service.notes, service.worker, can_be_held=has_workers)
        self._service = service

    def send(self, task: str, count: int, seconds: float, interval: float = 0) -> None:
        if interval:
            for _ in range(count):
                self._post(task, 1, seconds, is_waited_for=False)
                time.sleep(interval)
            return
        with ThreadPoolExecutor(LANES) as pool:
            lanes = [
                pool.submit(self._post, task, count // LANES, seconds, is_waited_for=True)
                for _ in range(LANES)
            ]
        for lane in lanes:
            lane.result()

    def _post(self, task: str, count: int, seconds: float, *, is_waited_for: bool) -> None:
        batch = {"task": task, "count": count, "seconds": seconds, "is_waited_for": is_waited_for}
        status, answer = self._service.call("POST", "/probes", batch)
        assert status == 202, answer

    def wait(self) -> None:
        wait_for_work(self._service.urls[0])


class BareSender(Sender):
    """A worker of the engine's own, in the environment of the service, and who sends to it."""

    def __init__(self, engine: str, beside: MeasuredService, **settings: str) -> None:
        notes = beside.directory / "bare-notes"
        port = str(free_port())
        own = {"PROBE_NOTES": str(notes), "PYTHONPATH": str(HERE), "PORT": port}
        # In the same Redis, but not in the service's database of it.
        own["REDIS_URL"] = beside.environment["REDIS_URL"].removesuffix("0") + "1"
        self._command = [UV, "run", "python", "-m", f"bare.{engine}"]
        self._environment = beside.environment | own | settings
        work = f"{' '.join(self._command)} work"
        worker = Process("bare-worker", work, beside.directory, self._environment)
        super().__init__(notes, worker, can_be_held=beside.workers is not beside.webs)

    @staticmethod
    def exists(engine: str) -> bool:
        return (HERE / "bare" / f"{engine}.py").exists()

    def send(self, task: str, count: int, seconds: float, interval: float = 0) -> None:
        assert self._sender.stdin
        assert self._sender.stdout
        print(task, count, seconds, interval, file=self._sender.stdin, flush=True)
        said = self._sender.stdout.readline()
        assert said == "sent\n", f"the bare engine did not send: {said}"

    @contextmanager
    def running(self) -> Iterator[None]:
        with on(MEASURED):
            self.worker.start()
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
            self.worker.stop()
