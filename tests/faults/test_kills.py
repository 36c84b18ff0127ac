"""Workers are killed while jobs run."""

import random
from functools import partial
from pathlib import Path

import pytest
from audit import audited, has_finished
from matrix import fault, on_every_engine_by_turns
from process import Process, until
from report import Recorder
from service import running

pytestmark = [pytest.mark.slow, pytest.mark.long]

JOBS, KILLS = 1000, 20
RECOVERY_SECONDS = 300


def kill_group_or_child(process: Process) -> None:
    random.choice([process.stop, process.kill_child])()


@fault(
    "One of two workers, or one of its processes, is killed (`kill -9`) twenty times while "
    "1,000 jobs of two API processes run",
    promise="every job runs",
)
@on_every_engine_by_turns
def test_twenty_kills_of_two_workers(project: Path, tmp_path: Path, cell: Recorder) -> None:
    """Half of the jobs are blocking. Each kill comes at a random point of progress."""
    with running(project, tmp_path, webs=2, workers=2) as service:
        service.enqueue(JOBS // 2, 0.1, task="probe")
        service.enqueue(JOBS // 2, 0.1, task="blocking_probe", first=JOBS // 2)
        for finished in sorted(random.sample(range(JOBS // 20, JOBS * 9 // 10), KILLS)):
            until("progress", 300, partial(has_finished, service, finished))
            victim = random.choice(service.workers)
            if victim.is_running:
                kill_group_or_child(victim)
            # Without one of its processes, a worker may also end a little later.
            for worker in service.workers:
                if not worker.is_running:
                    worker.start()
        for url in service.urls:
            until("the API", 180, partial(service.answers, "/health/live", url))
        took = until("all jobs to succeed", RECOVERY_SECONDS, service.all_succeeded)
        audit = audited(service, JOBS)
    cell(audit, f"all jobs had succeeded {took:.1f} s after the last restart")
