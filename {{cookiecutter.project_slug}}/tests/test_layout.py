"""What may know what: the rules that keep an engine one file."""

import ast
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import app.jobs
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


GROUND = ("app.errors", "app.mail", "app.settings")
# Each floor may import those below it, and itself.
FLOORS = (
    ("app.main", "app.engine"),
    ("app.tasks",),
    ("a domain",),
    ("app.web",),
    ("app.jobs",),
    ("app.database",),
    ("app.telemetry",),
    GROUND,
)
ROOMS = {name for floor in FLOORS for name in floor}


def room_of(module: str) -> str:
    room = ".".join(module.split(".")[:2])
    return room if room in ROOMS else "a domain"


def floor_of(module: str) -> int:
    return next(n for n, floor in enumerate(FLOORS) if room_of(module) in floor)


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")


def own_imports(path: Path) -> set[str]:
    return {name for name in imports_of(path) if name.startswith("app.")}


def test_every_module_is_in_a_room() -> None:
    flat = [path for path in (PROJECT / "app").glob("*.py") if path.name != "__init__.py"]
    strangers = {module_of(path) for path in flat} - ROOMS
    assert not strangers, "a module belongs into a domain, or into one of the rooms of AGENTS.md"


@names
def test_imports_only_go_down(path: Path) -> None:
    own = module_of(path)
    up = {name for name in own_imports(path) if floor_of(name) < floor_of(own)}
    assert not up, f"{own} is on a lower floor than these: see the table in AGENTS.md"


@pytest.mark.parametrize("name", ["models", "schemas", "services", "tasks"])
def test_a_domain_knows_neither_the_web_nor_what_is_behind_a_door(name: str) -> None:
    domains = [
        path
        for path in MODULES
        if path.name == f"{name}.py" and room_of(module_of(path)) == "a domain"
    ]
    forbidden = ("fastapi", "starlette", "app.web", "app.jobs.", "app.main", "app.engine")
    public = {f"app.jobs.{name}" for name in app.jobs.__all__}
    assert domains
    for path in domains:
        found = {name for name in imports_of(path) if name.startswith(forbidden)} - public
        assert not found, path


def test_every_module_of_tasks_is_registered() -> None:
    there = {f"app.{path.parent.name}.tasks" for path in (PROJECT / "app").glob("*/tasks.py")}
    registered = {
        value.__name__ for value in vars(app.tasks).values() if isinstance(value, ModuleType)
    }
    assert there <= registered
