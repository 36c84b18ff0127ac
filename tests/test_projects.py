"""What is generated installs, and passes its own linters, type checker and tests."""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from checks import CHECKS, UV, environment, run_check
from servers import INSTALL, LEFT_OUT
from template import CHOICES, render

ENGINES, DATABASES = CHOICES["engine"], CHOICES["database"]
# What an engine owes on every database. The other tests know no engine: each one is tried on
# all engines and on all databases, but not on all pairs; `make check-all` does that.
OWED = [f"tests/test_{name}.py" for name in ("contract", "outages", "undisturbed")]
# What the tests of a project say when they had to use a stand-in.
NOT_PROVED = "NOT PROVED"
BOUND = re.compile(r'"([\w-]+)(?:\[.*?\])?>=([\w.]+)')


def database_of(engine: str) -> str:
    """They take turns."""
    return DATABASES[ENGINES.index(engine) % len(DATABASES)]


class Checks:
    """Runs the checks of projects, and collects what failed and what they left out."""

    def __init__(self, node: Any) -> None:
        self._properties: list[tuple[str, object]] = node.user_properties
        self._failures: list[str] = []

    def run(
        self, project: Path, names: Iterable[str], tests: list[str], settings: dict[str, str]
    ) -> None:
        for name in names:
            result = run_check(name, project, *(tests if name == "tests" else []), **settings)
            if not result.passed:
                self._failures.append(f"{project.name}, {name}:\n{result.tail()}")
            if NOT_PROVED in result.output:
                what = f"used no real Redis in {project.name}: {INSTALL['redis-server']}"
                self._properties.append((LEFT_OUT, what))

    def report(self) -> None:
        if self._failures:
            pytest.fail("\n\n".join(self._failures), pytrace=False)


@pytest.fixture
def checks(request: pytest.FixtureRequest) -> Checks:
    return Checks(request.node)


@pytest.mark.long
@pytest.mark.parametrize("engine", ENGINES)
def test_the_projects_pass_their_own_checks(
    engine: str, checks: Checks, sources: Path, tmp_path: Path
) -> None:
    # Both are installed in one place: the type checker reads the libraries that they share once.
    shared = {
        "UV_PROJECT_ENVIRONMENT": str(tmp_path / "environment"),
        "MYPY_CACHE_DIR": str(tmp_path / "types"),
    }
    for database in DATABASES:
        project = render(sources, {"engine": engine, "database": database}, tmp_path)
        tests = [] if database == database_of(engine) else OWED
        checks.run(project, CHECKS, tests, shared)
    checks.report()


# The tools of the developers too, for whose bounds there is no other proof. Types are left out:
# whether old libraries declare them well, nobody would notice who runs the service.
LOWEST = {"UV_RESOLUTION": "lowest-direct"}  # for each command, or the next one installs the newest
CHECKS_OF_LOWEST = [check for check in CHECKS if check != "types"]
# Of what is owed, what asks the libraries most: the engine's and the database's.
OWED_BY_LIBRARIES = [f"tests/test_{name}.py" for name in ("contract", "outages")]


@pytest.mark.long
@pytest.mark.parametrize("engine", ENGINES)
def test_the_lowest_versions_that_a_project_allows_work(
    engine: str, checks: Checks, sources: Path, tmp_path: Path
) -> None:
    answers = {"engine": engine, "database": database_of(engine)}
    project = render(sources, answers, tmp_path)
    # What knows no engine is tried with the first one.
    tests = [] if engine == ENGINES[0] else OWED_BY_LIBRARIES
    checks.run(project, CHECKS_OF_LOWEST, tests, LOWEST)
    checks.report()
    assert newer_than_asked(project) == {}


def newer_than_asked(project: Path) -> dict[str, str]:
    freeze = [UV, "pip", "freeze"]
    said = subprocess.run(
        freeze, cwd=project, env=environment(), check=True, capture_output=True, text=True
    )
    installed = dict(line.split("==") for line in said.stdout.splitlines())
    bounds = dict(BOUND.findall((project / "pyproject.toml").read_text(encoding="utf-8")))
    assert {"fastapi", "sqlalchemy", "pytest"} <= bounds.keys()
    return {
        name: f"{installed[name]}, not {bound}"
        for name, bound in bounds.items()
        if name in installed and not f"{installed[name]}.".startswith(f"{bound}.")
    }
