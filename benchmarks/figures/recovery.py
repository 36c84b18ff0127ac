"""Seconds from the `kill -9` of a worker, which is started again at once, to the job running
again.

At the defaults of the service (a lease of 10 s), on its first database, and of the bare engine,
every setting of which is as the engine comes. A bare engine that does not begin the job again
while it is watched has no figure, and the table says for how long that was. Engines are killed
side by side: they mostly wait.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from process import until

from benchmarks.bench import Bench
from benchmarks.comparison import Comparison, Goal
from benchmarks.machine import MEASURED, on
from benchmarks.notes import read_notes
from benchmarks.senders import BareSender, Sender, ServiceSender
from benchmarks.services import running

TITLE = "Recovery"
GOAL = Goal(most=20, of="ours")
# Longer than anybody watches, and shorter than the task may take.
WORK_SECONDS = 290


def measure(bench: Bench) -> Iterator[Comparison]:
    for engine in bench.plan.engines:
        # Not in the threads: cookiecutter changes the working directory.
        bench.project(engine, bench.plan.databases[0])
    bench.say("recovery")
    with ThreadPoolExecutor() as pool:
        yield from pool.map(lambda engine: recovered(bench, engine), bench.plan.engines)


def recovered(bench: Bench, engine: str) -> Comparison:
    database, patience = bench.plan.databases[0], bench.plan.patience
    with running(bench.project(engine, database)) as service, ThreadPoolExecutor() as pool:
        ours = pool.submit(recoveries, ServiceSender(service), bench.plan.kills, patience)
        against, reference = "no bare reference", []
        if BareSender.exists(engine):
            bare = BareSender(engine, service, AT_DEFAULTS="1")
            with bare.running():
                reference = recoveries(bare, 1, patience)
            against = f"bare {engine}"
            if not reference:
                against += f": not within {patience:g} s"
        found = ours.result()
    assert found, f"{engine} did not recover within {patience} s"
    case, note = [engine, "kill -9 to running again"], service.durability
    return Comparison(case, "s", against, found, reference, goal=GOAL, note=note)


def recoveries(sender: Sender, times: int, patience: float) -> list[float]:
    """Of one job, which is killed again and again; as many as there are within the patience."""
    sender.send("asynchronous", 1, WORK_SECONDS, 0.01)
    until("a start", 60, lambda: starts(sender) == 1)
    found: list[float] = []
    for kill in range(1, times + 1):
        killed_at = time.time()
        with on(MEASURED):
            sender.worker.stop()
            sender.worker.start()
        try:
            until("another start", patience, lambda kill=kill: starts(sender) == kill + 1)
        except AssertionError:
            break
        found.append(read_notes(sender.notes).started[-1][1] - killed_at)
    return found


def starts(sender: Sender) -> int:
    return len(read_notes(sender.notes).started) if sender.notes.exists() else 0
