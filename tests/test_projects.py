"""Rendered projects install, and pass their own linters, type checker and tests."""

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
# These tests run on every pair of engine and database. The others do not depend on both: each of
# them runs on every engine and on every database. `make check-all` runs everything on every pair.
OWED = ("contract", "outages", "undisturbed")
# No engine changes what these see, and they take half of the time of all tests. They run on the
# first engine of each database.
SEE_NO_ENGINE = (
    "arguments",
    "draining",
    "migrations",
    "ops_page",
    "ops_page_guards",
    "over_the_wire",
    "refusals",
    "start",
)
# What the tests of a project say when they had to use a stand-in.
NOT_PROVED = "NOT PROVED"
BOUND = re.compile(r'"([\w-]+)(?:\[.*?\])?>=([\w.]+)')


def database_of(engine: str) -> str:
    """The databases take turns."""
    return DATABASES[ENGINES.index(engine) % len(DATABASES)]


def file_of(project: Path, name: str) -> str:
    [found] = project.glob(f"tests/**/test_{name}.py")
    return str(found.relative_to(project))


class Checks:
    """Runs the checks of projects, and collects what failed and what they left out."""

    def __init__(self, node: Any) -> None:
        self._properties: list[tuple[str, object]] = node.user_properties
        self._failures: list[str] = []

    def run(
        self,
        project: Path,
        names: Iterable[str],
        tests: Iterable[str],
        settings: dict[str, str],
        without: Iterable[str] = (),
    ) -> None:
        selected = [file_of(project, test) for test in tests]
        selected += [f"--ignore={file_of(project, test)}" for test in without]
        for name in names:
            result = run_check(name, project, *(selected if name == "tests" else []), **settings)
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
    # Both use one environment, so that the type checker reads shared libraries only once.
    shared = {
        "UV_PROJECT_ENVIRONMENT": str(tmp_path / "environment"),
        "MYPY_CACHE_DIR": str(tmp_path / "types"),
    }
    for database in DATABASES:
        project = render(sources, {"engine": engine, "database": database}, tmp_path)
        if database == database_of(engine):
            without = () if engine in ENGINES[: len(DATABASES)] else SEE_NO_ENGINE
            checks.run(project, CHECKS, (), shared, without)
        else:
            checks.run(project, CHECKS, OWED, shared)
    checks.report()


# Development tools are included, because nothing else tests their bounds. Types are not, because
# wrong types in old libraries do not matter to those who run the service.
LOWEST = {"UV_RESOLUTION": "lowest-direct"}  # each command needs it, or it installs the newest
CHECKS_OF_LOWEST = [check for check in CHECKS if check != "types"]
# The tests that depend most on the libraries of the engine and the database.
OWED_BY_LIBRARIES = ("contract", "outages")


@pytest.mark.long
@pytest.mark.parametrize("engine", ENGINES)
def test_the_lowest_versions_that_a_project_allows_work(
    engine: str, checks: Checks, sources: Path, tmp_path: Path
) -> None:
    answers = {"engine": engine, "database": database_of(engine)}
    project = render(sources, answers, tmp_path)
    # Tests that do not depend on the engine run on the first one only.
    tests = () if engine == ENGINES[0] else OWED_BY_LIBRARIES
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
