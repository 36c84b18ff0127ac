"""`POST /users` commits a user and its two jobs; `GET /users/{id}` reads one.

Eight clients, each of which sends its next request when the last one is answered, to one web
process. The lean app is one file (`benchmarks/bare/lean.py`): FastAPI, the same driver, pool and
durability, the same three rows in one transaction, and no ledger: nobody would run these jobs.
The workers of an engine do not run meanwhile: they have cores of their own where it matters, and
their cost is figure 5. On `background` there are none: there, the web process runs the jobs, and
**with their work** is the time until the last has ended, beside the lean app with bare
BackgroundTasks, which commits a user and then an audit entry.
"""

import json
from collections.abc import Callable, Iterator
from functools import partial

from benchmarks.apps import lean_app, wait_for_work
from benchmarks.bench import Bench
from benchmarks.comparison import Comparison, Goal, alternating, percentile
from benchmarks.load import Load, put_load, registrations, request
from benchmarks.services import MeasuredService, running

TITLE = "Requests"
GOAL = Goal(least=0.85)
LEAN = "the lean app, with the same rows"


def measure(bench: Bench) -> Iterator[Comparison]:
    for engine, database in bench.places:
        bench.say(f"requests: {engine}, {database}")
        project = bench.project(engine, database)
        with running(project, start_workers=False) as service, lean_app(service) as lean:
            yield from posts(bench, service, lean, [engine, database])
            yield from gets(bench, service, lean, [engine, database])
            if service.workers is service.webs:
                with lean_app(service, WITH_TASKS="1") as with_tasks:
                    yield whole(bench, service, with_tasks, [engine, database])


def posts(
    bench: Bench, service: MeasuredService, lean: str, place: list[str]
) -> Iterator[Comparison]:
    runs_jobs = service.workers is service.webs
    own = partial(registered, service.urls[0], bench.plan.requests, runs_jobs)
    other = partial(registered, lean, bench.plan.requests, False)
    yield from compared(bench, [*place, "POST /users"], [own, other], service.durability)


def gets(
    bench: Bench, service: MeasuredService, lean: str, place: list[str]
) -> Iterator[Comparison]:
    subjects = []
    for url in (service.urls[0], lean):
        [body] = put_load([url], registrations(1)).bodies
        read_user = request("GET", f"/users/{json.loads(body)['id']}")
        subjects.append(partial(put_load, [url], [read_user] * bench.plan.requests))
    yield from compared(bench, [*place, "GET /users/{id}"], subjects, service.durability)


def compared(
    bench: Bench, case: list[str], subjects: list[Callable[[], Load]], durability: str
) -> Iterator[Comparison]:
    ours, lean = alternating(bench.plan.rounds, *subjects)
    busy = max(load.busy for load in [*ours, *lean])
    note = f"{durability}; the clients computed for {busy:.0%} of the time at most"
    rates = [[load.rate for load in loads] for loads in (ours, lean)]
    yield Comparison(case, "requests/s", LEAN, *rates, goal=GOAL, note=note)
    for percent in (50, 99):
        times = [
            [1000 * percentile(load.latencies, percent) for load in loads] for loads in (ours, lean)
        ]
        yield Comparison([*case, f"p{percent}"], "ms", LEAN, *times, note=note)


def whole(bench: Bench, service: MeasuredService, lean: str, place: list[str]) -> Comparison:
    subjects = [
        partial(registered_and_done, url, bench.plan.requests // 4)
        for url in (service.urls[0], lean)
    ]
    ours, reference = alternating(bench.plan.rounds, *subjects)
    against = "the lean app with bare BackgroundTasks"
    case = [*place, "POST /users, with their work"]
    return Comparison(case, "users/s", against, ours, reference, note=service.durability)


def registered(url: str, count: int, runs_jobs: bool) -> Load:
    load = put_load([url], registrations(count))
    if runs_jobs:
        wait_for_work(url)
    return load


def registered_and_done(url: str, count: int) -> float:
    """Users per second, all their work included."""
    load = put_load([url], registrations(count))
    return count / (load.took + wait_for_work(url))
