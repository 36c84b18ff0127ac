"""Where the time of a request and of a job goes: what a goal that is not met is explained by."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.apps import BARE
from benchmarks.bench import Bench
from benchmarks.services import resting


@dataclass(frozen=True)
class Profile:
    what: str
    # By package, each with what it calls of Python's own.
    microseconds: dict[str, float]


@dataclass(frozen=True)
class Wait:
    """For what a job of 50 ms waits, on the average."""

    what: str
    milliseconds: dict[str, float]


@dataclass(frozen=True)
class Touched:
    """What one request or job computes, reads and writes beside so many rows."""

    what: str
    rows: int
    figures: dict[str, float]


@dataclass(frozen=True)
class Explanation:
    # By database.
    of_parts: dict[str, list[Profile]]
    of_whole_requests: list[Profile]
    of_waiting: list[Wait]
    of_size: list[Touched]


def explanation(bench: Bench) -> Explanation:
    parts = {database: profiles(bench, database) for database in bench.plan.databases}
    return Explanation(parts, [*followed(bench)], [*waits(bench)], [*touched(bench)])


def profiles(bench: Bench, database: str) -> list[Profile]:
    bench.say(f"profiles: {database}")
    # What is asked here is the same on every engine: nothing is sent.
    with resting(bench.project(bench.plan.engines[0], database)) as service:
        command = ("python", "-m", "app.probe.profile")
        found = json.loads(service.run(*command, str(BARE), service.lean_database()))
    return [Profile(what, microseconds) for what, microseconds in found.items()]


def followed(bench: Bench) -> Iterator[Profile]:
    """On each engine, the first database is enough."""
    database = bench.plan.databases[0]
    for engine in bench.plan.engines:
        bench.say(f"whole requests: {engine}")
        with resting(bench.project(engine, database)) as service:
            found = json.loads(service.run("python", "-m", "app.probe.followed"))
        yield Profile(engine, found)


def waits(bench: Bench) -> Iterator[Wait]:
    for database in bench.plan.databases:
        bench.say(f"waiting: {database}")
        with resting(bench.project(bench.plan.engines[0], database)) as service:
            found = json.loads(service.run("python", "-m", "app.probe.waits"))
        for how_many, milliseconds in found.items():
            yield Wait(f"{database}, {how_many} at a time", milliseconds)


def touched(bench: Bench) -> Iterator[Touched]:
    if not Path("/proc/self/io").exists():
        return  # Linux alone tells what a process reads and writes.
    for database in bench.plan.databases:
        bench.say(f"beside many rows: {database}")
        project = bench.project(bench.plan.engines[0], database)
        with ExitStack() as stack:
            services = [stack.enter_context(resting(project)) for _ in bench.plan.ledgers]
            for service, rows in zip(services, bench.plan.ledgers, strict=True):
                service.run("python", "-m", "app.probe.fill", str(rows))
            urls = (service.environment["DATABASE_URL"] for service in services)
            found = json.loads(services[0].run("python", "-m", "app.probe.touched", *urls))
        for rows, figures in zip(bench.plan.ledgers, found, strict=True):
            for what, each in figures.items():
                yield Touched(f"{database}, {what}", rows, each)
