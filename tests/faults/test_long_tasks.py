"""Tasks that take long must not hold up others."""

from datetime import datetime
from functools import partial
from pathlib import Path
from statistics import median

import pytest
from audit import audited, counts, has_finished, has_started
from matrix import fault, on_every_engine, on_every_engine_by_turns, on_sqlite
from process import until
from report import Recorder
from service import Service, running
from storm import Storm

pytestmark = pytest.mark.slow


@fault(
    "An `async def` task blocks the event loop of one of two workers for five leases",
    promise="it runs once, its process keeps its jobs, and the log names the task",
)
@on_every_engine_by_turns
def test_a_blocked_event_loop(project: Path, tmp_path: Path, cell: Recorder) -> None:
    # On background, another web process can take over what the blocked one seems to have lost.
    with running(project, tmp_path, webs=2, workers=2, JOBS_LEASE_SECONDS="3") as service:
        url = service.urls[0]
        [blocking] = service.enqueue(1, 15, task="blocks_its_loop", sender="request", url=url)
        until("a start", 180, partial(has_started, service, 1))
        took = until("its success", 180, partial(service.all_succeeded, service.urls[1]))
        audit = audited(service, 1)
        assert (audit.started_again, service.read(blocking)["attempts"]) == (0, 1)
        lines = [line for worker in service.workers for line in worker.log.read_text().splitlines()]
        [line] = [line for line in lines if "blocks the event loop" in line]
        assert "blocks_its_loop" in line
    cell(f"it began once, and had succeeded after {took:.0f} s")


@fault(
    "50 jobs that do not end fill a queue of their own while 20 jobs of the default queue arrive",
    promise="these wait for none of those",
)
@on_every_engine
def test_a_queue_of_slow_jobs(project: Path, tmp_path: Path, cell: Recorder) -> None:
    slow, quick, go_on = 50, 20, tmp_path / "go_on"
    with running(project, tmp_path, PROBE_QUEUES="1") as service:
        service.enqueue(slow, str(go_on), task="waits", sender="request")
        until("a start", 180, partial(has_started, service, 1))
        delays = []
        for number in range(slow, slow + quick):
            [job] = service.enqueue(1, 0, first=number, sender="request")
            until("its success", 180, partial(has_succeeded, service, job))
            delays.append(delay_of(service.read(job)))
        assert not {*counts(service, "finished")} & {*map(str, range(slow))}
        go_on.touch()
        until("all jobs to succeed", 300, service.all_succeeded)
        audit = audited(service, slow + quick)
    cell(
        audit,
        f"the {quick} started after {median(delays):.2f} s, the last after {max(delays):.2f} s",
    )


def has_succeeded(service: Service, job: str) -> bool:
    return service.read(job)["status"] == "succeeded"


def delay_of(job: dict[str, str]) -> float:
    created, started = (datetime.fromisoformat(job[name]) for name in ("created_at", "started_at"))
    return (started - created).total_seconds()


@fault(
    "A task reads by its unit of work, computes for 12 s, and writes, on SQLite",
    promise="other jobs and requests write meanwhile",
)
@on_sqlite
def test_a_long_transaction(service: Service, cell: Recorder) -> None:
    service.enqueue(1, 12, task="reads_computes_and_writes")
    until("a start", 180, partial(has_started, service, 1))
    with Storm(service) as storm:
        until("an end", 180, partial(has_finished, service, 1))
    storm.wait_until_over(180)
    audit = audited(service, 1 + len(storm.promised))
    assert storm.statuses.keys() == {201}
    assert audit.started_again == 0
    cell(audit, storm.responses())
