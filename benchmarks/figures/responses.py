"""How long a client waits for its response if the task takes 2 s.

Requests are sent one after the other, at most 50 a second. Each enqueues one job, on SQLite. The
reference is the same service with a task of 0 s. A ratio of about 1 means that no client waits.
[GUARANTEES](GUARANTEES.md) says how long clients wait while the broker is down.
"""

import time
from collections.abc import Iterator
from functools import partial

from benchmarks.bench import Bench
from benchmarks.comparison import Comparison, Sample, compared, percentiles
from benchmarks.load import put_load, request
from benchmarks.services import running

TITLE = "The response does not wait"
GOALS = ()
INTERVAL = 0.02


def measure(bench: Bench) -> Iterator[Comparison]:
    rounds, count = bench.plan.few_rounds, bench.plan.singles
    for engine in bench.plan.engines:
        bench.say(f"responses: {engine}")
        with running(bench.project(engine, bench.plan.databases[0])) as service:
            subjects = [partial(latencies, service.url, count, seconds) for seconds in (2, 0)]
            case, against = [engine, "task of 2 s"], "a task of 0 s"
            yield from compared(case, against, rounds, *subjects, warm_up=False)


def latencies(url: str, count: int, seconds: float) -> Sample:
    found = []
    for _ in range(count):
        enqueue = request("POST", "/probes", {"count": 1, "seconds": seconds})
        found += put_load([url], [enqueue], 1).milliseconds
        time.sleep(INTERVAL)
    return percentiles(found)
