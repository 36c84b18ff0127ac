"""Figures 3 and 5 again, beside a ledger of many finished jobs, and with more than one process.

The ledger is the same on every engine, so the first one stands for all: its web process answers
requests and runs jobs. Services of each size are measured in turn, in rounds of a fraction of a
second; two of them are of the smallest size, and **again** is how the second of these compares
with the first: how far apart equals are here. **Processes**: web processes on PostgreSQL, whose
clients call them in turn; they share the cores of this machine with the database and the clients,
so the last step says more of the machine than of the service.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

from benchmarks.apps import wait_for_work
from benchmarks.bench import Bench
from benchmarks.comparison import Comparison, Goal, alternating
from benchmarks.load import put_load, registrations, request
from benchmarks.senders import ServiceSender
from benchmarks.services import MeasuredService, running

TITLE = "Growth"
FLAT = Goal(least=0.9)
KIND = "asynchronous"
# The control: as many rows as the reference has.
AGAIN = " again"


def measure(bench: Bench) -> Iterator[Comparison]:
    engine = bench.plan.engines[0]
    for database in bench.plan.databases:
        bench.say(f"growth: {database}")
        project = bench.project(engine, database)
        with ExitStack() as stack:
            services = []
            for rows in (min(bench.plan.ledgers), *bench.plan.ledgers):
                services.append(stack.enter_context(running(project)))
                services[-1].run("python", "-m", "app.probe.fill", str(rows))
            yield from beside_many(bench, services, database)
    yield from processes(bench, engine)


def beside_many(
    bench: Bench, services: list[MeasuredService], database: str
) -> Iterator[Comparison]:
    few, *more = bench.plan.ledgers
    cases = [(f"{few:,} rows{AGAIN}", None), *((f"{rows:,} rows", FLAT) for rows in more)]
    for what, unit, measured in (
        ("POST /users", "requests/s", registered),
        ("GET /jobs/{id}", "requests/s", looked_up),
        ("no-op jobs", "jobs/s", performed),
    ):
        subjects = [partial(measured, bench, service) for service in services]
        reference, *others = alternating(bench.plan.many_rounds, *subjects)
        for (size, goal), ours in zip(cases, others, strict=True):
            case, against = [database, what, size], f"{few:,} rows"
            note = services[0].durability
            yield Comparison(case, unit, against, ours, reference, goal=goal, note=note)


def registered(bench: Bench, service: MeasuredService, processes: int = 1) -> float:
    load = put_load(service.urls[:processes], registrations(bench.plan.requests // 3))
    wait_for_work(service.urls[0])
    return load.rate


def looked_up(bench: Bench, service: MeasuredService) -> float:
    [user] = put_load(service.urls, registrations(1)).bodies
    wait_for_work(service.urls[0])
    path = json.loads(user)["jobs"][0]["url"]
    return put_load(service.urls, [request("GET", path)] * bench.plan.requests).rate


def performed(bench: Bench, service: MeasuredService) -> float:
    return ServiceSender(service).run(KIND, bench.plan.jobs, 0).rate


def processes(bench: Bench, engine: str) -> Iterator[Comparison]:
    database, most = bench.plan.databases[-1], max(bench.plan.processes)
    bench.say(f"processes: {database}")
    with running(bench.project(engine, database), webs=most, is_pinned=False) as service:
        subjects = [partial(registered, bench, service, count) for count in bench.plan.processes]
        reference, *others = alternating(bench.plan.few_rounds, *subjects)
        for count, ours in zip(bench.plan.processes[1:], others, strict=True):
            case = [database, "POST /users", f"{count} web processes"]
            note = service.durability
            yield Comparison(case, "requests/s", "1 web process", ours, reference, note=note)
