"""On which engines and databases a fault is tried, and what the page says of it."""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from template import CHOICES, ROOT, combinations, name_of

Answers = dict[str, str]
ENGINES = CHOICES["engine"]
FRAGMENTS = ROOT / "templates" / "engines"
FIRST_DATABASE = CHOICES["database"][0]


def has_broker(answers: Answers) -> bool:
    return "redis:" in (FRAGMENTS / answers["engine"] / "Procfile").read_text(encoding="utf-8")


def on(chosen: list[Answers]) -> Any:
    return pytest.mark.parametrize("project", chosen, ids=name_of, indirect=True)


EVERYWHERE = combinations("engine", "database")
# Where the database has no part in the fault, the first one stands for all.
ON_FIRST_DATABASE = [answers for answers in EVERYWHERE if answers["database"] == FIRST_DATABASE]
on_every_engine = on(ON_FIRST_DATABASE)
on_every_database = on(EVERYWHERE)
on_every_broker = on([answers for answers in ON_FIRST_DATABASE if has_broker(answers)])
on_every_broker_and_database = on([answers for answers in EVERYWHERE if has_broker(answers)])
NO_BROKER = "it has no broker"


def fault(what: str, *, promise: str, elsewhere: str = "") -> Callable[[Any], Any]:
    """One row of docs/GUARANTEES.md; `elsewhere` says why an engine is spared."""
    return pytest.mark.fault(what=what, promise=promise, elsewhere=elsewhere)


def faults() -> dict[str, str]:
    """What each test breaks, by the test's name."""
    return {
        node.name: ast.literal_eval(decorator.args[0])
        for file in sorted(Path(__file__).parent.glob("test_*.py"))
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "fault"
    }
