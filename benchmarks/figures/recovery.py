"""Seconds from `kill -9` of a worker, which is restarted at once, until its job runs again.

The service has its default settings (a lease of 10 s), on SQLite. Engines are measured side by
side, because they mostly wait.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from process import until

from benchmarks.bench import Bench
from benchmarks.comparison import NO_REFERENCE, Comparison, Goal
from benchmarks.load import call
from benchmarks.machine import MEASURED, on
from benchmarks.senders import read_notes
from benchmarks.services import MeasuredService, running

TITLE = "Recovery"
GOAL = Goal("From `kill -9` of a worker until its job runs again", most=12, unit="s")
GOALS = (GOAL,)
# Longer than all recoveries, and shorter than the task's timeout.
WORK_SECONDS = 290
PATIENCE_SECONDS = 60


def measure(bench: Bench) -> Iterator[Comparison]:
    for engine in bench.plan.engines:
        # Not in the threads: cookiecutter changes the working directory.
        bench.project(engine, bench.plan.databases[0])
    bench.say("recovery")
    with ThreadPoolExecutor() as pool:
        yield from pool.map(partial(recovered, bench), bench.plan.engines)


def recovered(bench: Bench, engine: str) -> Comparison:
    with running(bench.project(engine, bench.plan.databases[0])) as service:
        call(service.url, "POST", "/probes", {"count": 1, "seconds": WORK_SECONDS})
        wait_for_start(service, 1)
        found = [recovery(service, number) for number in range(2, 2 + bench.plan.kills)]
    case = [engine, "kill -9 to running again"]
    return Comparison(case, "s", NO_REFERENCE, found, goal=GOAL)


def recovery(service: MeasuredService, number: int) -> float:
    killed_at = time.time()
    with on(MEASURED):
        service.worker.stop()
        service.worker.start()
    return wait_for_start(service, number) - killed_at


def wait_for_start(service: MeasuredService, number: int) -> float:
    until("start", PATIENCE_SECONDS, lambda: len(read_notes(service.notes).started) == number)
    return read_notes(service.notes).started[-1][1]
