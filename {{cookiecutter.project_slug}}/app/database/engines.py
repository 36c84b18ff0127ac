"""SQLAlchemy's engines: their transactions, limits and errors, alike on both databases."""

import asyncio
import sqlite3
import threading
from contextlib import suppress
from math import inf
from ssl import SSLCertVerificationError
from time import monotonic
from typing import Any
from urllib.parse import parse_qsl, urlencode

from sqlalchemy import Connection, Engine, PoolProxiedConnection, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry

from app.settings import get_settings

CONNECT_SECONDS = 5
# How long a request or a job waits for a connection or, on SQLite, for the write lock.
WAIT_SECONDS = 10
# A connection used a moment ago needs no ping: the first error on one replaces all of them. An
# idle relay uses one every second.
TRUSTED_SECONDS = 1.5
USED_AT = "used at"
AUTOCOMMIT = "autocommit"

# Classes of PostgreSQL's SQLSTATE: connection, read-only transaction, transaction rollback,
# resources, lock, operator intervention (statement timeout, shutdown, start), system.
READ_ONLY = "25006"
UNAVAILABLE_SQLSTATES = ("08", READ_ONLY, "40", "53", "55P03", "57", "58")
FULL_SQLSTATE = "53100"
UNAVAILABLE_SQLITE_CODES = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}
# Authorization, and what the server does not know or allow.
REFUSED_SQLSTATES = ("28", "42")
UNKNOWN_DATABASE = "3D000"
REFUSED_SQLITE_CODES = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOTADB}
# These have no code of their own. The second one is PgBouncer's.
REJECTED_TLS = "rejected SSL upgrade"
UNSUPPORTED_BY_PGBOUNCER = "unsupported startup parameter"


class DatabaseUnavailable(SQLAlchemyError):
    """It does not answer, or not in time. A retry may succeed."""


class DatabaseFull(DatabaseUnavailable):
    """It has no room left."""


class DatabaseRefused(DatabaseUnavailable):
    """It does not accept this DATABASE_URL. A retry fails until one of them is changed."""


class Connections(AsyncAdaptedQueuePool):
    def connect(self) -> PoolProxiedConnection:
        try:
            return super().connect()
        except Exception as error:  # the network, the pool and each driver raise their own
            cause = error.__cause__ or error
            if not _is_refusal(cause):
                raise DatabaseUnavailable(f"no connection: {cause!r}") from error
            reason = " ".join(str(cause).split())
            if f"{UNSUPPORTED_BY_PGBOUNCER}: statement_timeout" in reason:
                reason = "add pgbouncer=true to the URL, because this is a PgBouncer"
            raise DatabaseRefused(reason) from error


def _is_refusal(error: BaseException) -> bool:
    sqlstate = getattr(error, "sqlstate", None) or ""
    if sqlstate == UNKNOWN_DATABASE:
        # In development, the process that starts the server is about to create it.
        return get_settings().environment != "development"
    return (
        sqlstate.startswith(REFUSED_SQLSTATES)
        or getattr(error, "sqlite_errorcode", None) in REFUSED_SQLITE_CODES
        or isinstance(error, SSLCertVerificationError | TypeError | ValueError)
        or any(text in str(error) for text in (REJECTED_TLS, UNSUPPORTED_BY_PGBOUNCER))
    )


def create_engine(
    url: str, pool_size: int = 1, statement_seconds: float | None = None
) -> AsyncEngine:
    """For reading and writing. On SQLite, its one connection is the only writer."""
    if is_sqlite(url):
        engine = _create_sqlite(url, 1)
        event.listen(engine.sync_engine, "begin", _begin_write_on_sqlite)
        return engine
    options = _postgresql_options(url, statement_seconds)
    engine = _create("postgresql+asyncpg://", pool_size, connect_args=options)
    event.listen(engine.sync_engine, "connect", _prepare_postgresql)
    _ping_after_idleness(engine.sync_engine)
    return engine


def create_reading_engine(url: str, pool_size: int) -> AsyncEngine:
    """For SQLite, where readers need not wait for the writer. It begins no transactions."""
    # A rollback would be one more switch to the driver's thread.
    return _create_sqlite(url, pool_size, skip_autocommit_rollback=True)


def autocommit(engine: AsyncEngine) -> AsyncEngine:
    """Each statement is a transaction of its own, without a BEGIN and a COMMIT."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(**{AUTOCOMMIT: True})
    return engine.execution_options(isolation_level="AUTOCOMMIT")


async def end_refused_connections() -> None:
    """The thread of aiosqlite still reports to the event loop, which is about to end."""
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            await asyncio.to_thread(thread.join, CONNECT_SECONDS)


def is_sqlite(url: str) -> bool:
    return url.startswith("sqlite")


def _postgresql_options(url: str, statement_seconds: float | None) -> dict[str, object]:
    """The driver itself reads the URL as libpq does, apart from these parameters."""
    place, _, query = url.partition("?")
    given = dict(parse_qsl(query))
    # A driver without channel binding does as libpq does where it is not required.
    given.pop("channel_binding", None)
    connect_seconds = int(given.pop("connect_timeout", 0)) or CONNECT_SECONDS
    options: dict[str, object] = {"timeout": connect_seconds}
    if given.get("sslrootcert") == "system":
        del given["sslrootcert"]
        options["ssl"] = True
    if given.pop("pgbouncer", "") == "true":
        # The next transaction may be on another connection to the server, which knows neither the
        # statements that were prepared on this one nor its settings.
        options |= {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
        options |= {"prepared_statement_name_func": str, "command_timeout": statement_seconds}
    elif statement_seconds is not None:
        # The server cancels a slow statement. The driver gives up a server that is gone.
        options["command_timeout"] = statement_seconds + CONNECT_SECONDS
        options["server_settings"] = {"statement_timeout": f"{statement_seconds * 1000:.0f}"}
    return options | {"dsn": f"postgresql{place[place.index('://') :]}?{urlencode(given)}"}


def _create_sqlite(url: str, pool_size: int, **options: object) -> AsyncEngine:
    url = "sqlite+aiosqlite" + url[url.index("://") :]
    engine = _create(url, pool_size, connect_args={"timeout": WAIT_SECONDS}, **options)
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    # It fails at once while another process does the same to a new file, which then has the mode.
    with suppress(sqlite3.OperationalError):
        cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _prepare_postgresql(connection: DBAPIConnection, _: object) -> None:
    # It would compile a query over many jobs for seconds, which runs for a tenth of one.
    cursor = connection.cursor()
    cursor.execute("SET jit = off")
    cursor.close()
    connection.commit()


def _begin_write_on_sqlite(connection: Connection) -> None:
    # It takes the write lock at once: a read lock could not be upgraded later.
    if not connection.get_execution_options().get(AUTOCOMMIT):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _ping_after_idleness(engine: Engine) -> None:
    @event.listens_for(engine, "checkin")
    def _(_: object, record: ConnectionPoolEntry) -> None:
        record.info[USED_AT] = monotonic()

    @event.listens_for(engine, "checkout")
    def _(connection: DBAPIConnection, record: ConnectionPoolEntry, _: object) -> None:
        if record.info.get(USED_AT, inf) < monotonic() - TRUSTED_SECONDS:
            try:
                engine.dialect.do_ping(connection)
            except Exception as error:  # whatever is wrong, nobody uses the connection yet
                raise InvalidatePoolError from error


def _create(url: str, pool_size: int, **options: object) -> AsyncEngine:
    engine = create_async_engine(
        url,
        poolclass=Connections,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=WAIT_SECONDS,
        # Values of rows do not belong in the log.
        hide_parameters=True,
        **options,
    )
    event.listen(engine.sync_engine, "handle_error", _translate)
    return engine


def _translate(context: ExceptionContext) -> BaseException | None:
    error = context.original_exception
    if not isinstance(error, Exception):
        return None
    cause: Any = error.__cause__
    if hasattr(cause, "detail"):
        # PostgreSQL says: "Key (email)=(ada@example.com) already exists."
        cause.detail = None
    sqlstate = getattr(error, "sqlstate", None) or ""
    # An OSError may be a timeout. A primary that turned read-only has a successor.
    if isinstance(error, OSError) or sqlstate == READ_ONLY:
        context.is_disconnect = True
    # The low byte is the error; the others are its details.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if sqlstate == FULL_SQLSTATE or code == sqlite3.SQLITE_FULL:
        return DatabaseFull(str(error))
    is_unavailable = sqlstate.startswith(UNAVAILABLE_SQLSTATES) or code in UNAVAILABLE_SQLITE_CODES
    if context.is_disconnect or is_unavailable:
        return DatabaseUnavailable(repr(error))
    return None
