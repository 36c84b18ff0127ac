"""Migrations, and whether they agree with the models."""

import asyncio
import subprocess
import sys

import pytest
from alembic import command

from app.database import Database, open_database
from app.database.migrations import MIGRATIONS, NOT_MIGRATED, migrate, state_of
from app.settings import get_settings
from tests.platform.data import REFUSED
from tests.support.database import Server
from tests.support.environment import Environ
from tests.support.processes import PROJECT
from tests.support.waiting import eventually


@pytest.fixture
def empty_database(server: Server, environ: Environ) -> str:
    url = server.create()
    environ(DATABASE_URL=url)
    return url


async def state() -> str:
    async with open_database(get_settings().database_url) as database:
        return await state_of(database)


async def test_an_empty_database_is_not_migrated(empty_database: str) -> None:
    assert await state() == NOT_MIGRATED


async def test_an_empty_database_is_migrated_to_the_newest_revision(empty_database: str) -> None:
    await migrate()
    assert await state() == "ok"


async def test_a_migration_waits_for_the_database_and_says_so(
    environ: Environ, caplog: pytest.LogCaptureFixture
) -> None:
    environ(DATABASE_URL=REFUSED)

    async def is_told() -> bool:
        return "waiting for the database" in caplog.text

    starting = asyncio.create_task(migrate())
    await eventually(is_told)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting


async def test_a_migrated_database_can_be_migrated_again(own_database: Database) -> None:
    await migrate()
    assert await state_of(own_database) == "ok"


async def test_the_models_and_the_migrations_agree(database: Database) -> None:
    await asyncio.to_thread(command.check, MIGRATIONS)


async def test_every_migration_can_be_reversed_and_repeated(own_database: Database) -> None:
    await asyncio.to_thread(command.downgrade, MIGRATIONS, "base")
    assert await state_of(own_database) == NOT_MIGRATED
    await migrate()
    assert await state_of(own_database) == "ok"


@pytest.mark.slow
def test_processes_may_migrate_at_the_same_time(empty_database: str) -> None:
    alembic = [sys.executable, "-m", "alembic", "upgrade", "head"]
    processes = [
        subprocess.Popen(alembic, cwd=PROJECT, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    ends = [(process.communicate()[1], process.returncode) for process in processes]
    assert ends == [("", 0)] * 2
    assert asyncio.run(state()) == "ok"
