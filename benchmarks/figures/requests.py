"""`POST /users` commits a user and its two jobs. `GET /users/{id}` reads a user.

Eight clients call one web process; each sends its next request when the last one is answered.
**CPU** is what the web process uses for a request, all its threads included. The references:

- **The lean app**, `benchmarks/bare/lean.py`: FastAPI with the same driver, pool and durability. It
  writes the same three rows in one transaction, and nobody runs the jobs. Nothing can cost less.
- **The same without jobs**: a route of the same service that commits a user only. The ratio is what
  two jobs cost the web process.
- **8 clients**, for the service with 64 of them. The rate counts until all jobs have been sent: a
  process that is late must not take a broker that answers for a broken one.

Workers do not run in the meantime; [Jobs](#jobs) says what they cost. On `background`, the web
process also runs the jobs. **With its jobs** is the rate of users there, including their jobs. Its
references run the same tasks as FastAPI's BackgroundTasks: **BackgroundTasks** stores no jobs and
loses them if the process ends; **recorded BackgroundTasks** stores them, and commits when each one
starts and ends.

Each engine runs on one database, in turn, and the first one on each database.
"""

import time
from collections.abc import Iterator
from functools import partial

from benchmarks.bench import Bench
from benchmarks.comparison import (
    NO_REFERENCE,
    Comparison,
    Goal,
    Sample,
    alternating,
    compared,
    percentiles,
    row,
    rows,
)
from benchmarks.load import CLIENTS, call, new_user, put_load, registrations, request
from benchmarks.plan import Plan
from benchmarks.services import MeasuredService, lean_app, running, wait_for_jobs

TITLE = "Requests"
LEAN = "the lean app"
POST = Goal("`POST /users` against the lean app", least=0.5)
GET = Goal("`GET /users/{id}` against the lean app", least=0.65)
JOBS = Goal("CPU of `POST /users` with two jobs, against the same without", most=1.5)
WORK = Goal("`POST /users` with its jobs on `background`, against BackgroundTasks", least=0.5)
CROWD = Goal("`POST /users` for 64 clients, against 8", least=0.95)
NO_WARNINGS = Goal("Warnings about a broker that runs, for 64 clients", most=0, unit="lines")
GOALS = (POST, GET, JOBS, WORK, CROWD, NO_WARNINGS)

RATE, CPU, DONE = ("", "requests/s"), ("CPU", "ms"), ("with its jobs", "users/s")
WITHOUT_JOBS = "/probes/users"
# How many jobs have not ended, or could not be sent.
OPEN, UNSENT = "/open", "/unsent"
# What the lean app serves, and how it is called on the page.
BACKGROUND = {"BackgroundTasks": "/users/background", "recorded BackgroundTasks": "/users/recorded"}
MANY_CLIENTS = 64
# Of a log line about jobs, such as one that could not be sent.
WARNING = '"level": "warning", "logger": "app.jobs.'
SETTLING_SECONDS = 0.05


def measure(bench: Bench) -> Iterator[Comparison]:
    plan = bench.plan
    for engine, database in plan.some_places:
        bench.say(f"requests: {engine}, {database}")
        project = bench.project(engine, database)
        with running(project, has_workers=False) as service, lean_app(service) as lean:
            place = [engine, database]
            yield from posts(plan, place, service, lean)
            urls = (service.url, lean)
            subjects = [partial(got, url, new_user_path(url), plan.requests) for url in urls]
            case = [*place, "GET /users/{id}"]
            yield from compared(case, LEAN, plan.rounds, *subjects, goal=GET)
            yield from crowd(plan, place, service)


def posts(
    plan: Plan, place: list[str], service: MeasuredService, lean: str
) -> Iterator[Comparison]:
    count, runs_jobs = plan.requests, service.runs_jobs_in_web
    until = OPEN if runs_jobs else ""
    own, plain, floor, *works = alternating(
        plan.rounds,
        partial(posted, service.url, count, until=until),
        partial(posted, service.url, count, WITHOUT_JOBS),
        partial(posted, lean, count),
        *(
            partial(posted, lean, count, path, until=OPEN)
            for path in (BACKGROUND.values() if runs_jobs else ())
        ),
    )
    post_goal, jobs_goal = (None, None) if runs_jobs else (POST, JOBS)
    yield from rows([*place, "POST /users"], LEAN, own, floor, goal=post_goal)
    case = [*place, "POST /users, CPU with two jobs"]
    yield row(case, "the same without jobs", CPU, own, plain, goal=jobs_goal)
    for against, work in zip(BACKGROUND, works, strict=False):
        case = [*place, "POST /users, with its jobs"]
        yield row(case, against, DONE, own, work, goal=WORK)


def crowd(plan: Plan, place: list[str], service: MeasuredService) -> Iterator[Comparison]:
    # A web process that runs the jobs takes longer.
    count, until = plan.crowd, UNSENT
    if service.runs_jobs_in_web:
        count, until = plan.crowd // 2, OPEN
    subjects = [
        partial(posted, service.url, count, clients=clients, until=until)
        for clients in (MANY_CLIENTS, CLIENTS)
    ]
    found = alternating(plan.few_rounds, *subjects)
    case = [*place, f"POST /users, {MANY_CLIENTS} clients"]
    yield row(case, f"{CLIENTS} clients", DONE, *found, goal=CROWD)
    if not service.runs_jobs_in_web:
        warnings = [float(service.web.logged(WARNING))]
        yield Comparison([*case, "warnings"], "lines", NO_REFERENCE, warnings, goal=NO_WARNINGS)


def posted(
    url: str, count: int, path: str = "/users", *, clients: int = CLIENTS, until: str = ""
) -> Sample:
    return measured(url, registrations(count, path), clients, until)


def got(url: str, path: str, count: int) -> Sample:
    return measured(url, [request("GET", path)] * count)


def measured(url: str, requests: list[bytes], clients: int = CLIENTS, until: str = "") -> Sample:
    """Until there are no jobs of that kind, if one is given."""
    if until:
        wait_for_jobs(url, until)
    count, before = len(requests), cpu(url)
    load = put_load([url], requests, clients)
    work = {DONE: count / (load.took + wait_for_jobs(url, until))} if until else {}
    sample = {RATE: load.rate, **percentiles(load.milliseconds)}
    return {**sample, CPU: 1000 * (cpu(url) - before) / count, **work}


def cpu(url: str) -> float:
    """Seconds that the process has used, once it has sent the jobs of its last requests."""
    used = call(url, "GET", "/cpu")
    while True:
        time.sleep(SETTLING_SECONDS)
        before, used = used, call(url, "GET", "/cpu")
        if used - before < SETTLING_SECONDS / 10:
            return used


def new_user_path(url: str) -> str:
    return f"/users/{call(url, 'POST', '/users', new_user())['id']}"
