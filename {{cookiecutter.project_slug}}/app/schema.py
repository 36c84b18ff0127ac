"""The database's schema: whether it is the code's, and how it becomes so."""

import asyncio
import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from app.connections import DatabaseAway
from app.db import Database

logger = logging.getLogger(__name__)

# What is started together with its database may be up before it.
START_SECONDS = 30
MIGRATIONS = Config(Path(__file__).parent.parent / "alembic.ini")


async def is_migrated(database: Database) -> bool:
    def current(connection: Connection) -> set[str]:
        return set(MigrationContext.configure(connection).get_current_heads())

    async with database.read() as session:
        found = await (await session.connection()).run_sync(current)
    return found == set(ScriptDirectory.from_config(MIGRATIONS).get_heads())


async def migrate() -> None:
    """Bring the database that the settings name to the newest schema, once it answers."""
    for seconds_left in reversed(range(START_SECONDS)):
        try:
            await asyncio.to_thread(command.upgrade, MIGRATIONS, "head")
            return
        except DatabaseAway as error:
            if not seconds_left:
                raise
            if seconds_left == START_SECONDS - 1:
                logger.warning("waiting for the database: %s", error)
            await asyncio.sleep(1)
