"""Runs Alembic's migrations, and tells whether the database has them all."""

import asyncio
import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from app.database.engines import DatabaseUnavailable
from app.database.sessions import Database

logger = logging.getLogger(__name__)

# The service may start before its database does.
START_SECONDS = 30
MIGRATIONS = Config(Path(__file__).parents[2] / "alembic.ini")


async def is_migrated(database: Database) -> bool:
    def current(connection: Connection) -> set[str]:
        return set(MigrationContext.configure(connection).get_current_heads())

    async with database.read() as session:
        found = await (await session.connection()).run_sync(current)
    return found == set(ScriptDirectory.from_config(MIGRATIONS).get_heads())


async def migrate() -> None:
    """Upgrade the database of the settings to the newest revision, once it answers."""
    for seconds_left in reversed(range(START_SECONDS)):
        try:
            await asyncio.to_thread(command.upgrade, MIGRATIONS, "head")
            return
        except DatabaseUnavailable as error:
            if not seconds_left:
                raise
            if seconds_left == START_SECONDS - 1:
                logger.warning("waiting for the database: %s", error)
            await asyncio.sleep(1)
