"""Whether a ledger of a million finished jobs is slower than one of a thousand."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from checks import UV
from matrix import ENGINES, EVERYWHERE, fault, on
from report import Recorder
from service import Service

pytestmark = pytest.mark.slow

FEW, MANY = 1_000, 1_000_000
# What the service does by itself; the lists are asked for by people, and end early.
BY_ITSELF = ("relay", "perform", "prune")
# They do not grow with the jobs that have succeeded.
SMALL_INDEXES = ("ix_jobs_open", "ix_jobs_status")

Query = dict[str, Any]


@pytest.fixture
def database(project: Path, tmp_path: Path) -> Iterator[dict[str, str]]:
    """What a process has to know to find one that is empty."""
    service = Service(project, tmp_path)
    try:
        yield service.environment | {"DATABASE_STATEMENT_SECONDS": "600"}
    finally:
        service.stop()


def scans(query: Query) -> list[str]:
    """The lines of its plan that read all jobs, one after the other."""
    return [
        line
        for line in query["plan"]
        if "Seq Scan on jobs" in line
        or (line.startswith("SCAN jobs") and not any(index in line for index in SMALL_INDEXES))
    ]


def measured(project: Path, environment: dict[str, str], count: int) -> list[Query]:
    command = [UV, "run", "python", "-m", "app.probe.ledger_size", str(count)]
    said = subprocess.run(
        command, cwd=project, env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    queries: list[Query] = json.loads(said.stdout)
    print(f"\n{count} finished jobs, {project.name}")
    for query in queries:
        print(f"{query['step']}: {1000 * query['seconds']:.1f} ms: {query['query'][:100]}")
        print("".join(f"    {line}\n" for line in query["plan"]), end="")
    return queries


def slowest(queries: list[Query], step: str) -> str:
    return f"{1000 * max(query['seconds'] for query in queries if query['step'] == step):.1f} ms"


@fault(
    f"The ledger holds {MANY:,} finished jobs",
    promise="no query that the service runs by itself reads them one after the other",
    elsewhere="the ledger is the same on every engine",
)
@on([answers for answers in EVERYWHERE if answers["engine"] == ENGINES[0]])
def test_ledger_size(project: Path, database: dict[str, str], cell: Recorder) -> None:
    few = measured(project, database, FEW)
    many = measured(project, database, MANY)
    own = [query for query in many if query["step"] in BY_ITSELF]
    assert {query["step"] for query in own} == set(BY_ITSELF)
    assert {query["query"]: scans(query) for query in own if scans(query)} == {}
    cell(
        *(
            f"{step}: {slowest(few, step)} beside {FEW:,}, {slowest(many, step)} beside {MANY:,}"
            for step in dict.fromkeys(query["step"] for query in many)
        )
    )
