"""The database: what tables are made of, and sessions that read or write."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from secrets import randbits
from time import monotonic, time_ns
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Dialect, MetaData
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

from app.connections import (
    DatabaseAway,
    alone,
    create_engine,
    create_reading_engine,
    is_sqlite,
)
from app.rounds import Change, Item, Result, Rounds
from app.settings import get_settings
from app.tracing import exported


def utc_now() -> datetime:
    return datetime.now(UTC)


def new_id() -> UUID:
    """In the order of time (RFC 9562, version 7): what is made together lies together in an index.

    A random one changes another page each time, of which PostgreSQL logs the whole.
    """
    milliseconds = time_ns() // 1_000_000
    return UUID(int=milliseconds << 80 | 7 << 76 | randbits(12) << 64 | 0b10 << 62 | randbits(62))


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
    """Sessions that write, and cheaper ones that only read, each statement by itself."""

    def __init__(self, engine: AsyncEngine, reading_engine: AsyncEngine) -> None:
        self.engine = engine
        self.write = async_sessionmaker(engine, expire_on_commit=False)
        self.read = async_sessionmaker(alone(reading_engine), expire_on_commit=False)
        # PostgreSQL gives rows piece by piece within a transaction only.
        self.stream = async_sessionmaker(reading_engine, expire_on_commit=False)
        self._changes = alone(engine)
        self._rounds: dict[Any, Rounds[Any, Any]] = {}

    @asynccontextmanager
    async def turn_to_write(self) -> AsyncIterator[AsyncSession]:
        """A session that need not wait any more, so that its moments are true when it ends."""
        async with self.write.begin() as session:
            await session.connection()
            yield session

    async def persist(
        self,
        change: Change[Item, Result],
        item: Item,
        patience: timedelta,
        *,
        is_shared: bool = True,
    ) -> Result:
        """Have it written, by a database that may be away for a while."""
        rounds: Rounds[Item, Result] = Rounds(self._changes, change)
        if is_shared:
            rounds = self._rounds.setdefault(change, rounds)
        patient_until = monotonic() + patience.total_seconds()
        while True:
            try:
                return await rounds.join(item)
            except DatabaseAway:
                if monotonic() > patient_until:
                    raise
            await asyncio.sleep(1)


@asynccontextmanager
async def open_database(url: str) -> AsyncIterator[Database]:
    size = get_settings().database_pool_size
    async with AsyncExitStack() as stack:
        engine = create_engine(url, size, get_settings().database_statement_seconds)
        stack.push_async_callback(engine.dispose)
        reading_engine = engine
        if is_sqlite(url):
            reading_engine = create_reading_engine(url, size)
            stack.push_async_callback(reading_engine.dispose)
        stack.enter_context(exported(engine.sync_engine, reading_engine.sync_engine))
        yield Database(engine, reading_engine)
