"""`POST /users` commits a user and its two jobs; `GET /users/{id}` reads one.

Eight clients, each of which sends its next request when the last one is answered, to one web
process. The lean app is one file (`benchmarks/bare/lean.py`): FastAPI, the same driver, pool and
durability, the same three rows in one transaction, and no ledger: nobody would run these jobs.
**With BackgroundTasks** it commits the user alone, and runs the two tasks after the response, for
as long as nobody kills it.

The workers of an engine do not run meanwhile: they have cores of their own where it matters, and
their cost is figure 5. On `background` there are none, and the web process runs its jobs between
the requests: **with their work** is the time until the last of them has ended.
"""

import json
from collections.abc import Iterator
from functools import partial

from benchmarks.apps import lean_app, wait_for_work
from benchmarks.bench import Bench
from benchmarks.comparison import Comparison, Goal, alternating, percentile
from benchmarks.load import Load, put_load, registrations, request
from benchmarks.services import MeasuredService, running

TITLE = "Requests"
GOAL = Goal(least=0.85)
LEAN = "the lean app, with the same rows"
WITH_TASKS = "the lean app, with bare BackgroundTasks"


def measure(bench: Bench) -> Iterator[Comparison]:
    for engine, database in bench.places:
        bench.say(f"requests: {engine}, {database}")
        project, place = bench.project(engine, database), [engine, database]
        with (
            running(project, start_workers=False) as service,
            lean_app(service) as lean,
            lean_app(service, WITH_TASKS="1") as with_tasks,
        ):
            yield from posts(bench, service, [lean, with_tasks], place)
            yield from gets(bench, service, lean, place)
            if service.workers is service.webs:
                yield whole(bench, service, with_tasks, place)


def posts(
    bench: Bench, service: MeasuredService, others: list[str], place: list[str]
) -> Iterator[Comparison]:
    runs_jobs = service.workers is service.webs
    count = bench.plan.requests
    subjects = [partial(registered, service.urls[0], count, waits=runs_jobs)]
    subjects += [partial(registered, url, count, waits=True) for url in others]
    ours, lean, with_tasks = alternating(bench.plan.rounds, *subjects)
    case, note = [*place, "POST /users"], service.durability
    yield from compared(case, ours, lean, note)
    rates = [[load.rate for load in loads] for loads in (ours, with_tasks)]
    yield Comparison([*case, "with BackgroundTasks"], "requests/s", WITH_TASKS, *rates, note=note)


def gets(
    bench: Bench, service: MeasuredService, lean: str, place: list[str]
) -> Iterator[Comparison]:
    subjects = []
    for url in (service.urls[0], lean):
        [body] = put_load([url], registrations(1)).bodies
        read_user = request("GET", f"/users/{json.loads(body)['id']}")
        subjects.append(partial(put_load, [url], [read_user] * bench.plan.requests))
    ours, others = alternating(bench.plan.rounds, *subjects)
    yield from compared([*place, "GET /users/{id}"], ours, others, service.durability)


def compared(
    case: list[str], ours: list[Load], lean: list[Load], durability: str
) -> Iterator[Comparison]:
    busy = max(load.busy for load in [*ours, *lean])
    note = f"{durability}; the clients computed for {busy:.0%} of the time at most"
    rates = [[load.rate for load in loads] for loads in (ours, lean)]
    yield Comparison(case, "requests/s", LEAN, *rates, goal=GOAL, note=note)
    for percent in (50, 99):
        times = [
            [1000 * percentile(load.latencies, percent) for load in loads] for loads in (ours, lean)
        ]
        yield Comparison([*case, f"p{percent}"], "ms", LEAN, *times, note=note)


def whole(bench: Bench, service: MeasuredService, with_tasks: str, place: list[str]) -> Comparison:
    count, urls = bench.plan.requests // 3, (service.urls[0], with_tasks)
    subjects = [partial(registered_and_done, url, count) for url in urls]
    rates = alternating(bench.plan.rounds, *subjects)
    case, note = [*place, "POST /users, with their work"], service.durability
    return Comparison(case, "users/s", WITH_TASKS, *rates, note=note)


def registered(url: str, count: int, *, waits: bool) -> Load:
    load = put_load([url], registrations(count))
    if waits:
        wait_for_work(url)
    return load


def registered_and_done(url: str, count: int) -> float:
    """Users per second, all their work included."""
    load = put_load([url], registrations(count))
    return count / (load.took + wait_for_work(url))
