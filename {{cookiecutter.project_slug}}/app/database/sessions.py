"""Sessions that write, and cheaper ones that only read."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from itertools import groupby
from time import monotonic
from typing import Any

from sqlalchemy import Connection, Engine, GenerativeSelect, event, func, insert, select
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
)
from sqlalchemy.orm import Session, SessionTransaction

from app.database.base import Base
from app.database.batching import Batches, Item, Result
from app.database.clock import Reading
from app.database.engines import (
    DatabaseRefused,
    DatabaseUnavailable,
    autocommit,
    create_engine,
    create_reading_engine,
    end_refused_connections,
    is_sqlite,
)
from app.settings import get_settings
from app.telemetry.tracing import exported

logger = logging.getLogger(__name__)

# Returns a result for each item. Each of its statements is a transaction of its own.
Change = Callable[[AsyncConnection, Sequence[Item]], Awaitable[Sequence[Result | Exception]]]

# More than the tasks of a process. Each may keep a connection while it computes.
TASK_READERS = 40
LONG_SECONDS = 3
CLOCK_SECONDS = 5


class WritingSession(Session):
    """On SQLite, it takes the write lock when it first writes, or selects FOR UPDATE."""

    def __init__(self, *, reader: Engine, **options: Any) -> None:  # noqa: ANN401 - SQLAlchemy's
        super().__init__(**options)
        self._reader = reader
        self._writes = False
        self._rows = defaultdict[type[Base], list[Base]](list)
        self.locked_at: float | None = None

    def get_bind(self, *args: Any, **options: Any) -> Engine | Connection:  # noqa: ANN401 - SQLAlchemy's
        asked = options.get("clause")
        if not isinstance(asked, GenerativeSelect) or asked._for_update_arg is not None:
            self._writes = True
        return super().get_bind(*args, **options) if self._writes else self._reader

    def insert(self, row: Base) -> None:
        """Like `add`, but cheaper, because the session does not keep track of the row."""
        self._rows[type(row)].append(row)

    def flush(self, objects: Sequence[object] | None = None) -> None:
        while self._rows:
            model, rows = self._rows.popitem()
            names = model.__table__.columns.keys()
            # What a row does not have gets the default of its column.
            given = ({name: vars(row)[name] for name in names if name in vars(row)} for row in rows)
            for _, values in groupby(given, key=tuple):
                self.connection().execute(insert(model), [*values])
        super().flush(objects)

    def close(self) -> None:
        super().close()
        if self.locked_at and (seconds := monotonic() - self.locked_at) > LONG_SECONDS:
            logger.warning("held the write lock for %.1f s: all others had to wait", seconds)


@event.listens_for(WritingSession, "after_begin")
def _note_lock(session: WritingSession, _: SessionTransaction, connection: Connection) -> None:
    if connection.engine is not session._reader:
        session.locked_at = monotonic()


@event.listens_for(WritingSession, "after_soft_rollback")
def _drop_rows(session: WritingSession, _: SessionTransaction) -> None:
    session._rows.clear()


class Database:
    def __init__(
        self, engine: AsyncEngine, reading_engine: AsyncEngine, probing: AsyncEngine
    ) -> None:
        self.engine = engine
        self.write = async_sessionmaker(
            engine,
            sync_session_class=WritingSession,
            reader=reading_engine.sync_engine,
            expire_on_commit=False,
            # A task that outlives its timeout cannot begin another transaction.
            close_resets_only=False,
        )
        # Each statement is a transaction of its own.
        self.reading_engine = autocommit(reading_engine)
        self.read = async_sessionmaker(self.reading_engine, expire_on_commit=False)
        # PostgreSQL streams rows within a transaction only.
        self.stream = async_sessionmaker(reading_engine, expire_on_commit=False)
        # Health checks do not wait for the connections of requests.
        self.probing = probing
        self._autocommit = autocommit(engine)
        self._batches: dict[Any, Batches[Any, Any]] = {}
        # Set by a commit of this process that makes jobs due. The relay waits for it.
        self.has_due_jobs = asyncio.Event()
        # What ends before the connections do.
        self.closing = AsyncExitStack()

    async def read_clock(self) -> None:
        """Sets `utc_now`, unless it did a moment ago. SQLite has the clock of the machine."""
        if self.engine.dialect.name != "sqlite" and monotonic() > Reading.expires:
            async with self.read() as session:
                now = (await session.execute(select(func.statement_timestamp()))).scalar_one()
            Reading.epoch = now - timedelta(seconds=monotonic())
            Reading.expires = monotonic() + CLOCK_SECONDS

    @asynccontextmanager
    async def begin_write(self) -> AsyncIterator[AsyncSession]:
        """Takes the write lock first, so that timestamps are accurate."""
        async with self.write.begin() as session:
            await session.connection()
            yield session

    async def write_with_retry(
        self,
        change: Change[Item, Result],
        item: Item,
        patience: timedelta,
        *,
        is_alone: bool = False,
    ) -> Result:
        """Write in a batch with others, or alone. Retry while the database is unavailable."""
        batches: Batches[Item, Result] | None = None if is_alone else self._batches.get(change)
        if batches is None:
            batches = Batches(partial(self._write, change))
            if not is_alone:
                self._batches[change] = batches
        retry_until = monotonic() + patience.total_seconds()
        while True:
            try:
                return await batches.join(item)
            except DatabaseUnavailable:
                if monotonic() > retry_until:
                    raise
            await asyncio.sleep(1)

    async def _write(
        self, change: Change[Item, Result], items: Sequence[Item]
    ) -> Sequence[Result | Exception]:
        async with self._autocommit.connect() as connection:
            return await change(connection, items)


@asynccontextmanager
async def open_database(url: str) -> AsyncIterator[Database]:
    size, seconds = get_settings().database_pool_size, get_settings().database_statement_seconds
    async with AsyncExitStack() as stack:
        engine = create_engine(url, size, seconds)
        stack.push_async_callback(engine.dispose)
        reading_engine = engine
        if is_sqlite(url):
            reading_engine = create_reading_engine(url, size + TASK_READERS)
            stack.push_async_callback(reading_engine.dispose)
        probing = (
            create_reading_engine(url, 1) if is_sqlite(url) else create_engine(url, 1, seconds)
        )
        stack.push_async_callback(probing.dispose)
        stack.enter_context(exported(engine.sync_engine, reading_engine.sync_engine))
        database = Database(engine, reading_engine, probing)
        async with database.closing:
            yield database


async def check_database_url() -> None:
    """End the process with one line if the database refuses the URL. An outage does not."""
    settings = get_settings()
    engine = create_engine(settings.database_url, 1, settings.database_statement_seconds)
    try:
        async with engine.connect():
            pass
    except DatabaseRefused as error:
        await end_refused_connections()
        raise SystemExit(f"DATABASE_URL: {error}") from None
    except DatabaseUnavailable as error:
        logger.warning("the database is unavailable: %s", error)
    finally:
        await engine.dispose()
