"""Workers that are killed while jobs run."""

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from audit import Audit, audited, has_finished
from matrix import fault, on_every_database, on_every_engine
from process import Process, until
from report import Recorder
from service import Service, running

pytestmark = pytest.mark.slow

RECOVERY_SECONDS = 300


def kill_repeatedly(
    service: Service, jobs: int, kills: int, seconds: float, kill: Callable[[Process], object]
) -> tuple[float, Audit]:
    """Half of the jobs are blocking; each kill comes at a point of progress drawn by lot."""
    service.enqueue(jobs // 2, seconds, task="probe")
    service.enqueue(jobs // 2, seconds, task="blocking_probe", first=jobs // 2)
    for finished in sorted(random.sample(range(jobs // 20, jobs * 9 // 10), kills)):
        until("progress", 300, partial(has_finished, service, finished))
        victim = random.choice(service.workers)
        kill(victim)
        if not victim.is_running:
            victim.start()
    for url in service.urls:
        until("the API", 180, partial(service.answers, "/health/live", url))
    took = until("success of all", RECOVERY_SECONDS, service.all_succeeded)
    return took, audited(service, jobs)


def kill_group_or_child(process: Process) -> None:
    random.choice([process.stop, process.kill_child])()


def after_the_last_kill(took: float) -> str:
    return f"all had succeeded {took:.1f} s after the last restart"


@fault(
    "The worker is killed (`kill -9`) three times in 200 jobs",
    promise="every job runs",
)
@on_every_engine
def test_three_kills_of_the_worker(service: Service, cell: Recorder) -> None:
    took, audit = kill_repeatedly(service, 200, 3, 0.05, Process.stop)
    cell(audit, after_the_last_kill(took))


@fault(
    "One of two workers, or one process of it, is killed (`kill -9`) twenty times in 1,000 jobs; "
    "two APIs send them",
    promise="every job runs",
)
@on_every_database
def test_twenty_kills_of_two_workers(project: Path, tmp_path: Path, cell: Recorder) -> None:
    with running(project, tmp_path, webs=2, workers=2) as service:
        took, audit = kill_repeatedly(service, 1000, 20, 0.2, kill_group_or_child)
    cell(audit, after_the_last_kill(took))
