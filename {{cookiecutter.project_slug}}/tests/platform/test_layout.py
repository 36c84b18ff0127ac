"""The rooms of app/, and what each may import."""

import ast
from collections.abc import Iterator
from pathlib import Path

import app.database
import app.jobs
import app.tasks
import app.telemetry
import app.web
from app.jobs import registry
from tests.support.processes import PROJECT

DOMAIN = "a domain"
# From the top to the bottom. A floor imports from its own and from those below it.
FLOORS = (
    ("app.main", "app.engine", "app.jobs.__main__"),
    ("app.tasks",),
    (DOMAIN,),
    ("app.web",),
    ("app.jobs",),
    ("app.database",),
    ("app.telemetry",),
    ("app.errors", "app.mail", "app.settings"),
)
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
WITHOUT_THE_WEB = ("models", "schemas", "services", "tasks")
WEB_FRAMEWORKS = ("fastapi", "starlette")
# What a domain may import of a room: everything else there is private.
DOORS = {
    "app.jobs": {f"app.jobs.{name}" for name in app.jobs.__all__},
    "app.database": {f"app.database.{name}" for name in app.database.__all__},
    "app.web": {f"app.web.{name}" for name in app.web.__all__},
    "app.telemetry": {f"app.telemetry.{name}" for name in app.telemetry.__all__},
}
RUNTIME = "app.jobs.runtime"
MAY_USE_THE_RUNTIME = ("app.main", "app.engine", "app.web", "app.jobs")

TREES = {path: ast.parse(path.read_text()) for path in sorted((PROJECT / "app").rglob("*.py"))}


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")


def room_of(module: str) -> str:
    if module in FLOOR_OF:
        return module
    room = ".".join(module.split(".")[:2])
    return room if room in FLOOR_OF else DOMAIN


def imports_of(tree: ast.AST) -> Iterator[str]:
    """Modules, and the names imported from them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


IMPORTS = {path: sorted(set(imports_of(tree))) for path, tree in TREES.items()}
# Pairs of a module of app/ and a name in app/ that it imports.
OWN_IMPORTS = [
    (module_of(path), name)
    for path, names in IMPORTS.items()
    for name in names
    if name.startswith("app.")
]


def is_in(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def test_every_file_is_in_a_room() -> None:
    misplaced = [
        f"{path.relative_to(PROJECT)} is in no room: put it into the directory of its domain, such "
        "as app/users/, or of the platform: app/web/, app/jobs/, app/database/ or app/telemetry/"
        for path in TREES
        if path.parent.name == "app" and path.stem != "__init__" and module_of(path) not in FLOOR_OF
    ]
    assert not misplaced, "\n".join(misplaced)


def test_imports_only_run_down() -> None:
    up = [
        f"{module} must not import {name}: {room_of(name)} is above {room_of(module)}. "
        "Move the code down, or pass it as an argument"
        for module, name in OWN_IMPORTS
        if FLOOR_OF[room_of(name)] < FLOOR_OF[room_of(module)]
    ]
    assert not up, "\n".join(up)


def test_a_domain_imports_only_what_a_room_offers() -> None:
    private = [
        f"{module} must not import {name}: import what {room} offers in its __init__.py"
        for module, name in OWN_IMPORTS
        if room_of(module) == DOMAIN
        for room, offered in DOORS.items()
        if is_in(name, room) and name != room and name not in offered
    ]
    assert not private, "\n".join(private)


def test_only_the_routes_of_a_domain_know_the_web() -> None:
    found = [
        f"{module_of(path)} must not import {name}: what belongs to a request goes into routes.py"
        for path, names in IMPORTS.items()
        if room_of(module_of(path)) == DOMAIN and path.stem in WITHOUT_THE_WEB
        for name in names
        if any(is_in(name, package) for package in ("app.web", *WEB_FRAMEWORKS))
    ]
    assert not found, "\n".join(found)


def test_only_the_entry_points_and_the_web_use_the_runtime_of_jobs() -> None:
    found = [
        f"{module} must not import {name}: use app.jobs"
        for module, name in OWN_IMPORTS
        if is_in(name, RUNTIME)
        and not any(is_in(module, allowed) for allowed in MAY_USE_THE_RUNTIME)
    ]
    assert not found, "\n".join(found)


def test_only_the_web_process_knows_the_engine() -> None:
    found = [
        f"{module} must not import app.engine: only app.main does"
        for module, name in OWN_IMPORTS
        if is_in(name, "app.engine") and module != "app.main"
    ]
    assert not found, "\n".join(found)


def test_nothing_is_imported_inside_a_function() -> None:
    found = [
        f"{module_of(path)}.{function.name} must not import {name}: import it at the top"
        for path, tree in TREES.items()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for name in imports_of(function)
    ]
    assert not found, "\n".join(found)


def test_every_module_that_declares_tasks_is_imported_by_app_tasks() -> None:
    declared = {
        node.name: module_of(path)
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and any(is_task(decorator) for decorator in node.decorator_list)
    }
    forgotten = [
        f"{name} is not registered: import {module} in app/tasks.py"
        for name, module in declared.items()
        if name not in registry
    ]
    assert declared
    assert not forgotten, "\n".join(forgotten)


def is_task(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(called, ast.Name) and called.id == "task"
