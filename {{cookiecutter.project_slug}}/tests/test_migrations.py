"""The schema: made by migrations, used by models."""

import asyncio
import subprocess
import sys

import pytest
from alembic import command

from app.database import Database, open_database
from app.database.migrations import MIGRATIONS, is_migrated, migrate
from app.settings import get_settings
from tests.conftest import Environ, eventually
from tests.database import Server
from tests.processes import PROJECT
from tests.test_health import REFUSED


@pytest.fixture
def empty_database(server: Server, environ: Environ) -> str:
    url = server.create()
    environ(DATABASE_URL=url)
    return url


async def has_newest_schema() -> bool:
    async with open_database(get_settings().database_url) as database:
        return await is_migrated(database)


async def test_an_empty_database_is_not_migrated(empty_database: str) -> None:
    assert not await has_newest_schema()


async def test_an_empty_database_is_brought_to_the_newest_schema(empty_database: str) -> None:
    await migrate()
    assert await has_newest_schema()


async def test_a_start_that_waits_for_its_database_says_so(
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


async def test_a_migrated_database_can_be_migrated_again(database: Database) -> None:
    await migrate()
    assert await is_migrated(database)


async def test_the_models_and_the_migrations_agree(database: Database) -> None:
    await asyncio.to_thread(command.check, MIGRATIONS)


async def test_every_migration_can_be_taken_back_and_made_again(database: Database) -> None:
    await asyncio.to_thread(command.downgrade, MIGRATIONS, "base")
    assert not await is_migrated(database)
    await migrate()
    assert await is_migrated(database)


def test_processes_that_migrate_at_once_do_not_disturb_each_other(empty_database: str) -> None:
    alembic = [sys.executable, "-m", "alembic", "upgrade", "head"]
    processes = [
        subprocess.Popen(alembic, cwd=PROJECT, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    ends = [(process.communicate()[1], process.returncode) for process in processes]
    assert ends == [("", 0)] * 2
    assert asyncio.run(has_newest_schema())
