"""A project keeps its promises behind a PgBouncer in transaction mode."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from checks import UV, environment, install
from pgbouncer import pgbouncer
from postgres import PostgreSQL
from template import render

# Everything that a test of the platform does to the database.
TESTS = ("contract", "outages", "sessions", "batching", "ledger", "relay", "perform", "metrics")

# What each process does first.
CHECK = "import asyncio; from app.database import check_database_url as c; asyncio.run(c())"
ADVICE = "DATABASE_URL: add pgbouncer=true to the URL, because this is a PgBouncer"
# PgBouncer keeps its connections to the server, and with them the defaults that the test changes.
NOT_ITS_OWN = "not turns_read_only"


@pytest.mark.long
@pytest.mark.parametrize(("engine", "tests"), [("background", TESTS), ("arq", ["contract"])])
def test_the_tests_of_a_project_pass_behind_pgbouncer(
    engine: str, tests: Sequence[str], sources: Path, shared: Path, tmp_path: Path
) -> None:
    project = render(sources, {"engine": engine, "database": "postgresql"}, tmp_path)
    install(project, shared / "environments")
    paths = ["tests/users", *(f"tests/platform/test_{name}.py" for name in tests)]
    server = PostgreSQL(project, environment())
    server.start()
    try:
        with pgbouncer(server.port) as port:
            url = f"postgresql://app@127.0.0.1:{port}/app?pgbouncer=true"
            assert start(project, url.partition("?")[0]) == ADVICE
            run = subprocess.run(
                [UV, "run", "pytest", "-m", "", "-k", NOT_ITS_OWN, *paths],
                cwd=project,
                env=environment(DATABASE_URL=url),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
    finally:
        server.remove()
    assert run.returncode == 0, run.stdout
    assert f"PostgreSQL at {url}" in run.stdout, "the tests used another server"


def start(project: Path, url: str) -> str:
    run = subprocess.run(
        [UV, "run", "python", "-c", CHECK],
        cwd=project,
        env=environment(DATABASE_URL=url),
        capture_output=True,
        text=True,
    )
    return run.stderr.strip()
