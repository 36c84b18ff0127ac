"""What may know what: the rules that keep an engine one file."""

import ast
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import app.tasks
from tests.processes import PROJECT

MODULES = sorted((PROJECT / "app").rglob("*.py"))
names = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PROJECT)))


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def imports_of(path: Path) -> set[str]:
    return set(imports(ast.parse(path.read_text())))


@names
def test_nothing_is_imported_inside_a_function(path: Path) -> None:
    functions = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert [found for function in functions for found in imports(function)] == []


def test_only_the_application_knows_its_engine() -> None:
    knowing = {path.name for path in MODULES if "app.jobs.engine" in imports_of(path)}
    assert knowing == {"main.py"}


def test_only_what_serves_requests_knows_the_migrations() -> None:
    knowing = {path.name for path in MODULES if "app.schema" in imports_of(path)}
    importing = {path.name for path in MODULES if "alembic" in imports_of(path)}
    assert (knowing, importing) == ({"health.py", "main.py"}, {"schema.py"})


@pytest.mark.parametrize("name", ["models", "schemas", "services", "tasks"])
def test_a_domain_knows_neither_the_web_nor_how_jobs_are_run(name: str) -> None:
    domains = [path for path in MODULES if path.name == f"{name}.py" and path.parent.name != "app"]
    running = [f"app.jobs.{module}" for module in ("engine", "perform", "relay", "outbox")]
    forbidden = ("fastapi", "starlette", "app.deps", "app.main", *running)
    assert domains
    for path in domains:
        assert [found for found in imports_of(path) if found.startswith(forbidden)] == []


def test_every_module_of_tasks_is_registered() -> None:
    there = {f"app.{path.parent.name}.tasks" for path in (PROJECT / "app").glob("*/tasks.py")}
    registered = {
        value.__name__ for value in vars(app.tasks).values() if isinstance(value, ModuleType)
    }
    assert there <= registered
