"""Fixtures of the platform's tests."""

from collections.abc import Iterator

import pytest

from app.database import Database
from app.jobs.runtime import Relay
from app.tasks import registry
from tests.support.fake_engine import FakeEngine


@pytest.fixture
def relay(database: Database, engine: FakeEngine) -> Relay:
    return Relay(database, engine)


@pytest.fixture
def own_tasks() -> Iterator[None]:
    """The registry is empty: a test declares its own tasks, whatever names the service uses."""
    before = dict(registry)
    registry.clear()
    yield
    registry.clear()
    registry.update(before)
