"""What the ledger costs a worker. The reference is the bare engine with the same settings.

Each engine runs on one database, in turn. The task is `async`, and does nothing or sleeps for
50 ms. The worker is stopped (SIGSTOP) while the jobs are sent, and then continues. The rate counts
from the first start to the last end, as the tasks note them. On `background` the web process runs
the jobs of ten requests while it accepts them. **To start** is the time from the enqueue to the
first line of the task, for jobs that are sent one by one, at most 20 a second.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from itertools import cycle

from benchmarks.bench import Bench
from benchmarks.comparison import NO_REFERENCE, Comparison, Goal, Sample, compared, percentiles
from benchmarks.senders import BareSender, Sender, ServiceSender
from benchmarks.services import running

TITLE = "Jobs"
INTERVAL = 0.05
WORKS = (("no-op", 0, Goal(least=0.5)), ("50 ms", 0.05, Goal(least=0.95)))


def measure(bench: Bench) -> Iterator[Comparison]:
    rounds = bench.plan.few_rounds
    # Each engine on one database, and each database with some engine.
    for engine, database in zip(bench.plan.engines, cycle(bench.plan.databases), strict=False):
        bench.say(f"jobs: {engine}, {database}")
        with ExitStack() as stack:
            service = stack.enter_context(running(bench.project(engine, database)))
            senders: list[Sender] = [ServiceSender(service)]
            if BareSender.exists(engine):
                bare = BareSender(engine, service)
                stack.enter_context(bare.running())
                senders.append(bare)
            against = f"bare {engine}" if senders[1:] else NO_REFERENCE
            for work, seconds, goal in WORKS:
                subjects = [partial(rate, sender, bench.plan.jobs, seconds) for sender in senders]
                yield from compared([engine, database, work], against, rounds, *subjects, goal=goal)
            subjects = [partial(starts, sender, bench.plan.singles) for sender in senders]
            yield from compared([engine, database, "to start"], against, rounds, *subjects)


def rate(sender: Sender, count: int, seconds: float) -> Sample:
    return {("", "jobs/s"): sender.run(count, seconds).rate}


def starts(sender: Sender, count: int) -> Sample:
    return percentiles(sender.run(count, 0, INTERVAL).milliseconds_to_start)
