"""What the ledger costs a worker. The reference is the bare engine with the same settings.

The task is `async`, and does nothing or sleeps for 50 ms. The worker is stopped (SIGSTOP) while the
jobs are sent, and then continues. The rate counts from the first start to the last end, as the
tasks note them. On `background` the web process runs the jobs of ten requests while it accepts
them. **To start** is the time from the enqueue to the first line of the task, for jobs that are
sent one by one, at most 20 a second.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

from benchmarks.bench import Bench
from benchmarks.comparison import Comparison, Goal, Sample, compared, percentiles
from benchmarks.senders import REQUESTS, BareSender, Sender, WebSender
from benchmarks.services import concurrency, lean_app, running

TITLE = "Jobs"
INTERVAL = 0.05
SECONDS = 0.05
# These run many jobs on one event loop, so that a job costs little more than its message.
ON_A_LOOP = Goal("No-op jobs against bare arq and taskiq", least=0.5)
NO_OP = Goal("No-op jobs against bare Celery, RQ and Dramatiq", least=0.8)
SLOW = {
    "sqlite": Goal("Jobs of 50 ms against the bare engine, on SQLite", least=0.85),
    "postgresql": Goal("Jobs of 50 ms against the bare engine, on PostgreSQL", least=0.95),
}
GOALS = (ON_A_LOOP, NO_OP, *SLOW.values())
# Nothing is queued by bare BackgroundTasks: Requests compares their work.
NO_OPS = {"background": None, "arq": ON_A_LOOP, "taskiq": ON_A_LOOP}


def measure(bench: Bench) -> Iterator[Comparison]:
    plan = bench.plan
    for engine, database in plan.places:
        bench.say(f"jobs: {engine}, {database}")
        project = bench.project(engine, database)
        # A worker that runs fewer at a time is sent fewer.
        slow = REQUESTS * max(2, concurrency(project))
        works = [
            ("no-op", min(plan.jobs, 5 * slow), 0, NO_OPS.get(engine, NO_OP)),
            ("50 ms", slow, SECONDS, SLOW[database]),
        ]
        with ExitStack() as stack:
            service = stack.enter_context(running(project))
            senders: list[Sender] = [WebSender.of(service)]
            against = f"bare {engine}"
            if service.runs_jobs_in_web:
                lean = stack.enter_context(lean_app(service))
                senders.append(WebSender(lean, service.bare_notes))
                against = "BackgroundTasks"
            else:
                bare = BareSender(engine, service)
                stack.enter_context(bare.running())
                senders.append(bare)
            for work, count, seconds, goal in works:
                case = [engine, database, work]
                subjects = [partial(rate, sender, count, seconds) for sender in senders]
                yield from compared(case, against, plan.few_rounds, *subjects, goal=goal)
            case = [engine, database, "to start"]
            subjects = [partial(starts, sender, plan.singles) for sender in senders]
            yield from compared(case, against, plan.few_rounds, *subjects)


def rate(sender: Sender, count: int, seconds: float) -> Sample:
    return {("", "jobs/s"): sender.run(count, seconds).rate}


def starts(sender: Sender, count: int) -> Sample:
    return percentiles(sender.run(count, 0, INTERVAL).milliseconds_to_start)
