"""Runs Alembic's migrations, and tells whether the database suits the code."""

import asyncio
import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from app.database.engines import DatabaseUnavailable
from app.database.sessions import Database

logger = logging.getLogger(__name__)

# The service may start before its database does.
START_SECONDS = 30
NOT_MIGRATED = "not migrated: run alembic upgrade head"
READ_ONLY = "read-only"
MIGRATIONS = Config(Path(__file__).parents[2] / "alembic.ini")


async def state_of(database: Database) -> str:
    """`ok`, or what keeps the service from working with it."""
    async with database.probing.connect() as connection:
        found = await connection.run_sync(_inspect)
    if found == READ_ONLY:
        # Connections that are open lead to the same server. New ones may lead to its successor.
        for engine in (database.probing, database.engine):
            await engine.dispose()
    return found


def _inspect(connection: Connection) -> str:
    is_postgresql = connection.dialect.name == "postgresql"
    if is_postgresql and connection.scalar(text("SHOW transaction_read_only")) == "on":
        return READ_ONLY
    scripts = ScriptDirectory.from_config(MIGRATIONS)
    older = {script.revision for script in scripts.walk_revisions()} - set(scripts.get_heads())
    found = set(MigrationContext.configure(connection).get_current_heads())
    # A revision that the code does not know is of a newer release, which suits this one too.
    return "ok" if found and found.isdisjoint(older) else NOT_MIGRATED


async def migrate() -> None:
    """Upgrade the database of the settings to the newest revision, once it answers."""
    for seconds_left in reversed(range(START_SECONDS)):
        try:
            await asyncio.to_thread(command.upgrade, MIGRATIONS, "head")
            return
        except DatabaseUnavailable as error:
            if not seconds_left:
                raise SystemExit(f"DATABASE_URL: {error}") from None
            if seconds_left == START_SECONDS - 1:
                logger.warning("waiting for the database: %s", error)
            await asyncio.sleep(1)
