"""Where the time of a request and of a job goes: what a goal that is not met is explained by."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.apps import BARE
from benchmarks.bench import Bench
from benchmarks.services import running


@dataclass(frozen=True)
class Profile:
    what: str
    database: str
    # By package, each with what it calls of Python's own.
    microseconds: dict[str, float]


def profiles(bench: Bench) -> Iterator[Profile]:
    # What is asked here is the same on every engine: nothing is sent.
    engine = bench.plan.engines[0]
    for database in bench.plan.databases:
        bench.say(f"profiles: {database}")
        with running(bench.project(engine, database)) as service:
            command = ("python", "-m", "app.probe.profile")
            found = json.loads(service.run(*command, str(BARE), service.lean_database()))
        for what, microseconds in found.items():
            yield Profile(what, database, microseconds)
