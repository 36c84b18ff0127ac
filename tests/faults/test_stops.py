"""Processes that are asked to stop while they are busy."""

import signal

import pytest
from audit import audited, counts, has_started
from matrix import fault, on_every_engine
from process import until
from report import Recorder
from service import Service

pytestmark = pytest.mark.slow


@fault(
    "The worker is asked to stop (SIGTERM) while jobs of 3 s run",
    promise="it finishes what runs, takes nothing new, and no job runs twice",
)
@on_every_engine
def test_worker_stopped(service: Service, cell: Recorder) -> None:
    service.enqueue(15, 3)
    service.enqueue(15, 3, task="blocking_probe", first=15)
    until("a start", 60, lambda: has_started(service, 1))
    took = service.worker.stop(signal.SIGTERM)
    started, finished = counts(service, "started"), counts(service, "finished")
    assert started == finished
    assert len(finished) < 30
    service.worker.start()
    until("success of all", 180, service.all_succeeded)
    audit = audited(service, 30)
    assert audit.begun_again == 0
    cell(audit, f"{len(finished)} of 30 finished before it ended, after {took:.1f} s")
