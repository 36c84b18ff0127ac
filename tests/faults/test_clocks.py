"""The clocks of processes differ, and jump."""

from pathlib import Path

import pytest
from audit import audited, has_started
from matrix import fault, on_postgresql_by_kind
from process import Process, until
from report import Recorder
from service import Service

pytestmark = [pytest.mark.slow, pytest.mark.long]

HOUR = 3600
DRIFTS = [0, 300, -300, 15, -15]
JOBS = 3
# More than a lease.
SECONDS = 12
# Less than the longest drift.
PATIENCE = 150


class ServiceWithClocks(Service):
    """The first web process has the clock of the machine, and that of the database."""

    def start(self) -> None:
        for process, seconds in zip({*self.webs, *self.workers}, DRIFTS * 2, strict=False):
            self.set_clock(process, seconds)
        self.set_clock(self.web, 0)
        super().start()

    def set_clock(self, process: Process, seconds: float) -> None:
        file = self.directory / f"{process.name}.clock"
        new = file.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(file)
        process.own_environment |= {
            "PROBE_CLOCK": str(file),
            "PYTHONPATH": str(Path(__file__).parent / "clock"),
        }


@fault(
    "The clocks of processes differ by 15 s and by 5 min; that of a web process jumps by an hour",
    promise="each job runs once, and none is delayed",
    elsewhere="not tried: the engine does not matter",
)
@on_postgresql_by_kind
def test_clocks_that_differ(project: Path, tmp_path: Path, cell: Recorder) -> None:
    has_workers = "worker:" in (project / "Procfile").read_text()
    service = ServiceWithClocks(project, tmp_path, webs=3 if has_workers else 5, workers=4)
    try:
        service.start()
        count = 0

        def enqueue(url: str, sender: str, delay: float = 0) -> None:
            nonlocal count
            service.enqueue(JOBS, SECONDS, first=count, url=url, sender=sender, delay=delay)
            count += JOBS

        for url in service.urls:
            enqueue(url, "request")
            enqueue(url, "relay", delay=5)
        took = until("all jobs to succeed", PATIENCE, service.all_succeeded)
        for seconds in (HOUR, -HOUR):
            service.set_clock(service.web, seconds)
            enqueue(service.urls[0], "request")
            enqueue(service.urls[0], "relay")
            until("their start", PATIENCE, lambda: has_started(service, count))
        until("all jobs to succeed", PATIENCE, service.all_succeeded)
        audit = audited(service, count)
        assert audit.started_again == 0
        jobs = service.jobs("succeeded", limit=100)["items"]
        assert all(job["created_at"] <= job["run_at"] <= job["started_at"] for job in jobs)
        cell(audit, f"all had succeeded after {took:.0f} s")
    finally:
        service.stop()
