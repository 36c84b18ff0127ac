"""Tasks misbehave among tasks that work."""

import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from audit import audited, counts, has_started
from matrix import fault, on_every_engine, on_every_engine_by_turns
from process import Process, until
from report import Recorder
from service import Service, running

HEALTHY = 60
REASONS = {
    "raises": "ValueError: never satisfied",
    "panics": "Panic: in an extension",
    "interrupts_its_thread": "KeyboardInterrupt: ",
    "swallows_its_cancellation": "TimeoutError: timed out after 1 s",
    "hangs": "TimeoutError: timed out after 1 s",
    "hangs_in_its_thread": "TimeoutError: timed out after 1 s",
    "takes_all_memory": "MemoryError: ",
}


@pytest.fixture
def patient_service(project: Path, tmp_path: Path) -> Iterator[Service]:
    """With a long lease, so that a slow machine costs no attempt."""
    with running(project, tmp_path, JOBS_LEASE_SECONDS="60") as service:
        yield service


@fault(
    "Tasks raise (also a panic or KeyboardInterrupt), exceed their timeout (async, blocking, or "
    "ignoring their cancellation), or run out of memory, among 60 others",
    promise="each fails with a reason after its allowed attempts; the others succeed",
)
@on_every_engine
def test_poisonous_tasks(patient_service: Service, cell: Recorder) -> None:
    service, each = patient_service, 3
    for position, task in enumerate(REASONS):
        service.enqueue(each, task=task, first=1000 * (position + 1))
    service.enqueue(HEALTHY // 2, 0.05)
    service.enqueue(HEALTHY // 2, 0.05, task="blocking_probe", first=HEALTHY // 2)
    took = until("all jobs to end", 300, service.all_ended)
    audit = audited(service, each * len(REASONS) + HEALTHY)
    assert audit.succeeded == HEALTHY == counts(service, "finished").total()
    for job in service.jobs("failed", limit=100)["items"]:
        assert job["error"] == REASONS[job["task"]]
        assert job["attempts"] == job["max_tries"]
    assert service.worker.is_running
    cell(
        f"{audit.lost} of {audit.accepted} lost, {audit.succeeded} succeeded, "
        f"{audit.failed} failed after {', '.join(map(str, tries_of(service)))} attempts",
        f"all jobs had ended after {took:.1f} s",
    )


def tries_of(service: Service) -> list[int]:
    return sorted({job["attempts"] for job in service.jobs("failed", limit=100)["items"]})


@fault(
    "A blocking task hangs forever, 50 times: more often than a worker has threads for tasks",
    promise="each fails, and other blocking tasks still run",
)
@on_every_engine
@pytest.mark.slow
def test_threads_that_never_end(service: Service, cell: Recorder) -> None:
    hanging = 50
    service.enqueue(hanging, task="hangs_in_its_thread")
    until("these jobs to end", 240, service.all_ended)
    service.enqueue(HEALTHY, 0.05, task="blocking_probe", first=hanging)
    took = until("the other jobs to end", 300, service.all_ended)
    audit = audited(service, hanging + HEALTHY)
    assert (audit.failed, audit.succeeded) == (hanging, HEALTHY)
    assert service.worker.is_running
    stopped = service.worker.stop(signal.SIGTERM, 120)
    cell(
        f"{hanging} failed, and {HEALTHY} others succeeded in {took:.1f} s",
        f"after SIGTERM, the worker ended within {stopped:.1f} s",
    )


@fault(
    "Three tasks end their process (`os._exit`) at each attempt, among 60 others",
    promise="each fails after three attempts, because its worker was lost; the others succeed",
)
@on_every_engine
@pytest.mark.slow
def test_tasks_that_end_their_process(service: Service, cell: Recorder) -> None:
    service.enqueue(HEALTHY, 0.5)
    service.enqueue(3, task="ends_its_process", first=HEALTHY)
    restarts = 0

    def all_ended_with_help() -> bool:
        nonlocal restarts
        if not service.worker.is_running:
            service.worker.start()
            restarts += 1
        return service.all_ended()

    took = until("all jobs to end", 240, all_ended_with_help)
    audit = audited(service, HEALTHY + 3)
    failed = service.jobs("failed", limit=10)["items"]
    assert {job["error"] for job in failed} == {"the worker was lost"}
    assert [job["attempts"] for job in failed] == [3, 3, 3]
    assert audit.succeeded == HEALTHY
    cell(
        audit,
        f"the worker was restarted {restarts} times",
        f"all jobs had ended after {took:.1f} s",
    )


@fault(
    "One of two workers is frozen (SIGSTOP) for longer than its lease; then its task returns",
    promise="the other worker runs the job; the result of the frozen one is not recorded",
)
@on_every_engine_by_turns
@pytest.mark.slow
def test_lease_lost(project: Path, tmp_path: Path, cell: Recorder) -> None:
    go_on = tmp_path / "go_on"
    settings = {"JOBS_LEASE_SECONDS": "2"}
    with running(project, tmp_path, webs=2, workers=2, **settings) as service:
        frozen, other = service.workers
        url = service.urls[-1]
        other.send_signal(signal.SIGSTOP)
        [job] = service.enqueue(1, str(go_on), task="waits_at_first")
        until("a start", 180, partial(has_started, service, 1))
        other.send_signal(signal.SIGCONT)
        until("a frozen worker", 180, partial(is_frozen_between_writes, frozen, service, job, url))
        took = until("all jobs to succeed", 300, partial(service.all_succeeded, url))
        end = service.read(job, url)
        go_on.touch()
        frozen.send_signal(signal.SIGCONT)
        until("a lost lease", 180, partial(frozen.has_logged, "lost its lease"))
        assert service.read(job, url) == end
        assert end["attempts"] == 2
        audit = audited(service, 1, may_overlap=True)
    cell(f"{audit.lost} of 1 lost; the other worker had run it after {took:.1f} s")


def is_frozen_between_writes(process: Process, service: Service, job: str, url: str) -> bool:
    """A process that is frozen while it writes keeps its lock on the row, or on SQLite's file."""
    process.send_signal(signal.SIGSTOP)
    if service.call("POST", "/locks", [job], url)[0] == 200:
        return True
    process.send_signal(signal.SIGCONT)
    return False
