"""Seconds of CPU that a web process uses in a minute without requests and jobs: it looks for jobs
that are due.

The process has answered a request and its jobs have ended. Each engine runs on one database, in
turn; all of them are measured side by side.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from benchmarks.bench import Bench
from benchmarks.comparison import NO_REFERENCE, Comparison, Goal
from benchmarks.figures.requests import cpu, new_user_path
from benchmarks.services import running, wait_for_jobs

TITLE = "Idle"
GOAL = Goal("CPU of an idle web process in a minute", most=0.12, unit="s")
GOALS = (GOAL,)


def measure(bench: Bench) -> Iterator[Comparison]:
    places = bench.plan.some_places
    for place in places:
        # Not in the threads: cookiecutter changes the working directory.
        bench.project(*place)
    bench.say("idle")
    with ThreadPoolExecutor(len(places)) as pool:
        yield from pool.map(lambda place: idle(bench, *place), places)


def idle(bench: Bench, engine: str, database: str) -> Comparison:
    seconds = bench.plan.idle_seconds
    with running(bench.project(engine, database)) as service:
        new_user_path(service.url)
        wait_for_jobs(service.url)
        before = cpu(service.url)
        time.sleep(seconds)
        used = (cpu(service.url) - before) * 60 / seconds
    return Comparison([engine, database], "s", NO_REFERENCE, [used], goal=GOAL)
