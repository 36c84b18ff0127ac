"""Tasks that compute for long must not hold up others."""

from functools import partial
from pathlib import Path

import pytest
from audit import audited, has_finished, has_started
from matrix import fault, on_every_engine_by_turns, on_sqlite
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
