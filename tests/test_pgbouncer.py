"""A project keeps its promises behind a PgBouncer in transaction mode."""

import subprocess
from pathlib import Path

import pytest
from checks import UV, environment
from pgbouncer import pgbouncer
from postgres import PostgreSQL
from template import render

# Everything that a test of the platform does to the database.
TESTS = ("contract", "outages", "sessions", "batching", "ledger", "relay", "perform", "metrics")


@pytest.mark.long
@pytest.mark.parametrize("engine", ["background", "arq"])
def test_the_tests_of_a_project_pass_behind_pgbouncer(
    engine: str, sources: Path, tmp_path: Path
) -> None:
    project = render(sources, {"engine": engine, "database": "postgresql"}, tmp_path)
    subprocess.run([UV, "sync", "--quiet"], cwd=project, env=environment(), check=True)
    server = PostgreSQL(project, environment())
    server.start()
    try:
        with pgbouncer(server.port) as port:
            url = f"postgresql://app@127.0.0.1:{port}/app?pgbouncer=true"
            run = subprocess.run(
                [UV, "run", "pytest", "-m", "", *map(str, files(project))],
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


def files(project: Path) -> list[Path]:
    users = [*project.glob("tests/users/test_*.py")]
    return users + [project / "tests" / "platform" / f"test_{name}.py" for name in TESTS]
