"""What the ledger costs a worker, beside the bare engine with the same settings.

Each engine on one database, by turns. The worker is held (SIGSTOP) while jobs are sent, and then
let go: jobs per second count from the first start to the last end, as the tasks themselves note
them. On `background` nothing can be held: ten requests hand over a tenth each, which the web
process runs one after another. A worker is what the Procfile starts; the bare one has as many
processes and threads. **To start** is the time from the enqueueing to the first line of the task,
for jobs that are sent one by one, 20 a second.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

from benchmarks.bench import Bench
from benchmarks.comparison import Comparison, Goal, alternating, percentile
from benchmarks.notes import Notes
from benchmarks.senders import BareSender, Sender, ServiceSender
from benchmarks.services import MeasuredService, running

TITLE = "Jobs"
INTERVAL = 0.05
KINDS = ("asynchronous", "synchronous")
WORK = {"no-op": 0, "10 ms": 0.01, "50 ms": 0.05}
GOALS = {"no-op": Goal(least=0.5), "50 ms": Goal(least=0.95)}


def measure(bench: Bench) -> Iterator[Comparison]:
    for engine, database in bench.places_by_turns:
        bench.say(f"jobs: {engine}, {database}")
        place = [engine, database]
        with ExitStack() as stack:
            service = stack.enter_context(running(bench.project(engine, database)))
            senders: list[Sender] = [ServiceSender(service)]
            if BareSender.exists(engine):
                bare = BareSender(engine, service)
                stack.enter_context(bare.running())
                senders.append(bare)
            against = f"bare {engine}" if senders[1:] else "no bare reference"
            yield from compared(bench, senders, place, against, service.durability)
            yield ledger_cost(bench, service, place)


def compared(
    bench: Bench, senders: list[Sender], place: list[str], against: str, note: str
) -> Iterator[Comparison]:
    plan = bench.plan
    for work, seconds in WORK.items():
        # Of those that take long, fewer.
        count = plan.jobs // 2 if work == "50 ms" else plan.jobs
        for kind in KINDS:
            runs = [partial(sender.run, kind, count, seconds) for sender in senders]
            rates = [
                [notes.rate for notes in found] for found in alternating(plan.few_rounds, *runs)
            ]
            case = [*place, f"{work}, {kind}"]
            yield Comparison(case, "jobs/s", against, *rates, goal=GOALS.get(work), note=note)
    runs = [partial(sender.run, KINDS[0], plan.singles, 0, INTERVAL) for sender in senders]
    found = alternating(plan.few_rounds, *runs)
    for percent in (50, 99):
        times = [[start(notes, percent) for notes in each] for each in found]
        yield Comparison([*place, f"to start, p{percent}"], "ms", against, *times, note=note)


def start(notes: Notes, percent: int) -> float:
    return 1000 * percentile(notes.waits, percent)


def ledger_cost(bench: Bench, service: MeasuredService, place: list[str]) -> Comparison:
    """In a process of its own, without an engine."""
    said = service.run("python", "-m", "app.probe.ledger_cost", str(bench.plan.few_rounds))
    found = json.loads(said)
    case, against = [*place, "ledger, CPU per job"], "the same task, called"
    figures = (found["performed"], found["called"])
    return Comparison(case, "µs", against, *figures, note=service.durability)
