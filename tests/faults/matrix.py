"""On which engines and databases a fault is tried, and what the page says of it."""

from collections.abc import Callable
from importlib import import_module
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
    files = sorted(Path(__file__).parent.glob("test_*.py"))
    return {
        name: mark.kwargs["what"]
        for file in files
        for name, value in vars(import_module(file.stem)).items()
        if name.startswith("test_")
        for mark in value.pytestmark
        if mark.name == "fault"
    }
