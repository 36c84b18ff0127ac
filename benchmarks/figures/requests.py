"""`POST /users` commits a user and its two jobs. `GET /users/{id}` reads a user.

Eight clients call one web process; each sends its next request when the last one is answered. The
reference is the lean app, `benchmarks/bare/lean.py`: FastAPI with the same driver, pool and
durability. It writes the same three rows in one transaction, and nobody runs the jobs.

Workers do not run in the meantime; [Jobs](#jobs) says what they cost. On `background`, the web
process also runs the jobs. **With its jobs** is the rate of users there, including their jobs.
"""

from collections.abc import Iterator
from functools import partial
from itertools import product

from benchmarks.bench import Bench
from benchmarks.comparison import NO_REFERENCE, Comparison, Goal, Sample, compared, percentiles
from benchmarks.load import Load, call, new_user, put_load, registrations, request
from benchmarks.services import lean_app, running, wait_for_jobs

TITLE = "Requests"
GOAL = Goal(least=0.85)
LEAN = "the lean app"


def measure(bench: Bench) -> Iterator[Comparison]:
    rounds, count = bench.plan.rounds, bench.plan.requests
    for engine, database in product(bench.plan.engines, bench.plan.databases):
        bench.say(f"requests: {engine}, {database}")
        project = bench.project(engine, database)
        with running(project, has_workers=False) as service, lean_app(service) as lean:
            place, ours = [engine, database], service.url
            runs_jobs = service.runs_jobs_in_web
            subjects = [partial(posted, ours, count, runs_jobs), partial(posted, lean, count)]
            yield from compared([*place, "POST /users"], LEAN, rounds, *subjects, goal=GOAL)
            subjects = [partial(got, url, new_user_path(url), count) for url in (ours, lean)]
            yield from compared([*place, "GET /users/{id}"], LEAN, rounds, *subjects, goal=GOAL)
            if runs_jobs:
                case = [*place, "POST /users, with its jobs"]
                yield from compared(case, NO_REFERENCE, rounds, partial(worked, ours, count))


def posted(url: str, count: int, runs_jobs: bool = False) -> Sample:
    load = put_load([url], registrations(count))
    if runs_jobs:
        wait_for_jobs(url)
    return of_load(load)


def got(url: str, path: str, count: int) -> Sample:
    return of_load(put_load([url], [request("GET", path)] * count))


def of_load(load: Load) -> Sample:
    return {("", "requests/s"): load.rate, **percentiles(load.milliseconds)}


def worked(url: str, count: int) -> Sample:
    load = put_load([url], registrations(count))
    return {("", "users/s"): count / (load.took + wait_for_jobs(url))}


def new_user_path(url: str) -> str:
    return f"/users/{call(url, 'POST', '/users', new_user())['id']}"
