"""How long a client waits for its answer while the request's task takes 0.1 s or 2 s, and while
the broker is gone (killed) or frozen (SIGSTOP).

One request after the other, 50 a second at most, each of which enqueues one job, on SQLite unless
it says otherwise. The reference is the same service, in turn, with a task of 0 s and its broker
up: a ratio of 1 says that nobody waits.
"""

import itertools
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

from process import Process

from benchmarks.apps import wait_for_work
from benchmarks.bench import Bench
from benchmarks.comparison import Comparison, alternating, percentile
from benchmarks.load import put_load, request
from benchmarks.services import MeasuredService, running

TITLE = "The response does not wait"
INTERVAL = 0.02
AGAINST = "a task of 0 s, the broker up"

Condition = Callable[[], AbstractContextManager[None]]


def measure(bench: Bench) -> Iterator[Comparison]:
    database = bench.plan.databases[0]
    for engine in bench.plan.engines:
        bench.say(f"responses: {engine}")
        with running(bench.project(engine, database)) as service:
            for name, seconds, condition in conditions(service):
                subjects = [
                    partial(latencies, service, bench.plan.singles, 0, nullcontext),
                    partial(latencies, service, bench.plan.singles, seconds, condition),
                ]
                up, ours = alternating(bench.plan.few_rounds, *subjects, warm_up=False)
                for percent in (50, 99):
                    times = [[percentile(each, percent) for each in found] for found in (ours, up)]
                    case = [engine, f"{name}, p{percent}"]
                    yield Comparison(case, "ms", AGAINST, *times, note=service.durability)


def conditions(service: MeasuredService) -> Iterator[tuple[str, float, Condition]]:
    if service.broker:
        yield "the broker gone", 0, partial(gone, service, service.broker)
        yield "the broker frozen", 0, partial(frozen, service, service.broker)
    # Last: what is left of them is slow, but hinders nobody.
    yield "a task of 0.1 s", 0.1, nullcontext
    yield "a task of 2 s", 2, nullcontext


@contextmanager
def gone(service: MeasuredService, broker: Process) -> Iterator[None]:
    broker.stop()
    yield
    service.start()
    wait_for_work(service.urls[0])


@contextmanager
def frozen(service: MeasuredService, broker: Process) -> Iterator[None]:
    broker.send_signal(signal.SIGSTOP)
    yield
    broker.send_signal(signal.SIGCONT)
    wait_for_work(service.urls[0])


def latencies(
    service: MeasuredService, count: int, seconds: float, condition: Condition
) -> list[float]:
    found = []
    with condition():
        for kind in itertools.islice(itertools.cycle(("asynchronous", "synchronous")), count):
            batch = {"task": kind, "count": 1, "seconds": seconds, "is_waited_for": False}
            found += put_load(service.urls, [request("POST", "/probes", batch)], 1).latencies
            time.sleep(INTERVAL)
    return [1000 * each for each in found]
