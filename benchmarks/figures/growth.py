"""How the rates change with a large ledger, and with several web processes.

The ledger is the same on every engine, so one engine stands for all: `background`, whose web
process answers requests and runs jobs. A service with many finished jobs and a service with few are
measured in turn, in rounds of a fraction of a second. The **web processes** share the cores of this
machine with PostgreSQL and the clients, so the last row says more about the machine than about the
service.
"""

from collections.abc import Iterator
from functools import partial

from benchmarks.bench import Bench
from benchmarks.comparison import Comparison, Goal, Sample, compared
from benchmarks.load import call, new_user, put_load, registrations, request
from benchmarks.senders import WebSender
from benchmarks.services import MeasuredService, running, wait_for_jobs

TITLE = "Growth"
FLAT = Goal("Rates with a million finished jobs, against a thousand", least=0.9)
GOALS = (FLAT,)


def measure(bench: Bench) -> Iterator[Comparison]:
    plan = bench.plan
    for database in plan.databases:
        bench.say(f"growth: {database}")
        project = bench.project(plan.engines[0], database)
        with running(project) as small, running(project) as large:
            small.fill(plan.few_rows)
            large.fill(plan.many_rows)
            for what, measured in MEASURES.items():
                case = [database, what, f"{plan.many_rows:,} rows"]
                subjects = [partial(measured, bench, service) for service in (large, small)]
                against, rounds = f"{plan.few_rows:,} rows", plan.many_rounds
                yield from compared(case, against, rounds, *subjects, goal=FLAT)
    bench.say(f"web processes: {database}")
    with running(bench.project(plan.engines[0], database), webs=max(plan.webs)) as service:
        for webs in plan.webs:
            case = [database, "POST /users", f"{webs} web processes"]
            subjects = [partial(posted, bench, service, count) for count in (webs, 1)]
            yield from compared(case, "1 web process", plan.few_rounds, *subjects)


def posted(bench: Bench, service: MeasuredService, webs: int = 1) -> Sample:
    load = put_load(service.urls[:webs], registrations(bench.plan.requests // 3))
    wait_for_jobs(service.url)
    return {("", "requests/s"): load.rate}


def got(bench: Bench, service: MeasuredService) -> Sample:
    job = call(service.url, "POST", "/users", new_user())["jobs"][0]
    wait_for_jobs(service.url)
    load = put_load([service.url], [request("GET", job["url"])] * bench.plan.requests)
    return {("", "requests/s"): load.rate}


def performed(bench: Bench, service: MeasuredService) -> Sample:
    return {("", "jobs/s"): WebSender.of(service).run(bench.plan.jobs, 0).rate}


MEASURES = {"POST /users": posted, "GET /jobs/{id}": got, "no-op jobs": performed}
