"""Busy processes get SIGTERM, as from an orchestrator."""

import signal
import subprocess
from pathlib import Path

import pytest
from audit import audited, counts, has_started
from clients import Clients
from matrix import fault, on_every_engine, on_every_engine_by_turns
from process import until
from report import Recorder
from service import Service, running

pytestmark = pytest.mark.slow

# The grace period of compose.yaml.
GRACE_SECONDS = 30


@fault(
    "The worker gets SIGTERM while jobs of 3 s run",
    promise="it finishes the running jobs, takes no new ones, and no job runs twice",
)
@on_every_engine
def test_worker_stopped(service: Service, cell: Recorder) -> None:
    jobs = 24  # more than any worker takes at a time
    service.enqueue(jobs // 2, 3)
    service.enqueue(jobs // 2, 3, task="blocking_probe", first=jobs // 2)
    until("a start", 180, lambda: has_started(service, 1))
    took = service.worker.stop(signal.SIGTERM)
    started, finished = counts(service, "started"), counts(service, "finished")
    assert started == finished
    assert len(finished) < jobs
    service.worker.start()
    until("all jobs to succeed", 300, service.all_succeeded)
    audit = audited(service, jobs)
    assert audit.started_again == 0
    cell(audit, f"{len(finished)} of {jobs} had finished when it ended after {took:.1f} s")


@fault(
    "Two API processes and two workers get SIGTERM together, under load",
    promise="all end within 30 s, every job runs, and none runs twice",
)
@on_every_engine_by_turns
def test_everything_stopped_under_load(project: Path, tmp_path: Path, cell: Recorder) -> None:
    with running(project, tmp_path, webs=2, workers=2) as service:
        with Clients(service, 2) as clients:
            until("load", 300, lambda: clients.have_been_promised(40))
            service.enqueue(30, 2)
            service.enqueue(30, 2, task="blocking_probe", first=30)
            until("starts", 300, lambda: has_started(service, 10))
            # All get the signal before the test waits for one.
            to_stop = {*service.webs, *service.workers}
            for process in to_stop:
                process.send_signal(signal.SIGTERM)
            took = max(process.wait(GRACE_SECONDS) for process in to_stop)
        service.start()
        until("all jobs to succeed", 300, service.all_succeeded)
        audit = audited(service, service.count())
        assert service.count() >= 60 + len(clients.promised)
        assert audit.started_again == 0
        assert {service.read(job)["attempts"] for job in clients.promised} == {1}
    cell(audit, f"the last process had ended after {took:.1f} s")


@fault(
    "The worker gets SIGTERM during a job that takes longer than the grace period of 30 s",
    promise="the job runs again, from the beginning",
)
@on_every_engine
def test_worker_stopped_during_a_long_job(service: Service, cell: Recorder) -> None:
    service.enqueue(1, 90, task="long_at_first")
    until("a start", 180, lambda: has_started(service, 1))
    try:
        seconds = service.worker.stop(signal.SIGTERM, GRACE_SECONDS)
        how = f"gave the job back and ended after {seconds:.1f} s"
    except subprocess.TimeoutExpired:
        service.worker.stop()
        how = f"was still waiting for the job when it was killed after {GRACE_SECONDS} s"
    service.worker.start()
    took = until("all jobs to succeed", 300, service.all_succeeded)
    cell(
        audited(service, 1),
        f"the worker {how}",
        f"the job had succeeded {took:.1f} s after the restart",
        verdict="starts again",
    )
