"""The database: what tables are made of, and sessions that read or write."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, DateTime, Dialect, MetaData, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

# What is started together with its database may be up before it.
START_SECONDS = 30
MIGRATIONS = Config(Path(__file__).parent.parent / "alembic.ini")


def utc_now() -> datetime:
    return datetime.now(UTC)


class Timestamp(TypeDecorator[datetime]):
    """A moment, in UTC on every database: SQLite forgets the time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value else None


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: Timestamp}  # noqa: RUF012 - SQLAlchemy's own form


class Database:
    """Sessions that write, and cheaper ones that only read."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.write = async_sessionmaker(engine, expire_on_commit=False)
        self.read = async_sessionmaker(
            engine.execution_options(only_reads=True), expire_on_commit=False
        )

    @asynccontextmanager
    async def turn_to_write(self) -> AsyncIterator[AsyncSession]:
        """A session that need not wait any more, so that its moments are true when it ends."""
        async with self.write.begin() as session:
            await session.connection()
            yield session

    async def is_migrated(self) -> bool:
        def current(connection: Connection) -> set[str]:
            return set(MigrationContext.configure(connection).get_current_heads())

        async with self.engine.connect() as connection:
            found = await connection.run_sync(current)
        return found == set(ScriptDirectory.from_config(MIGRATIONS).get_heads())


def create_engine(url: str) -> AsyncEngine:
    # What is in the database is nobody's business who reads the log.
    if make_url(url).get_backend_name() != "sqlite":
        engine = create_async_engine(url, pool_pre_ping=True, hide_parameters=True)
        event.listen(engine.sync_engine, "handle_error", _hide_row)
        return engine
    engine = create_async_engine(url, connect_args={"timeout": 10}, hide_parameters=True)
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _hide_row(context: ExceptionContext) -> None:
    # PostgreSQL says: "Key (email)=(ada@example.com) already exists."
    cause: Any = context.original_exception.__cause__
    if hasattr(cause, "detail"):
        cause.detail = None


def _prepare_sqlite(connection: DBAPIConnection, _: object) -> None:
    # Transactions are begun by _begin_sqlite, not by the driver.
    connection.isolation_level = None
    cursor = connection.cursor()
    # On a new file this fails at once while another process does the same; the mode is the file's.
    with suppress(sqlite3.OperationalError):
        cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A writer waits for its turn at BEGIN; one that upgraded later could only fail.
    only_reads = connection.get_execution_options().get("only_reads", False)
    connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")


@asynccontextmanager
async def open_database(url: str) -> AsyncIterator[Database]:
    engine = create_engine(url)
    try:
        yield Database(engine)
    finally:
        await engine.dispose()


async def migrate() -> None:
    """Bring the database that the settings name to the newest schema, once it answers."""
    for seconds_left in reversed(range(START_SECONDS)):
        try:
            await asyncio.to_thread(command.upgrade, MIGRATIONS, "head")
            return
        except (ConnectionError, DBAPIError):
            if not seconds_left:
                raise
            await asyncio.sleep(1)
