"""The engines and databases on which a fault is tested, and its row in docs/GUARANTEES.md."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from template import CHOICES, ROOT, combinations, name_of

Answers = dict[str, str]
ENGINES, DATABASES = CHOICES["engine"], CHOICES["database"]
FRAGMENTS = ROOT / "templates" / "engines"


def has_broker(answers: Answers) -> bool:
    return "redis:" in (FRAGMENTS / answers["engine"] / "Procfile.dev").read_text(encoding="utf-8")


def takes_rabbitmq(answers: Answers) -> bool:
    return "amqp://" in (FRAGMENTS / answers["engine"] / "env").read_text(encoding="utf-8")


def on(chosen: list[Answers]) -> Any:
    return pytest.mark.parametrize("project", chosen, ids=name_of, indirect=True)


def has_turn(answers: Answers) -> bool:
    engine, database = ENGINES.index(answers["engine"]), DATABASES.index(answers["database"])
    return (engine + database) % len(DATABASES) == 0


EVERYWHERE = combinations("engine", "database")
ON_FIRST_DATABASE = [answers for answers in EVERYWHERE if answers["database"] == DATABASES[0]]
BY_TURNS = [answers for answers in EVERYWHERE if has_turn(answers)]
# For faults that do not depend on the database.
on_every_engine = on(ON_FIRST_DATABASE)
on_every_broker = on([answers for answers in ON_FIRST_DATABASE if has_broker(answers)])
# For faults that depend on the engine and on the database, but not on their combination.
on_every_engine_by_turns = on(BY_TURNS)
on_every_broker_by_turns = on([answers for answers in BY_TURNS if has_broker(answers)])
on_postgresql = on([answers for answers in EVERYWHERE if answers["database"] == "postgresql"])
# For faults of the clocks: in the web process, on its event loop, and in processes of a pool.
on_postgresql_by_kind = on(
    [
        answers
        for answers in EVERYWHERE
        if answers["database"] == "postgresql" and answers["engine"] in ENGINES[:3]
    ]
)
on_sqlite = on([answers for answers in EVERYWHERE if answers["database"] == "sqlite"])
NO_BROKER = "this engine has no broker"


def fault(what: str, *, promise: str, elsewhere: str = "") -> Callable[[Any], Any]:
    """A row of docs/GUARANTEES.md; `elsewhere` says why it does not apply to other engines."""
    return pytest.mark.fault(what=what, promise=promise, elsewhere=elsewhere)


def faults() -> dict[str, str]:
    """The title of each fault, by the name of its test."""
    files = sorted(Path(__file__).parent.glob("test_*.py"))
    return {
        name: mark.kwargs["what"]
        for file in files
        for name, value in vars(import_module(file.stem)).items()
        if name.startswith("test_")
        for mark in value.pytestmark
        if mark.name == "fault"
    }
