"""Compares queries on a million finished jobs with queries on a thousand."""

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
# What the service does by itself. The lists are for people, and end early.
BY_ITSELF = ("relay", "perform", "prune")
# These do not grow with the number of succeeded jobs.
SMALL_INDEXES = ("ix_jobs_open", "ix_jobs_status")

Query = dict[str, Any]


@pytest.fixture
def database(project: Path, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a process, with an empty database."""
    service = Service(project, tmp_path)
    try:
        yield service.environment | {"DATABASE_STATEMENT_SECONDS": "600"}
    finally:
        service.stop()


def scans(query: Query) -> list[str]:
    """The lines of its plan that scan the whole table."""
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
    f"The jobs table holds {MANY:,} finished jobs",
    promise="no query that the service runs by itself scans the whole table",
    elsewhere="the jobs table is the same on every engine",
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
            f"{step}: {slowest(few, step)} with {FEW:,}, {slowest(many, step)} with {MANY:,}"
            for step in dict.fromkeys(query["step"] for query in many)
        )
    )
