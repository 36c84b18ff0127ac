"""How long a client waits for its response while the task takes 2 s, and while the broker is
killed or frozen (SIGSTOP).

Requests are sent one after the other, at most 50 a second. Each enqueues one job, on SQLite. The
reference is the same service with a task of 0 s and its broker running. A ratio of about 1 means
that no client waits.
"""

import signal
import time
from collections.abc import Callable, Iterator
from functools import partial

from benchmarks.bench import Bench
from benchmarks.comparison import Comparison, Sample, compared, percentiles
from benchmarks.load import put_load, request
from benchmarks.services import MeasuredService, running, wait_for_jobs

TITLE = "The response does not wait"
AGAINST = "a task of 0 s, the broker running"
INTERVAL = 0.02


def measure(bench: Bench) -> Iterator[Comparison]:
    rounds, count = bench.plan.few_rounds, bench.plan.singles
    for engine in bench.plan.engines:
        bench.say(f"responses: {engine}")
        with running(bench.project(engine, bench.plan.databases[0])) as service:
            usual = partial(latencies, service.url, count, 0)
            conditions: dict[str, Callable[[], Sample]] = {}
            if service.broker:
                for name, number in (("killed", signal.SIGKILL), ("frozen", signal.SIGSTOP)):
                    without_broker = partial(latencies_without_broker, service, number, count)
                    conditions[f"broker {name}"] = without_broker
            # Last, because its jobs run on for a while.
            conditions["task of 2 s"] = partial(latencies, service.url, count, 2)
            for name, ours in conditions.items():
                yield from compared([engine, name], AGAINST, rounds, ours, usual, warm_up=False)


def latencies(url: str, count: int, seconds: float) -> Sample:
    found = []
    for _ in range(count):
        enqueue = request("POST", "/probes", {"count": 1, "seconds": seconds})
        found += put_load([url], [enqueue], 1).milliseconds
        time.sleep(INTERVAL)
    return percentiles(found)


def latencies_without_broker(service: MeasuredService, number: int, count: int) -> Sample:
    assert service.broker
    service.broker.send_signal(number)
    if number == signal.SIGKILL:
        service.broker.wait(10)
    found = latencies(service.url, count, 0)
    service.broker.send_signal(signal.SIGCONT)
    service.start()
    wait_for_jobs(service.url)
    return found
